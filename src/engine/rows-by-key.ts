import type { Millis } from '../core/model.ts'
import type { Frame } from './shuffle.ts'

/** A frame whose rows from `from` on are new here; `clock`: the task's before it. */
export interface NewRows extends Pick<Frame, 'source' | 'rows' | 'reached' | 'at'> {
  readonly from: number
  readonly clock: Millis
}

/** Where the rows of each key are found: those of key number n at `starts[n]` to `starts[n + 1] - 1` of both arrays. */
export interface Order {
  readonly starts: Uint32Array
  /** Index of the row's frame, and of the row in it. */
  readonly frame: Uint32Array
  readonly row: Uint16Array
}

/** The new rows of one step, which can be gone through key by key. */
export class RowsByKey {
  readonly frames: NewRows[] = []
  /** Those that have rows, numbered as they were met. */
  readonly keys = new Map<string, number>()
  length = 0
  /** Of each frame: the number of each of its keys. */
  private readonly numbers: Uint32Array[] = []

  add(frame: NewRows): void {
    const { rows, from } = frame
    this.frames.push(frame)
    this.length += rows.length - from
    const isNew = new Uint8Array(rows.keys.length)
    for (let row = from; row < rows.length; row++) isNew[rows.keyOf[row] as number] = 1
    const numbers = new Uint32Array(rows.keys.length)
    for (let i = 0; i < numbers.length; i++) if (isNew[i] === 1) numbers[i] = this.numberOf(rows.keys[i] as string)
    this.numbers.push(numbers)
  }

  private numberOf(key: string): number {
    let number = this.keys.get(key)
    if (number === undefined) {
      number = this.keys.size
      this.keys.set(key, number)
    }
    return number
  }

  /** By key; each key's rows in the order in which they came. */
  order(): Order {
    const starts = new Uint32Array(this.keys.size + 1)
    this.eachRow((number) => {
      starts[number + 1] = (starts[number + 1] as number) + 1
    })
    for (let i = 1; i < starts.length; i++) starts[i] = (starts[i] as number) + (starts[i - 1] as number)
    const next = starts.slice()
    const order = { starts, frame: new Uint32Array(this.length), row: new Uint16Array(this.length) }
    this.eachRow((number, frame, row) => {
      const at = next[number] as number
      next[number] = at + 1
      order.frame[at] = frame
      order.row[at] = row
    })
    return order
  }

  private eachRow(visit: (number: number, frame: number, row: number) => void): void {
    for (const [frame, { rows, from }] of this.frames.entries()) {
      const numbers = this.numbers[frame] as Uint32Array
      for (let row = from; row < rows.length; row++) visit(numbers[rows.keyOf[row] as number] as number, frame, row)
    }
  }
}
