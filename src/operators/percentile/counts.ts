import type { ByteReader, ByteWriter } from '../../core/bytes.ts'

/** How often each of some whole numbers came; they lie close together, so there is a place for each in an array. */
export class Counts {
  total = 0
  private counts = new Float64Array(0)
  private first = 0

  add(number: number, times: number): void {
    this.makeRoom(number, number)
    const at = number - this.first
    this.counts[at] = (this.counts[at] as number) + times
    this.total += times
  }

  merge({ counts, first, total }: Counts): void {
    if (total === 0) return
    this.makeRoom(first, first + counts.length - 1)
    const own = this.counts
    const shift = first - this.first
    for (let i = 0; i < counts.length; i++) own[i + shift] = (own[i + shift] as number) + (counts[i] as number)
    this.total += total
  }

  /** Makes places for the numbers from `low` to `high`, and for some beyond. */
  private makeRoom(low: number, high: number): void {
    const { counts, first } = this
    const end = first + counts.length
    if (low >= first && high < end) return
    const spare = 16 + (counts.length >> 1)
    const from = counts.length === 0 ? low : low < first ? low - spare : first
    const to = high < end ? end : high + spare
    this.counts = new Float64Array(to - from)
    if (counts.length > 0) this.counts.set(counts, first - from)
    this.first = from
  }

  /** The number at that rank among all that came, from 1, in ascending order. */
  at(rank: number): number {
    let left = rank
    let i = 0
    for (; i < this.counts.length - 1; i++) {
      left -= this.counts[i] as number
      if (left <= 0) break
    }
    return this.first + i
  }

  /** The numbers must be 0 or more. */
  encode(to: ByteWriter): void {
    to.varint(this.counts.reduce((used, times) => used + (times === 0 ? 0 : 1), 0))
    let before = 0
    for (const [i, times] of this.counts.entries()) {
      if (times === 0) continue
      to.varint(this.first + i - before)
      to.varint(times)
      before = this.first + i
    }
  }

  /** Throws RangeError for a number above `most`. */
  static decode(from: ByteReader, most: number): Counts {
    const counts = new Counts()
    let number = 0
    for (let left = from.varint(); left > 0; left--) {
      number += from.varint()
      if (number > most) throw new RangeError(`${number} is counted, at most ${most} can be`)
      counts.add(number, from.varint())
    }
    return counts
  }
}
