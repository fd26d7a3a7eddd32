/** A live view on a terminal, or a plain line now and then where there is none. */
import type { Millis } from '../core/model.ts'
import { duration, frame, rowsOf, type Style, type StyledText, shown, summary, type View } from './frame.ts'

export type { View } from './frame.ts'

/** The part of `tty.WriteStream` that is used. `hasColors` heeds NO_COLOR and TERM by itself. */
export interface Screen {
  write(text: string): unknown
  readonly columns?: number
  readonly rows?: number
  hasColors?(): boolean
}

export interface TerminalOptions {
  readonly out: Screen
  /** True when the cursor can be moved: a TTY whose TERM is not `dumb`. */
  readonly isTTY: boolean
  readonly now: () => Millis
}

export interface Terminal {
  /** Shows this now; call it as often as you like to see changes. */
  render(view: View): void
  /** Gives the cursor back; what was shown stays. Called again, or after the process's own end, it does nothing. */
  close(): void
}

const PLAIN_LINE_MS = 5000

export function createTerminal(options: TerminalOptions): Terminal {
  return options.isTTY ? painter(options.out) : plainLines(options)
}

const CODES: Record<Style, string> = {
  plain: '',
  bold: '\x1b[1m',
  dim: '\x1b[2m',
  changed: '\x1b[1;32m',
  warning: '\x1b[33m',
  copy: '',
}
const WIPE_REST = '\x1b[K'
const HIDE_CURSOR = '\x1b[?25l'
const SHOW_CURSOR = '\x1b[?25h'
/** Terminals that know it paint everything in between at once; others ignore it. */
const HOLD = '\x1b[?2026h'
const RELEASE = '\x1b[?2026l'

function painter(out: Screen): Terminal {
  const colours = out.hasColors?.() ?? false
  /** Rows of the last frame, and the size of the screen it was painted for. */
  let rows = 0
  let paintedFor = ''
  let closed = false

  function close(): void {
    if (closed) return
    closed = true
    process.off('exit', close)
    out.write(SHOW_CURSOR)
  }
  process.once('exit', close)
  out.write(HIDE_CURSOR)

  return {
    render(view) {
      if (closed) return
      const width = Math.max(20, out.columns ?? 80)
      const height = Math.max(2, (out.rows ?? 24) - 1)
      const size = `${width}x${height}`
      const lines = frame(view, width, height)
      let text = HOLD
      // a new size has wrapped or moved the old frame: nobody knows where it began
      if (rows > 0) text += size === paintedFor ? `\x1b[${rows}A\r` : '\x1b[2J\x1b[H'
      for (const line of lines) text += `${painted(line, width, colours)}\r\n`
      rows = lines.reduce((sum, line) => sum + rowsOf(line, width), 0)
      paintedFor = size
      out.write(`${text}\x1b[J${RELEASE}`)
    },
    close,
  }
}

/** The line as bytes for the terminal, and whatever stood in its rows wiped. */
function painted(line: StyledText, width: number, colours: boolean): string {
  const [[style, copy] = ['plain', '']] = line
  // several rows wrap by themselves, so that it is copied as one line; at the edge, wiping would take the last letter
  if (style === 'copy' && copy.length >= width)
    return copy.length % width === 0 ? copy : copy.padEnd(rowsOf(line, width) * width - 1) + WIPE_REST
  let room = width - 1
  let text = ''
  for (const [style, part] of line) {
    const shown = part.slice(0, room)
    room -= shown.length
    if (colours && CODES[style] !== '') text += `${CODES[style]}${shown}\x1b[0m`
    else text += style === 'changed' ? shown.replace(/^ /, '*') : shown
  }
  return text + WIPE_REST
}

function plainLines({ out, now }: TerminalOptions): Terminal {
  const said = new Set<string>()
  let lastAt = Number.NEGATIVE_INFINITY

  function once(line: string): void {
    if (said.has(line)) return
    said.add(line)
    out.write(`${line}\n`)
  }
  return {
    render(view) {
      once(`millrace dev at ${view.baseUrl}`)
      for (const curl of view.curls) once(`  ${curl}`)
      for (const note of view.notes) once(note)
      if (now() - lastAt < PLAIN_LINE_MS) return
      lastAt = now()
      const parts = [`up ${duration(view.uptime)}`, summary(view)]
      const [entity] = view.entities
      if (view.progress !== undefined) parts.push(view.progress)
      if (entity)
        parts.push(`${entity.title}: ${entity.features.map(([name, value]) => `${name}=${shown(value)}`).join(' ')}`)
      out.write(`${parts.join(' · ')}\n`)
    },
    close: () => undefined,
  }
}
