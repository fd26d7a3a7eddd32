/** Population variance, and what follows from it, by exact sums. */
import type { ByteReader, ByteWriter } from './bytes.ts'
import type { Operator } from './model.ts'
import { finite, WideSum } from './numbers.ts'

/** Number, sum and sum of squares: what mean and population variance are made of. Whole numbers give the same bits in any order. */
export class Moments {
  private count = 0
  private sum = new WideSum()
  private squares = new WideSum()

  add(value: number): void {
    this.count++
    this.sum.add(value)
    this.squares.addProduct(value, value)
  }

  remove(value: number): void {
    this.count--
    this.sum.add(-value)
    this.squares.addProduct(-value, value)
  }

  merge(from: Moments): void {
    this.count += from.count
    this.sum.merge(from.sum)
    this.squares.merge(from.squares)
  }

  /** Null over nothing, and where values beyond 1e140 pass the range of doubles. */
  variance(): number | null {
    const { count } = this
    return finite(Math.max(0, this.squares.spread(count, this.sum)) / count / count)
  }

  encode(to: ByteWriter): void {
    to.varint(this.count)
    this.sum.encode(to)
    this.squares.encode(to)
  }

  static decode(from: ByteReader): Moments {
    const moments = new Moments()
    moments.count = from.varint()
    moments.sum = WideSum.decode(from)
    moments.squares = WideSum.decode(from)
    return moments
  }
}

/** An operator whose result is made of the variance of all values. */
export function ofVariance(result: (variance: number | null) => number | null): Operator<Moments, number> {
  return {
    of: 'required',
    takes: 'numbers',
    type: 'double',
    empty: null,
    create: () => new Moments(),
    add: (acc, value) => acc.add(value),
    remove: (acc, value) => acc.remove(value),
    merge: (into, from) => into.merge(from),
    result: (acc) => result(acc.variance()),
    encode: (acc, to) => acc.encode(to),
    decode: (from) => Moments.decode(from),
  }
}

/** What a user may hold such an operator to, after its unit. */
export const VARIANCE_NOTES = `divided by the number of values, not by one less: 0 over one value, null over nothing, and null
where squares pass the range of doubles (values beyond 1e140; below 1e-140 they vanish). Sum and sum of squares are
carried by two doubles each (double-double arithmetic: Dekker 1971, Knuth TAOCP 4.2.2), and their difference is taken
before rounding: as stable as Welford's method for values far from zero with a small spread, while whole numbers give the
same bits in any order of events, which Welford's does not. Others differ by order by no more than 1e-9 of the squared
magnitude of the values.`
