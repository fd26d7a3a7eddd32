import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteReader, ByteWriter } from '../../src/core/bytes.ts'

const readerOf = (...bytes: number[]) => new ByteReader(Uint8Array.from(bytes))

describe('what a writer wrote', () => {
  it('is read in the same order, whatever its size, and nothing is left', () => {
    const any = fc.oneof(
      fc.maxSafeNat().map((value) => ['varint', value] as const),
      fc.double().map((value) => ['double', value] as const),
      fc.nat(255).map((value) => ['byte', value] as const),
      fc.string({ unit: 'grapheme', maxLength: 60 }).map((value) => ['text', value] as const),
    )
    fc.assert(
      fc.property(fc.array(any), fc.nat(40), (values, capacity) => {
        const to = new ByteWriter(capacity)
        for (const [kind, value] of values) to[kind](value as never)
        const from = new ByteReader(to.take())
        expect(values.map(([kind]) => from[kind]())).toEqual(values.map(([, value]) => value))
        expect(from.left).toBe(0)
      }),
    )
  })

  it('is nothing once it was taken', () => {
    const to = new ByteWriter()
    to.byte(1)
    expect([...to.take()]).toEqual([1])
    expect([...to.take()]).toEqual([])
  })

  it('stays as it was taken, whatever is written after it', () => {
    const sizes = fc.array(fc.nat(30), { minLength: 1 })
    fc.assert(
      fc.property(sizes, fc.nat(40), (sizes, capacity) => {
        const to = new ByteWriter(capacity)
        const taken = sizes.map((size, n) => {
          for (let i = 0; i < size; i++) to.byte(n % 256)
          expect(to.length).toBe(size)
          return to.take()
        })
        expect(taken.map((bytes) => [...bytes])).toEqual(sizes.map((size, n) => Array<number>(size).fill(n % 256)))
      }),
    )
  })

  it('is a block of another writer, and no longer its own', () => {
    const sizes = fc.array(fc.nat(300), { minLength: 1 })
    fc.assert(
      fc.property(sizes, fc.nat(40), (sizes, capacity) => {
        const part = new ByteWriter(capacity)
        part.byte(255)
        part.take()
        const to = new ByteWriter(capacity)
        for (const [n, size] of sizes.entries()) {
          for (let i = 0; i < size; i++) part.byte(n % 256)
          to.drain(part)
          expect(part.length).toBe(0)
        }
        const from = new ByteReader(to.take())
        expect(sizes.map(() => [...from.block()])).toEqual(sizes.map((size, n) => Array<number>(size).fill(n % 256)))
      }),
    )
  })
})

describe('bytes of another program are refused', () => {
  it('where a whole number is beyond 2^53 - 1, or has no end', () => {
    expect(readerOf(255, 255, 255, 255, 255, 255, 255, 15).varint()).toBe(Number.MAX_SAFE_INTEGER)
    expect(() => readerOf(255, 255, 255, 255, 255, 255, 255, 16).varint()).toThrow('varint above 2^53 - 1')
    expect(() => readerOf(...Array<number>(9).fill(128)).varint()).toThrow('varint above 2^53 - 1')
  })

  it('where more things are counted than bytes follow', () => {
    expect(readerOf(2, 0, 0).count()).toBe(2)
    expect(() => readerOf(3, 0, 0).count()).toThrow('3 things in 2 bytes')
  })

  it('where a number is none, or not finite', () => {
    const doubleOf = (value: number) => {
      const to = new ByteWriter()
      to.double(value)
      return new ByteReader(to.take())
    }
    expect(doubleOf(Number.POSITIVE_INFINITY).number()).toBe(Number.POSITIVE_INFINITY)
    expect(() => doubleOf(Number.NaN).number()).toThrow(RangeError)
    expect(() => doubleOf(Number.POSITIVE_INFINITY).finite()).toThrow(RangeError)
  })

  it('where they end too soon', () => {
    expect(() => readerOf(2, 97).text()).toThrow('need 2 bytes, 1 left')
    expect(() => readerOf(1, 2, 3).double()).toThrow(RangeError)
  })
})
