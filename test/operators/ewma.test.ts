import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { NAIVE_OPERATORS } from '../../src/testing/naive-operators.ts'
import { operatorNamed } from '../aggregations/declared.ts'

const HOUR = 3_600_000
const ewma = await operatorNamed('ewma', { ewma: '1h' })
const over = (samples: readonly (readonly [time: number, value: number])[]) => {
  const acc = ewma.create()
  for (const [time, value] of samples) ewma.add(acc, value, time, 0)
  return ewma.result(acc, Number.NaN) as number
}

describe('the rolling mean', () => {
  it('weighs a value half as much as one that is a half-life newer', () => {
    expect(
      over([
        [0, 30],
        [HOUR, 0],
      ]),
    ).toBe(10)
    expect(
      over([
        [1.7e12 + HOUR, 0],
        [1.7e12, 30],
      ]),
    ).toBe(10)
  })

  it('forgets what is hundreds of half-lives old, and tells it again from what is alone', () => {
    expect(
      over([
        [0, 1e9],
        [2_000 * HOUR, 5],
      ]),
    ).toBe(5)
    expect(
      over([
        [2_000 * HOUR, 5],
        [0, 1e9],
      ]),
    ).toBe(5)
    expect(over([[0, 1e9]])).toBe(1e9)
  })

  it('is the same to the last bit in any order, over years, though its weights are rounded', () => {
    const sample = fc.tuple(
      fc.nat(3 * 365 * 24).map((hours) => 1.7e12 + hours * HOUR * 1.37),
      fc.double({ min: -1e3, max: 1e3, noNaN: true }),
    )
    fc.assert(
      fc.property(fc.array(sample, { minLength: 1, maxLength: 60 }), (samples) => {
        const exact = NAIVE_OPERATORS.ewma?.(
          samples.map(([time, value]) => ({ time, value, tie: 0 })),
          { ewma: HOUR },
          0,
        )
        const sorted = [...samples].sort(([a], [b]) => a - b)
        expect(over(sorted)).toBe(over([...samples].reverse()))
        expect(over(samples)).toBe(over(sorted))
        expect(Math.abs(over(samples) - (exact as number))).toBeLessThan(1e-9 * 1e3)
      }),
    )
  })
})
