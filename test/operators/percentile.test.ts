import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteReader, ByteWriter } from '../../src/core/bytes.ts'
import { operatorNamed } from '../aggregations/declared.ts'

const over = async (percentile: number, values: readonly number[]) => {
  const operator = await operatorNamed('percentile', { percentile })
  const acc = operator.create()
  for (const value of values) operator.add(acc, value, 0, 0)
  return { operator, acc, result: operator.result(acc, Number.NaN) as number }
}

describe('a percentile', () => {
  it('is off by no more than 1 % of the value at the nearest rank', async () => {
    const value = fc.oneof(
      fc.double({ min: 1e-9, max: 1e18, noNaN: true }),
      fc.integer({ min: 1, max: 2_000 }),
      fc.double({ min: -1e18, max: -1e-9, noNaN: true }),
    )
    const whole = fc.integer({ min: 0, max: 100 })
    await fc.assert(
      fc.asyncProperty(fc.array(value, { minLength: 1, maxLength: 200 }), whole, async (values, percentile) => {
        const sorted = [...values].sort((a, b) => a - b)
        const exact = sorted[Math.max(1, Math.ceil((percentile * values.length) / 100)) - 1] as number
        const { result } = await over(percentile, values)
        expect(Math.abs(result - exact)).toBeLessThanOrEqual(0.01 * Math.abs(exact))
      }),
    )
  })

  it.each([
    [0, -7],
    [100, 23_456.789],
  ])('%d is exact', async (percentile, expected) => {
    expect((await over(percentile, [3, -7, 11, 23_456.789, 0])).result).toBe(expected)
  })

  it('of equal values is that value', async () => {
    expect((await over(50, [419, 419, 419])).result).toBe(419)
  })

  it('takes what is next to nothing for 0 and what is beyond 1e18 for 1e18, but says the largest', async () => {
    expect((await over(50, [1e-12, -1e-300, 5e-10, 5, -5])).result).toBe(0)
    expect((await over(50, [1e300, 1e308, Number.MAX_VALUE])).result).toBe(1e300)
  })

  it('keeps at most 6,280 buckets, whatever it is given', async () => {
    const values: number[] = []
    for (let size = 1e-12; size < 1e22; size *= 1.005) values.push(size, -size)
    const { operator, acc } = await over(50, values)
    const to = new ByteWriter()
    operator.encode(acc, to)
    const from = new ByteReader(to.take())
    from.bytes(16)
    expect(from.varint()).toBeGreaterThan(0)
    for (const _ of ['below zero', 'above zero']) {
      const used = from.varint()
      expect(used).toBe(3_140)
      for (let i = 0; i < used * 2; i++) from.varint()
    }
    expect(to.length).toBe(0)
    expect(from.left).toBe(0)
  })

  it('refuses bytes that count what no bucket holds', async () => {
    const { operator } = await over(50, [])
    const to = new ByteWriter()
    operator.encode(operator.create(), to)
    const none = to.take()
    expect(operator.decode(new ByteReader(none))).toEqual(operator.create())
    // after the extremes: nothing is zero, one bucket below, of a number that is too high
    const wrong = Buffer.concat([none.subarray(0, 16), Buffer.from([0, 1, 255, 255, 127, 1, 0])])
    expect(() => operator.decode(new ByteReader(wrong))).toThrow(/is counted, at most/)
  })

  it.each([-1, 101, '95', undefined])('of %s is refused', async (percentile) => {
    await expect(operatorNamed('percentile', { percentile })).rejects.toThrow()
  })
})
