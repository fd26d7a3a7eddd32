import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Moments } from '../../src/core/moments.ts'
import { WideSum } from '../../src/core/numbers.ts'

const sumOf = (values: readonly number[]) => {
  const sum = new WideSum()
  for (const value of values) sum.add(value)
  return sum
}
const momentsOf = (values: readonly number[]) => {
  const moments = new Moments()
  for (const value of values) moments.add(value)
  return moments
}

describe('a wide sum', () => {
  it('is exact for whole numbers, also where doubles are not', () => {
    const whole = fc.integer({ min: -Number.MAX_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER })
    fc.assert(
      fc.property(fc.array(whole, { maxLength: 200 }), (values) => {
        const exact = values.reduce((total, value) => total + BigInt(value), 0n)
        expect(sumOf(values).value).toBe(Number(exact))
      }),
    )
  })

  it('keeps what is small beside what is large and leaves again', () => {
    expect(sumOf([1e16, 1, 0.5, -1e16]).value).toBe(1.5)
    expect(sumOf(Array.from({ length: 1_000_000 }, () => 0.1)).value).toBe(100_000)
  })

  it('adds products without rounding them', () => {
    const whole = fc.integer({ min: -(2 ** 50), max: 2 ** 50 })
    fc.assert(
      fc.property(fc.array(fc.tuple(whole, whole), { maxLength: 50 }), (pairs) => {
        const sum = new WideSum()
        for (const [a, b] of pairs) sum.addProduct(a, b)
        const exact = pairs.reduce((total, [a, b]) => total + BigInt(a) * BigInt(b), 0n)
        expect(sum.value).toBe(Number(exact))
      }),
    )
  })
})

describe('moments', () => {
  it('give the variance of whole numbers as exact arithmetic does, far from zero too', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(10_000), { minLength: 1, maxLength: 60 }),
        fc.constantFrom(0, -5_000, 1.7e12, 2 ** 50),
        (values, offset) => {
          const n = BigInt(values.length)
          const shifted = values.map((value) => BigInt(value + offset))
          const sum = shifted.reduce((a, b) => a + b, 0n)
          const spread = n * shifted.reduce((a, b) => a + b * b, 0n) - sum * sum
          const exact = Number(spread) / values.length / values.length
          expect(momentsOf(values.map((value) => value + offset)).variance()).toBe(exact)
        },
      ),
    )
  })

  it('give 0 for equal values, whatever they are', () => {
    const ordinary = fc.double({ min: -1e9, max: 1e9, noNaN: true }).filter((value) => Math.abs(value) > 1e-100)
    fc.assert(
      fc.property(ordinary, fc.integer({ min: 1, max: 50 }), (value, n) => {
        const variance = momentsOf(new Array<number>(n).fill(value)).variance() as number
        expect(variance).toBeLessThanOrEqual(1e-28 * value * value)
      }),
    )
  })

  it('give null over nothing, and where squares pass the range of doubles', () => {
    expect(momentsOf([]).variance()).toBeNull()
    expect(momentsOf([1e200, 1]).variance()).toBeNull()
  })
})
