import type { Log } from '../../core/part.ts'

const KEPT = 20
const SHOWN = 4

/** What is said below the view: how far feeding is, and warnings, which would tear the view were they printed. */
export class Notes {
  /** How far feeding is, while there is something to tell. */
  progress: string | undefined
  private readonly lines: string[] = []

  /** Newest last; what is said again moves there. */
  add(line: string): void {
    const at = this.lines.indexOf(line)
    if (at >= 0) this.lines.splice(at, 1)
    this.lines.push(line)
    if (this.lines.length > KEPT) this.lines.shift()
  }

  get newest(): readonly string[] {
    return this.lines.slice(-SHOWN)
  }

  /** Takes the engine's warnings. */
  get log(): Log {
    const note = (fields: object, message: string) => {
      const { reason } = fields as { readonly reason?: unknown }
      this.add(reason === undefined ? message : `${message}: ${reason}`)
    }
    return { debug: silent, info: silent, warn: note, error: note }
  }
}

const silent = () => undefined
