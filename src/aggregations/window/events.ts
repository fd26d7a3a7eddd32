import { ByteReader, type ByteWriter } from '../../core/bytes.ts'
import type { FeatureValue, Millis, Operator, Value } from '../../core/model.ts'
import { StoredParts } from '../../core/segments.ts'
import { BLOCK, Block, type Kept } from './block.ts'

/** A window that is asked for: its operator, the number of that among all that keep different things, and its own number, shared with equal ones. */
export interface Window {
  readonly length: Millis
  readonly operator: Operator
  readonly operatorNumber: number
  readonly number: number
}

/** What is remembered over `count` blocks from `first` on. */
interface Run {
  readonly first: Block
  count: number
  readonly acc: unknown
}

/** What nearly all keys lack: nothing is ever put into it. */
const NONE = new Map<string, number>()

/** Events of one key in order of time, as blocks like the leaves of a B+ tree. No block is empty. */
export class Events {
  blocks: Block[] = []
  /** By number of the window: the blocks inside it but the first and the last, unchanged since. */
  private runs: (Run | undefined)[] = []
  private nextName = 0
  /** Blocks that stand in the store as segments. */
  private readonly stored = new StoredParts()
  /** Segments still to be attached, and the index of their block. */
  private lacking = NONE
  private readonly kept: Kept

  constructor(kept: Kept) {
    this.kept = kept
  }

  insert(time: Millis, tie: number, value: Value, operators: readonly Operator[]): void {
    let { blocks } = this
    if (blocks.length === 0) blocks = this.blocks = [new Block(this.nextName++, 8, this.kept)]
    const at = this.blockFor(time)
    let block = blocks[at] as Block
    if (at < blocks.length - 1) this.runs = []
    if (block.isFull) {
      const goesOn = at === blocks.length - 1 && time >= block.last
      const newer = goesOn ? new Block(this.nextName++, BLOCK, this.kept) : block.split(this.nextName++)
      blocks.splice(at + 1, 0, newer)
      if (goesOn || time >= newer.first) block = newer
    }
    block.insert(time, tie, value, operators)
  }

  /** The last block that begins no later than `time`, else the first. Late events are rare: the last is tried first. */
  private blockFor(time: Millis): number {
    const { blocks } = this
    let low = 0
    let high = blocks.length - 1
    if (time >= (blocks[high] as Block).first) return high
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((blocks[middle] as Block).first <= time) low = middle
      else high = middle - 1
    }
    return low
  }

  /** Index of the first block with an event after `time`. */
  blockAfter(time: Millis): number {
    let low = 0
    let high = this.blocks.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.blocks[middle] as Block).last > time) high = middle
      else low = middle + 1
    }
    return low
  }

  /** The earliest event time after `time`. */
  earliestAfter(time: Millis): Millis | undefined {
    const block = this.blocks[this.blockAfter(time)]
    return block?.times[block.after(time)]
  }

  drop(time: Millis): void {
    const gone = this.blockAfter(time)
    if (gone > 0) this.blocks.splice(0, gone)
    this.blocks[0]?.drop(time)
  }

  /**
   * Result over the events after `now - length`. The first block, which is being forgotten, and the block at the boundary
   * stand for themselves, and so does the last, which grows; what lies between is remembered.
   */
  result({ length, operator, operatorNumber, number }: Window, now: Millis): FeatureValue {
    const { blocks } = this
    const acc = operator.create()
    const start = now - length
    let at = this.blockAfter(start)
    const boundary = blocks[at]
    if (boundary && boundary.first <= start) boundary.addTo(acc, operator, boundary.after(start))
    else if (boundary) operator.merge(acc, boundary.partial(operator, operatorNumber))
    at++
    if (at < blocks.length - 1) operator.merge(acc, this.run(operator, operatorNumber, number, at))
    if (at < blocks.length) operator.merge(acc, (blocks.at(-1) as Block).partial(operator, operatorNumber))
    return operator.result(acc, length)
  }

  /** Accumulator over the blocks from `at` to the last but one. */
  private run(operator: Operator, operatorNumber: number, number: number, at: number): unknown {
    const { blocks } = this
    const first = blocks[at] as Block
    let run = this.runs[number]
    if (run?.first !== first) {
      run = { first, count: 0, acc: operator.create() }
      this.runs[number] = run
    }
    for (; at + run.count < blocks.length - 1; run.count++)
      operator.merge(run.acc, (blocks[at + run.count] as Block).partial(operator, operatorNumber))
    return run.acc
  }

  // ---- bytes: up to one block stands in the main bytes; of more, the main bytes hold the names

  private get isInline(): boolean {
    return this.blocks.length <= 1
  }

  encode(to: ByteWriter): void {
    const [only] = this.blocks
    to.byte(this.isInline ? INLINE : SEGMENTS)
    if (!this.isInline) {
      to.varint(this.nextName)
      to.varint(this.blocks.length)
      for (const { name } of this.blocks) to.varint(name)
    } else if (only) only.encode(to)
    else to.varint(0)
  }

  static decode(from: ByteReader, kept: Kept): Events {
    const events = new Events(kept)
    const form = from.byte()
    if (form === INLINE) {
      const only = Block.decode(from, events.nextName++, kept)
      if (only.to > 0) events.blocks = [only]
    } else if (form === SEGMENTS) {
      events.nextName = from.varint()
      events.lacking = new Map()
      const names = Array.from({ length: from.count() }, () => from.varint())
      for (const [at, name] of names.entries()) {
        events.blocks.push(new Block(name, 0, kept))
        events.stored.know(name)
        events.lacking.set(String(name), at)
      }
    } else throw new RangeError(`a window has no form ${form}`)
    return events
  }

  missing(): string[] {
    return [...this.lacking.keys()]
  }

  attach(name: string, bytes: Uint8Array): void {
    const at = this.lacking.get(name)
    if (at === undefined) throw new RangeError(`a window lacks no segment ${name}`)
    this.blocks[at] = Block.decode(new ByteReader(bytes), Number(name), this.kept)
    this.lacking.delete(name)
  }

  changed(): [string, Uint8Array | null][] {
    return this.stored.changes(this.isInline ? [] : this.blocks, (block, to) => block.encode(to))
  }
}

const INLINE = 0
const SEGMENTS = 1
