/** Feeds a file of events, one JSON object per line, in the order of the file. */
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { PassThrough, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { MillraceError } from '../core/errors.ts'
import { isMapping } from '../core/mapping.ts'
import type { Draft, Millis } from '../core/model.ts'
import { nearest } from '../core/suggest.ts'
import { type Line, linesOf } from './lines.ts'

/** What one line says. */
export interface ReplayRecord {
  readonly topic: string
  readonly event: Readonly<Record<string, unknown>>
  readonly key: string | undefined
  readonly timestamp: Millis | undefined
}

export interface ReplayProgress {
  /** Of the file's bytes, 0 to 100. */
  readonly percent: number
  readonly events: number
  readonly bad: number
  /** Since the start. */
  readonly eventsPerSecond: number
  /** Undefined while nothing can be said yet. */
  readonly secondsLeft: number | undefined
}

export interface ReplayResult {
  /** Events written. */
  readonly events: number
  /** Lines that were not. */
  readonly bad: number
  /** How many kinds of faults they have; those beyond a hundred are not told apart. */
  readonly kinds: number
  /** The first of each kind, three at most. */
  readonly faults: readonly { readonly line: number; readonly fault: string }[]
  /** False when the signal came first. */
  readonly complete: boolean
}

export interface ReplayOptions {
  /** Topics that may be named. Where there is exactly one, lines may be bare events. */
  readonly topics: readonly string[]
  /** Makes the record to write. What it throws is the line's fault: it is counted and the rest goes on. */
  encode(record: ReplayRecord): Draft
  /** Gets up to 1,000 records at a time; the next come when it has resolved. A rejection ends the replay. */
  write(drafts: readonly Draft[]): Promise<void>
  /** Told about twice a second, and at the end. */
  progress?(progress: ReplayProgress): void
  /** Wall or monotonic clock, in ms. */
  now(): Millis
  readonly signal: AbortSignal
}

const BATCH = 1000
const LINE_BYTES = 8 * 1024 * 1024
const PROGRESS_MS = 500
const FAULTS_SHOWN = 3
const FAULT_LENGTH = 500
const KINDS = 100
const SHAPE = '{"topic": "…", "event": {…}}, with "key" (text) and "timestamp" (ms since 1970) if you like'

/** Replays `path`; one that ends in `.gz` is unpacked. Throws `replay-unreadable`. Memory does not grow with the file. */
export async function replayFile(path: string, options: ReplayOptions): Promise<ReplayResult> {
  const { signal, now } = options
  const startedAt = now()
  const faults: { line: number; fault: string }[] = []
  const kinds = new Set<string>()
  let drafts: Draft[] = []
  let events = 0
  let bad = 0
  let toldAt = startedAt
  let complete = false

  const source = await openFile(path)
  function tell(): void {
    const seconds = (now() - startedAt) / 1000
    const share = complete || source.size === 0 ? 1 : source.read() / source.size
    toldAt = now()
    options.progress?.({
      percent: share * 100,
      events,
      bad,
      eventsPerSecond: seconds > 0 ? events / seconds : 0,
      secondsLeft: share > 0 && seconds > 0 ? (seconds / share) * (1 - share) : undefined,
    })
  }
  function take(line: Line): void {
    if (line.text !== undefined && line.text.trim() === '') return
    try {
      drafts.push(options.encode(recordOf(line, options.topics)))
    } catch (error) {
      bad++
      const fault = shown(error instanceof Error ? error.message : String(error))
      const kind = kindOfFault(fault)
      if (kinds.has(kind) || kinds.size === KINDS) return
      kinds.add(kind)
      if (faults.length < FAULTS_SHOWN) faults.push({ line: line.number, fault })
    }
  }
  async function flush(): Promise<void> {
    if (drafts.length > 0) await options.write(drafts)
    events += drafts.length
    drafts = []
    if (now() - toldAt >= PROGRESS_MS) tell()
  }

  try {
    for await (const lines of linesOf(source.bytes, LINE_BYTES)) {
      for (const line of lines) {
        take(line)
        if (drafts.length < BATCH) continue
        await flush()
        if (signal.aborted) break
      }
      if (signal.aborted) break
      if (now() - toldAt >= PROGRESS_MS) tell()
    }
    if (!signal.aborted) {
      await flush()
      complete = true
    }
  } finally {
    source.close()
  }
  tell()
  return { events, bad, kinds: kinds.size, faults, complete }
}

/** The fault without the values it was found with. */
function kindOfFault(fault: string): string {
  return fault.replace(/\(.*?\)(?=; expected)|"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?/g, '…')
}

/** Short, and with nothing that a terminal would obey: it may repeat what stands in the file. */
function shown(fault: string): string {
  const cut = fault.length > FAULT_LENGTH ? `${fault.slice(0, FAULT_LENGTH)}…` : fault
  return cut.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\u{fffd}')
}

/** The file's bytes, unpacked. `read` counts the bytes of the file itself. */
async function openFile(path: string) {
  const unreadable = (error: unknown) => {
    const { code, message } = error as NodeJS.ErrnoException
    return new MillraceError('replay-unreadable', `cannot read ${path}: ${code ?? message}`)
  }
  const { size } = await stat(path).catch((error: unknown) => {
    throw unreadable(error)
  })
  const file = createReadStream(path, { highWaterMark: 256 * 1024 })
  const out: Readable = path.endsWith('.gz') ? new PassThrough() : file
  if (out instanceof PassThrough)
    pipeline(file, createGunzip(), out).catch((error: unknown) => out.destroy(error as Error))
  async function* bytes(): AsyncGenerator<Buffer> {
    try {
      for await (const chunk of out) yield chunk as Buffer
    } catch (error) {
      throw unreadable(error)
    }
  }
  return {
    size,
    read: () => file.bytesRead,
    bytes: bytes(),
    close() {
      out.destroy()
      file.destroy()
    },
  }
}

/** Reads one line. Throws an Error whose message says what was found and what was expected. */
function recordOf(line: Line, topics: readonly string[]): ReplayRecord {
  if (line.text === undefined) throw new Error(`${line.fault}; expected one event per line`)
  const bare = topics.length === 1
  const expected = bare ? `an event of '${topics[0]}' as a JSON object, or ${SHAPE}` : SHAPE
  let value: unknown
  try {
    value = JSON.parse(line.text)
  } catch (error) {
    throw new Error(`not JSON (${(error as Error).message}); expected ${expected}`)
  }
  if (!isMapping(value)) throw new Error(`found ${kindOf(value)}, expected ${expected}`)
  if (!isEnvelope(value)) {
    if (bare) return { topic: topics[0] as string, event: value, key: undefined, timestamp: undefined }
    throw new Error(`found an object with ${Object.keys(value).join(', ') || 'nothing'}, expected ${expected}`)
  }
  const { topic, event, key, timestamp } = value
  if (typeof topic !== 'string' || !topics.includes(topic)) {
    const near = typeof topic === 'string' ? nearest(topic, topics) : undefined
    const hint = near === undefined ? '' : `; did you mean '${near}'?`
    throw new Error(`unknown topic ${JSON.stringify(topic)}${hint} (there are ${topics.join(', ')})`)
  }
  if (!isMapping(event)) throw new Error(`"event" is ${kindOf(event)}, expected an object`)
  if (key !== undefined && typeof key !== 'string') throw new Error(`"key" is ${kindOf(key)}, expected text`)
  if (timestamp !== undefined && !(Number.isSafeInteger(timestamp) && (timestamp as number) >= 0))
    throw new Error(`"timestamp" is ${JSON.stringify(timestamp)}, expected whole ms since 1970`)
  return { topic, event, key, timestamp: timestamp as Millis | undefined }
}

const ENVELOPE = new Set(['topic', 'event', 'key', 'timestamp'])

function isEnvelope(value: Readonly<Record<string, unknown>>): boolean {
  return 'topic' in value && 'event' in value && Object.keys(value).every((name) => ENVELOPE.has(name))
}

function kindOf(value: unknown): string {
  if (value === undefined) return 'missing'
  if (value === null) return 'null'
  return Array.isArray(value) ? 'a list' : `a ${typeof value}`
}
