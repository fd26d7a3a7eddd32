import { describe, expect, it } from 'vitest'
import { avroEncoder } from '../../../src/codecs/avro/index.ts'
import { record, refusal } from './fixture.ts'

const schema = record([
  { name: 'id', type: 'string' },
  { name: 'kind', type: { type: 'enum', name: 'Kind', symbols: ['A', 'B'] }, default: 'A' },
  {
    name: 'store',
    type: [
      'null',
      record(
        [
          { name: 'id', type: 'string' },
          { name: 'n', type: 'int' },
        ],
        { name: 'Store' },
      ),
    ],
  },
  { name: 'items', type: { type: 'array', items: { type: 'map', values: 'double' } }, default: [] },
])
const encoder = avroEncoder({ schema, id: 258 })

describe('encoding', () => {
  it('begins with 0 and the id', () => {
    expect([...encoder.encode({ id: '', store: null }).subarray(0, 5)]).toEqual([0, 0, 0, 1, 2])
  })

  it('gives a buffer of its own every time', () => {
    const first = encoder.encode({ id: 'first', store: null })
    const copy = Buffer.from(first)
    encoder.encode({ id: 'other', store: null })
    expect(first).toEqual(copy)
  })

  it('fills what is absent with the default, or null', () => {
    expect(encoder.encode({ id: 'a' })).toEqual(encoder.encode({ id: 'a', kind: 'A', store: null, items: [] }))
  })

  it('goes on rightly after a value that did not fit', async () => {
    const before = encoder.encode({ id: 'a' })
    await refusal(() => encoder.encode({ id: 'a', kind: 'Z' }))
    expect(encoder.encode({ id: 'a' })).toEqual(before)
  })

  it.each([
    ['a symbol that there is not', { id: 'a', kind: 'Z' }, 'kind: "Z" is not one of A, B'],
    ['a missing field', {}, 'id: it is missing; expected a text'],
    ['a fraction for an int', { id: 'a', store: { id: 's', n: 1.5 } }, 'store.n: 1.5 is not a whole number of 32 bits'],
    ['a text inside a list', { id: 'a', items: [{}, { x: '1' }] }, 'items[1]["x"]: "1" is not a number'],
    ['a list for a record', { id: 'a', store: 7 }, 'store: 7 is not a record Store'],
  ])('says which field does not fit: %s', async (_, value, message) => {
    expect(await refusal(() => encoder.encode(value))).toMatchObject({ code: 'value-unfit', message })
  })

  it('refuses numbers that the type cannot hold', async () => {
    const one = (type: unknown) => avroEncoder({ schema: record([{ name: 'v', type }]), id: 1 })
    const decimal = { type: 'fixed', name: 'F', size: 1, logicalType: 'decimal', precision: 2, scale: 1 }
    for (const [type, v] of [
      ['int', 2 ** 31],
      ['long', 2 ** 53],
      ['long', Number.NaN],
      [{ type: 'long', logicalType: 'timestamp-micros' }, 2 ** 52],
      [decimal, 12.8],
      [decimal, Number.POSITIVE_INFINITY],
    ])
      expect((await refusal(() => one(type).encode({ v }))).code).toBe('value-unfit')
    expect([...one(decimal).encode({ v: 12.7 }).subarray(5)]).toEqual([127])
    expect([...one(decimal).encode({ v: -12.8 }).subarray(5)]).toEqual([128])
  })

  it('writes the first option of a union that fits', async () => {
    const both = avroEncoder({ schema: record([{ name: 'v', type: ['int', 'null', 'long', 'string'] }]), id: 1 })
    const option = (v: unknown) => both.encode({ v })[5]
    expect([1, null, 2 ** 40, 'x'].map(option)).toEqual([0, 2, 4, 6])
    expect(await refusal(() => both.encode({ v: true }))).toMatchObject({
      message: 'v: true is not any of int, null, long, string',
    })
  })

  it('refuses a value nested without end', async () => {
    const loop: Record<string, unknown> = {}
    loop.next = loop
    const recursive = avroEncoder({ schema: record([{ name: 'next', type: ['null', 'R'] }]), id: 1 })
    expect((await refusal(() => recursive.encode(loop))).code).toBe('value-unfit')
    expect(recursive.encode({ next: { next: null } }).length).toBe(7)
  })
})
