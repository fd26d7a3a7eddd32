import type { ByteReader, ByteWriter } from '../../core/bytes.ts'
import type { Millis, Operator, Value } from '../../core/model.ts'
import { pack, unpack, unpackAscending } from '../../core/packing.ts'
import type { StoredPart } from '../../core/segments.ts'
import { copyValues, newValues, packValues, unpackValues, type Values } from '../../core/values.ts'

/** What is kept of an event besides its time. */
export interface Kept {
  /** Kind of its value; undefined where it has none of its own. */
  readonly values: 'number' | 'text' | undefined
  readonly ties: boolean
}

/** Events in a block: small enough to scan and to write often, large enough that a long window has few. */
export const BLOCK = 512

/**
 * Up to 512 events in order of time, at `from` to `to - 1` of the arrays; `from` moves on as the clock passes events.
 * Events of one time stand in no promised order: nothing a window says depends on it but through their ties.
 */
export class Block implements StoredPart {
  from = 0
  to = 0
  times: Float64Array
  /** Undefined where events have no value of their own. */
  values: Values | undefined
  /** Undefined where no operator asks for them. */
  ties: Float64Array | undefined
  /** Must its segment be written? */
  changed = true
  /** Names its segment. */
  readonly name: number
  private readonly kept: Kept
  /** Accumulators over everything between `from` and `to`, by number of the operator, as far as they were asked for. */
  private partials: unknown[] | undefined

  constructor(name: number, capacity: number, kept: Kept) {
    this.name = name
    this.kept = kept
    this.times = new Float64Array(capacity)
    this.values = kept.values && newValues(kept.values, capacity)
    this.ties = kept.ties ? new Float64Array(capacity) : undefined
  }

  get first(): Millis {
    return this.times[this.from] as number
  }

  get last(): Millis {
    return this.times[this.to - 1] as number
  }

  get isFull(): boolean {
    return this.to - this.from === BLOCK
  }

  /** Index of the first event after `time`. */
  after(time: Millis): number {
    let low = this.from
    let high = this.to
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.times[middle] as number) > time) high = middle
      else low = middle + 1
    }
    return low
  }

  /** The block must not be full. `operators`: those that `partial` is asked for, in the same order. */
  insert(time: Millis, tie: number, value: Value, operators: readonly Operator[]): void {
    if (this.to === this.times.length) this.makeRoom()
    const isNewest = this.from === this.to || time >= this.last
    const at = isNewest ? this.to : this.after(time)
    if (!isNewest) {
      this.times.copyWithin(at + 1, at, this.to)
      this.values?.copyWithin(at + 1, at, this.to)
      this.ties?.copyWithin(at + 1, at, this.to)
    }
    this.times[at] = time
    if (this.values) this.values[at] = value
    if (this.ties) this.ties[at] = tie
    this.to++
    this.changed = true
    const { partials = NONE } = this
    for (let i = 0; i < partials.length; i++) {
      const acc = partials[i]
      if (acc !== undefined) (operators[i] as Operator).add(acc, value, time, tie)
    }
  }

  private makeRoom(): void {
    const count = this.to - this.from
    if (count * 2 <= this.times.length || this.times.length >= BLOCK) {
      this.times.copyWithin(0, this.from, this.to)
      this.values?.copyWithin(0, this.from, this.to)
      this.ties?.copyWithin(0, this.from, this.to)
    } else {
      const larger = this.copy(this.name, this.from, Math.min(BLOCK, count * 2))
      this.times = larger.times
      this.values = larger.values
      this.ties = larger.ties
    }
    this.from = 0
    this.to = count
  }

  private copy(name: number, from: number, capacity: number): Block {
    const copy = new Block(name, capacity, this.kept)
    copy.times.set(this.times.subarray(from, this.to))
    if (this.values) copy.values = copyValues(this.values, from, this.to, capacity)
    if (this.ties) copy.ties?.set(this.ties.subarray(from, this.to))
    copy.to = this.to - from
    return copy
  }

  /** Keeps the older half and answers a block of that name with the newer one. */
  split(name: number): Block {
    const middle = (this.from + this.to) >> 1
    const newer = this.copy(name, middle, BLOCK)
    this.to = middle
    this.changed = true
    this.partials = undefined
    return newer
  }

  /** Forgets events up to `time`. What is stored of the block is not outdated by it. */
  drop(time: Millis): void {
    if (this.from === this.to || this.first > time) return
    this.from = this.after(time)
    this.partials = undefined
  }

  /** Adds the events from index `from` on. */
  addTo(acc: unknown, operator: Operator, from: number): void {
    const { times, ties, values, to } = this
    for (let i = from; i < to; i++)
      operator.add(acc, values ? (values[i] as Value) : 1, times[i] as number, ties ? (ties[i] as number) : 0)
  }

  /** Accumulator of operator `number` over all events; not to be changed. */
  partial(operator: Operator, number: number): unknown {
    // exactly as long as it must be: an array that is pushed to has room for sixteen more
    this.partials ??= new Array(number + 1)
    let acc = this.partials[number]
    if (acc === undefined) {
      acc = operator.create()
      this.addTo(acc, operator, this.from)
      this.partials[number] = acc
    }
    return acc
  }

  /** There is at least one event. */
  encode(to: ByteWriter): void {
    to.varint(this.to - this.from)
    pack(this.times, this.from, this.to, to)
    if (this.values) packValues(this.values, this.from, this.to, to)
    if (this.ties) pack(this.ties, this.from, this.to, to)
  }

  static decode(from: ByteReader, name: number, kept: Kept): Block {
    const count = from.varint()
    if (count > BLOCK) throw new RangeError(`${count} events in a block, at most ${BLOCK} are in one`)
    const block = new Block(name, Math.max(8, count), kept)
    if (count > 0) unpackAscending(from, block.times, count)
    if (count > 0 && block.values) unpackValues(from, block.values, count)
    if (count > 0 && block.ties) unpack(from, block.ties, count)
    block.to = count
    block.changed = false
    return block
  }
}

const NONE: readonly unknown[] = []
