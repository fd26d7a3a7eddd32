/**
 * Sums that hardly depend on the order of what is added: "double-double" arithmetic, two doubles that together carry
 * about 106 bits. Whole numbers are exact while the total stays below 2^100; other sums are off by at most about
 * count × 2^-104 of the sum of magnitudes. Sources: T. J. Dekker, "A floating-point technique for extending the
 * available precision", 1971 (product); D. E. Knuth, TAOCP vol. 2, 4.2.2 (sum).
 */
import type { ByteReader, ByteWriter } from './bytes.ts'

/** 2^27 + 1: splits a double into two halves whose products are exact. */
const SPLITTER = 134_217_729

/** A sum in twice the precision of a double, so that the order of adding does not show. */
export class WideSum {
  private high = 0
  private low = 0

  /** Adds `value`; one that is not finite makes the sum NaN for good. */
  add(value: number): void {
    const { high } = this
    const sum = high + value
    const part = sum - high
    const rest = high - (sum - part) + (value - part) + this.low
    if (rest === 0) {
      // the usual case, told apart so that one addition does not wait for the roundings of the one before
      this.high = sum
      this.low = 0
      return
    }
    this.high = sum + rest
    this.low = rest - (this.high - sum)
  }

  /** Adds `a * b` without rounding the product. */
  addProduct(a: number, b: number): void {
    const product = a * b
    this.add(product)
    // whole numbers with so small a product are the usual case, and exact
    if ((a | 0) === a && (b | 0) === b && Math.abs(product) <= Number.MAX_SAFE_INTEGER) return
    const wideA = SPLITTER * a
    const highA = wideA - (wideA - a)
    const lowA = a - highA
    const wideB = SPLITTER * b
    const highB = wideB - (wideB - b)
    const lowB = b - highB
    const rest = lowA * lowB - (product - highA * highB - lowA * highB - highA * lowB)
    if (rest !== 0) this.add(rest)
  }

  /** Adds `from` times `scale`, a power of two: that is exact. */
  merge(from: WideSum, scale = 1): void {
    this.add(from.high * scale)
    this.add(from.low * scale)
  }

  /** Multiplies by a power of two, or by 0: that is exact. */
  scale(by: number): void {
    this.high *= by
    this.low *= by
  }

  /** The nearest double; NaN when a sum or product passed the range of doubles. */
  get value(): number {
    return this.high + this.low
  }

  /** `count * this - sum * sum`, the one difference that a variance needs, before it is rounded. */
  spread(count: number, sum: WideSum): number {
    const difference = new WideSum()
    difference.addProduct(count, this.high)
    difference.addProduct(count, this.low)
    difference.addProduct(-sum.high, sum.high)
    difference.addProduct(-2 * sum.high, sum.low)
    difference.addProduct(-sum.low, sum.low)
    return difference.value
  }

  /** 16 bytes. */
  encode(to: ByteWriter): void {
    to.double(this.high)
    to.double(this.low)
  }

  /** What `encode` wrote. */
  static decode(from: ByteReader): WideSum {
    const sum = new WideSum()
    sum.high = from.double()
    sum.low = from.double()
    return sum
  }
}

/** The number, or null where it is NaN or infinite: results travel as JSON and as nullable doubles. */
export function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null
}
