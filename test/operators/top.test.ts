import { describe, expect, it } from 'vitest'
import { ByteReader, ByteWriter } from '../../src/core/bytes.ts'
import type { Value } from '../../src/core/model.ts'
import { operatorNamed } from '../aggregations/declared.ts'

const top = await operatorNamed('top', { top: 2 })
const over = (values: readonly Value[]) => {
  const acc = top.create()
  for (const value of values) top.add(acc, value, 0, 0)
  return acc
}
const result = (acc: unknown) => top.result(acc, Number.NaN)
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)

describe('the top values', () => {
  it('are the most frequent, the first of them first', () => {
    expect(result(over(['a', 'c', 'b', 'c', 'b', 'c']))).toEqual(['c', 'b'])
    expect(result(over([10, 9, 10]))).toEqual([10, 9])
  })

  it('of those that came equally often are those that sort first: numbers by size', () => {
    expect(result(over(['c', 'b', 'a']))).toEqual(['a', 'b'])
    expect(result(over([10, 9, 100]))).toEqual([9, 10])
  })

  it('are as many as there are, where there are fewer', () => {
    expect(result(over(['a']))).toEqual(['a'])
  })

  it('are exact up to 1,000 different values, and null beyond, whatever came in which order or was merged with what', () => {
    const values = [...range(0, 1_000), 7, 7, 8]
    expect(result(over(values))).toEqual([7, 8])
    const overfull = [over([...values, 1_000]), over([1_000, ...values].reverse()), over(range(0, 600))]
    top.merge(overfull[2], over(range(500, 1_001)))
    const from = over([1])
    top.merge(from, overfull[0])
    for (const acc of [...overfull, from]) {
      top.add(acc, 7, 0, 0)
      expect(result(acc)).toBeNull()
      const to = new ByteWriter()
      top.encode(acc, to)
      expect(to.length).toBe(1)
      expect(result(top.decode(new ByteReader(to.take())))).toBeNull()
    }
  })

  it.each([0, 101, 1.5])('as many as %s are refused', async (count) => {
    await expect(operatorNamed('top', { top: count })).rejects.toThrow()
  })
})
