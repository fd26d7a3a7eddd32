import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteReader, ByteWriter } from '../../src/core/bytes.ts'
import {
  cutText,
  isOfType,
  MOST_TEXT,
  newValues,
  packValues,
  readValue,
  storable,
  unpackValues,
  writeValue,
} from '../../src/core/values.ts'

describe('a column of values', () => {
  it('of texts comes back as it was, each different text once', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constantFrom('a', 'b', ''), fc.string()), { minLength: 1 }),
        fc.nat(),
        (texts, at) => {
          const from = at % texts.length
          const to = new ByteWriter()
          packValues([...texts], from, texts.length, to)
          const bytes = to.take()
          const found = newValues('text', texts.length - from)
          const reader = new ByteReader(bytes)
          unpackValues(reader, found, texts.length - from)
          expect(reader.left).toBe(0)
          expect(found).toEqual(texts.slice(from))
        },
      ),
    )
    const to = new ByteWriter()
    packValues(Array(500).fill('ORDER_CREATED'), 0, 500, to)
    expect(to.length).toBeLessThan(30)
  })

  it('that names a text it does not hold is refused', () => {
    for (const [size, number] of [
      [3, 0],
      [1, 1],
    ] as const) {
      const to = new ByteWriter()
      to.varint(size)
      for (let i = 0; i < size; i++) to.text('a')
      to.byte(0)
      to.double(number)
      expect(() => unpackValues(new ByteReader(to.take()), newValues('text', 2), 2)).toThrow(RangeError)
    }
  })
})

it('a single value comes back as it was', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.double({ noNaN: true, noDefaultInfinity: true })), (value) => {
      const to = new ByteWriter()
      writeValue(value, to)
      expect(readValue(new ByteReader(to.take()))).toBe(value)
    }),
  )
})

it('a value that is none, or of the other kind, is refused', () => {
  const written = (value: number | string) => {
    const to = new ByteWriter()
    writeValue(value, to)
    return new ByteReader(to.take())
  }
  expect(() => readValue(written(Number.POSITIVE_INFINITY))).toThrow(RangeError)
  expect(() => readValue(written(1), 'text')).toThrow('no value of kind 0')
  expect(() => readValue(written('a'), 'number')).toThrow('no value of kind 1')
  expect(() => readValue(new ByteReader(Uint8Array.of(2, 0)))).toThrow('no value of kind 2')
  expect(readValue(written('a'), 'text')).toBe('a')
  const column = new ByteWriter()
  packValues(Float64Array.of(1, Number.NaN), 0, 2, column)
  expect(() => unpackValues(new ByteReader(column.take()), newValues('number', 2), 2)).toThrow('NaN is no value')
})

it('a text is cut to 256 characters, never within one', () => {
  expect(cutText('x'.repeat(MOST_TEXT))).toBe('x'.repeat(256))
  expect(cutText('x'.repeat(300))).toBe('x'.repeat(256))
  expect(cutText(`${'x'.repeat(255)}🚲`)).toBe('x'.repeat(255))
  expect(cutText(`${'x'.repeat(254)}🚲y`)).toBe(`${'x'.repeat(254)}🚲`)
})

it('what is not finite or too long is not stored, nor a list that holds it', () => {
  const long = 'x'.repeat(257)
  const not = [null, undefined, Number.NaN, Number.NEGATIVE_INFINITY, [1, Number.NaN], long, [long], Array(101).fill(1)]
  expect(not.map((value) => storable(value))).toEqual(not.map(() => undefined))
  for (const value of [0, -1.5, '', 'NaN', [], ['a'], [1, 2]]) expect(storable(value)).toBe(value)
})

it.each([
  [1, ['long', 'double']],
  [1.5, ['double']],
  [Number.NaN, []],
  ['a', ['string']],
  ['x'.repeat(257), []],
  [['a'], ['list of string']],
  [[1], ['list of long', 'list of double']],
  [[], ['list of long', 'list of double', 'list of string']],
  [['a', 1], []],
  [Array(101).fill(1), []],
] as const)('%j is of the types %j', (value, types) => {
  const all = ['long', 'double', 'string', 'list of long', 'list of double', 'list of string'] as const
  expect(all.filter((type) => isOfType(value, type))).toEqual(types)
})
