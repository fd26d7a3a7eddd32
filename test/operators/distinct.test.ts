import { describe, expect, it } from 'vitest'
import { ByteReader, ByteWriter } from '../../src/core/bytes.ts'
import { hash53 } from '../../src/core/key.ts'
import { HyperLogLog, REGISTERS } from '../../src/operators/distinct/hyperloglog.ts'
import { operatorNamed } from '../aggregations/declared.ts'

const distinct = await operatorNamed('distinct')
const over = (values: readonly number[]) => {
  const acc = distinct.create()
  for (const value of values) distinct.add(acc, value, 0, 0)
  return acc
}
const result = (acc: unknown) => distinct.result(acc, Number.NaN) as number
const bytes = (acc: unknown) => {
  const to = new ByteWriter()
  distinct.encode(acc, to)
  return to.take()
}
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)

describe('distinct values', () => {
  it('are counted exactly up to 256, however often each comes', () => {
    for (const count of [1, 8, 9, 255, 256])
      expect(result(over([...range(0, count), ...range(0, count), 0]))).toBe(count)
  })

  it('beyond are estimated: the same in any order and any grouping, also where the one turns into the other', () => {
    for (const count of [257, 300, 5_000]) {
      const values = range(0, count).map((n) => n * 37 - 1_000)
      const straight = over(values)
      const back = over([...values].reverse())
      const merged = over(values.slice(0, 200))
      distinct.merge(merged, over(values.slice(150)))
      distinct.merge(merged, over(values.slice(0, 90)))
      const other = over(values.slice(100))
      distinct.merge(other, over(values.slice(0, 250)))
      expect(new Set([straight, back, merged, other].map(result)).size).toBe(1)
      expect(result(straight)).toBeGreaterThan(256)
      expect(bytes(back).equals(bytes(straight))).toBe(true)
    }
  })

  it.each([
    ['whole numbers', (n: number) => n],
    ['times', (n: number) => 1_700_000_000_000 + n * 1_000],
    ['fractions', (n: number) => n / 7],
    ['hashes of texts', (n: number) => hash53(`customer-${n}`)],
  ])('of %s are estimated without a lean, with the error that is promised', (_, nth) => {
    for (const count of [1_000, 20_000]) {
      const errors = range(0, 40).map((round) => {
        const values = range(0, count).map((n) => nth(n + round * 1_000_003))
        return result(over(values)) / count - 1
      })
      const mean = errors.reduce((sum, error) => sum + error, 0) / errors.length
      const deviation = Math.sqrt(errors.reduce((sum, error) => sum + error * error, 0) / errors.length)
      expect(Math.abs(mean)).toBeLessThan(0.01)
      expect(deviation).toBeLessThan(0.0163 * 1.35)
    }
  })

  it('of bytes that were not written are refused, or are estimated still', () => {
    const ofRegisters = (run: number) => distinct.decode(new ByteReader(Buffer.alloc(4_097, run).fill(1, 0, 1)))
    expect(() => ofRegisters(34)).toThrow(RangeError)
    expect(result(ofRegisters(0))).toBe(257)
    expect(result(ofRegisters(33))).toBeGreaterThan(2 ** 32)
  })

  it('take 8 bytes each up to 256, then 4 KiB, and go on from their bytes', () => {
    expect(bytes(over(range(0, 256))).length).toBe(256 * 8 + 3)
    const many = over(range(0, 20_000))
    expect(bytes(many).length).toBe(4_097)
    const restored = distinct.decode(new ByteReader(bytes(many)))
    for (const value of range(10_000, 30_000)) distinct.add(restored, value, 0, 0)
    expect(result(restored)).toBe(result(over(range(0, 30_000))))
  })
})

it('estimates of two groups whose values are many are put together', () => {
  const one = over(range(0, 3_000))
  distinct.merge(one, over(range(2_000, 5_000)))
  expect(result(one)).toBe(result(over(range(0, 5_000))))
})

it('a sketch that is full is of more values than can be told, and some registers of it are of many', () => {
  const sketch = (run: (i: number) => number) =>
    new HyperLogLog(Uint8Array.from({ length: REGISTERS }, (_, i) => run(i))).estimate()
  const half = sketch((i) => (i % 2 === 0 ? 33 : 32))
  expect(half).toBeGreaterThan(2 ** 40)
  expect(half).toBeLessThan(Number.POSITIVE_INFINITY)
  expect(sketch(() => 33)).toBe(Number.POSITIVE_INFINITY)
})
