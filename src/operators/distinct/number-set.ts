import type { ByteReader, ByteWriter } from '../../core/bytes.ts'
import { type Hash, hashNumber } from './hash.ts'

const hash: Hash = { high: 0, low: 0 }

/** A set of numbers, none of them NaN, in one array: a place is found by hash, a taken one by looking at the next. */
export class NumberSet {
  size = 0
  /** The numbers; NaN where a place is free, as at least half of them are. */
  places = new Float64Array(8).fill(Number.NaN)

  /** Was it not there before? */
  add(value: number): boolean {
    if (!this.put(value)) return false
    this.size++
    if (this.size * 2 <= this.places.length) return true
    const { places } = this
    this.places = new Float64Array(places.length * 2).fill(Number.NaN)
    for (const each of places) if (!Number.isNaN(each)) this.put(each)
    return true
  }

  private put(value: number): boolean {
    const { places } = this
    const mask = places.length - 1
    hashNumber(value, hash)
    let at = hash.low & mask
    for (; !Number.isNaN(places[at]); at = (at + 1) & mask) if (places[at] === value) return false
    places[at] = value
    return true
  }

  encode(to: ByteWriter): void {
    to.varint(this.size)
    for (const value of this.places) if (!Number.isNaN(value)) to.double(value)
  }

  static decode(from: ByteReader): NumberSet {
    const set = new NumberSet()
    for (let left = from.varint(); left > 0; left--) set.add(from.finite())
    return set
  }
}
