import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteReader, ByteWriter } from '../../src/core/bytes.ts'
import { pack, unpack, unpackAscending } from '../../src/core/packing.ts'

function packed(values: readonly number[], from = 0, to = values.length): Buffer {
  const writer = new ByteWriter()
  pack(Float64Array.from(values), from, to, writer)
  return writer.take()
}

describe('packed numbers', () => {
  it('come back as they were', () => {
    const whole = fc.integer({ min: -Number.MAX_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER })
    const near = fc
      .tuple(whole, fc.array(fc.nat(2 ** 31 - 1), { minLength: 1 }))
      .map(([base, offsets]) => offsets.map((offset) => Math.min(base, 2 ** 52) + offset))
    const small = fc.array(fc.nat(300), { minLength: 1 })
    const any = fc.array(
      fc.double().map((value) => value + 0),
      { minLength: 1 },
    )
    fc.assert(
      fc.property(fc.oneof(near, small, any, fc.array(whole, { minLength: 1 })), fc.nat(5), (values, before) => {
        const padding = new Array<number>(before).fill(0.5)
        const bytes = packed([...padding, ...values, 7.5], before, before + values.length)
        const into = new Float64Array(values.length)
        const reader = new ByteReader(bytes)
        unpack(reader, into, values.length)
        expect([...into]).toEqual(values)
        expect(reader.left).toBe(0)
      }),
    )
  })

  it.each([
    ['one and the same', [1.7e12, 1.7e12, 1.7e12], 0],
    ['a few hundred apart', [1e6, 1e6 + 255], 1],
    ['a minute apart', [1.7e12, 1.7e12 + 60_000], 2],
    ['a month apart', [1.7e12, 1.7e12 + 30 * 86_400_000], 4],
    ['a year apart', [1.7e12, 1.7e12 + 365 * 86_400_000], 8],
    ['not whole', [0.5, 1], 8],
  ])('%s take as few bytes as they can', (_, values, width) => {
    expect(packed(values).length).toBe(1 + (width === 8 ? 0 : 8) + width * values.length)
  })

  it('that ascend are refused where they do not, or are none', () => {
    const ascending = (...values: number[]) =>
      unpackAscending(new ByteReader(packed(values)), new Float64Array(values.length), values.length)
    ascending(1, 1, 2, 1_000)
    expect(() => ascending(1, 3, 2)).toThrow('2 after 3 in a column that ascends')
    expect(() => ascending(1, Number.NaN)).toThrow(RangeError)
  })

  it('of a width that there is not are refused', () => {
    const bytes = new Uint8Array(30)
    bytes[0] = 3
    expect(() => unpack(new ByteReader(bytes), new Float64Array(2), 2)).toThrow(RangeError)
    expect(() => unpack(new ByteReader(packed([1, 2]).subarray(0, 10)), new Float64Array(2), 2)).toThrow(RangeError)
  })
})
