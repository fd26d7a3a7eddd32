import type { Log } from '../../core/part.ts'
import { RUNS_AGAIN } from '../../engine/task.ts'

const KEPT = 20
const SHOWN = 5

/** What is said below the view: how far feeding is, and warnings, which would tear the view were they printed. */
export class Notes {
  /** How far feeding is, while there is something to tell. */
  progress: string | undefined
  private lines: Line[] = []

  /** Newest last; what is said again moves there. */
  add(text: string): void {
    this.put({ text, troubled: new Set() })
  }

  get newest(): readonly string[] {
    return this.lines.slice(-SHOWN).map(({ text }) => text)
  }

  /** Takes the engine's warnings. Those of tasks go once these run again. */
  get log(): Log {
    const textOf = ({ reason }: Fields, message: string) => (reason === undefined ? message : `${message}: ${reason}`)
    const warn = (fields: Fields, message: string) => {
      const text = textOf(fields, message)
      const troubled = new Set(this.lines.find((line) => line.text === text)?.troubled)
      if (fields.task !== undefined) troubled.add(fields.task)
      this.put({ text, troubled })
    }
    const info = ({ task }: Fields, message: string) => {
      if (message === RUNS_AGAIN && task !== undefined) this.over(task)
    }
    return { debug: silent, info, warn, error: (fields, message) => this.add(textOf(fields, message)) }
  }

  private put(line: Line): void {
    this.lines = [...this.lines.filter(({ text }) => text !== line.text), line].slice(-KEPT)
  }

  private over(task: string): void {
    this.lines = this.lines.filter(({ troubled }) => !(troubled.delete(task) && troubled.size === 0))
  }
}

interface Fields {
  readonly reason?: unknown
  readonly task?: string
}

interface Line {
  readonly text: string
  /** Tasks that it holds for still; none where it is no passing trouble. */
  readonly troubled: Set<string>
}

const silent = () => undefined
