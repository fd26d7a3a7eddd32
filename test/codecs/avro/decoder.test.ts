import { describe, expect, it } from 'vitest'
import { avroDecoder, avroEncoder } from '../../../src/codecs/avro/index.ts'
import { MillraceError } from '../../../src/core/errors.ts'
import { decode, decoderFor, input, record, refusal, roundTrip, Shelf, silent, wire } from './fixture.ts'

const order = record([
  { name: 'id', type: 'string' },
  {
    name: 'store',
    type: [
      'null',
      record(
        [
          { name: 'id', type: 'string' },
          { name: 'open', type: 'boolean' },
        ],
        { name: 'Store' },
      ),
    ],
  },
  { name: 'total', type: 'int' },
])

describe('projection', () => {
  it('decodes only the fields asked for', async () => {
    const event = { id: 'a', store: { id: 's1', open: true }, total: 7 }
    expect(await roundTrip({ writer: order, fields: [['store', 'id'], ['total']] }, event)).toEqual({
      store: { id: 's1' },
      total: 7,
    })
    expect(await roundTrip({ writer: order, fields: [['store'], ['store', 'id']] }, event)).toEqual({
      store: event.store,
    })
    expect(await roundTrip({ writer: order, fields: [] }, event)).toEqual({})
  })

  it('keeps null where a pruned record is null', async () => {
    expect(await roundTrip({ writer: order, fields: [['store', 'id']] }, { id: 'a', store: null, total: 7 })).toEqual({
      store: null,
    })
  })

  it('refuses a field that the schema does not have', async () => {
    await expect(decoderFor({ writer: order, fields: [['store', 'city']] })).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringContaining('store.city'),
    })
  })

  it('refuses a topic schema that is wrong', async () => {
    await expect(decoderFor({ writer: order, reader: record([{ name: 'a', type: 'strng' }]) })).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringContaining('fields[0].type'),
    })
  })
})

describe('values', () => {
  const field = (type: unknown) => record([{ name: 'v', type }])
  const bytes = async (type: unknown, avro: number[]) => (await decode({ writer: field(type) }, avro)).v

  it('are numbers up to 2^53 and refused beyond, where they would not be exact', async () => {
    for (const v of [0, -1, 63, 64, -65, 2 ** 31, 2 ** 52, -(2 ** 52) - 1, 2 ** 53 - 1, 1 - 2 ** 53])
      expect(await roundTrip({ writer: field('long') }, { v })).toEqual({ v })
    const beyond = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20]
    expect(await refusal(() => bytes('long', beyond))).toMatchObject({ code: 'record-malformed' })
    expect(await decode({ writer: field('long'), fields: [] }, beyond)).toEqual({})
  })

  it('are milliseconds for every logical time', async () => {
    const at = Date.UTC(2026, 10, 3, 12, 30, 15, 250)
    for (const unit of ['millis', 'micros', 'nanos']) {
      const type = { type: 'long', logicalType: `timestamp-${unit}` }
      expect(await roundTrip({ writer: field(type) }, { v: at })).toEqual({ v: at })
      expect(await roundTrip({ writer: field(type) }, { v: -1 })).toEqual({ v: -1 })
    }
    expect(await roundTrip({ writer: field({ type: 'int', logicalType: 'date' }) }, { v: at })).toEqual({
      v: Date.UTC(2026, 10, 3),
    })
  })

  it('round finer times down', async () => {
    // -1 micros and -1 nanos
    expect(await bytes({ type: 'long', logicalType: 'timestamp-micros' }, [1])).toBe(-1)
    expect(await bytes({ type: 'long', logicalType: 'timestamp-nanos' }, [1])).toBe(-1)
  })

  it('are numbers for decimals', async () => {
    const type = { type: 'bytes', logicalType: 'decimal', precision: 20, scale: 2 }
    for (const v of [0, 1.005, -12.34, 99_999_999_999.99, 0.01])
      expect(await roundTrip({ writer: field(type) }, { v })).toEqual({ v: v === 1.005 ? 1.01 : v })
    const fixed = { type: 'fixed', name: 'F', size: 12, logicalType: 'decimal', precision: 20, scale: 3 }
    expect(await roundTrip({ writer: field(fixed) }, { v: -1234.567 })).toEqual({ v: -1234.567 })
  })

  it('are what was written, for every other type', async () => {
    const writer = record([
      { name: 'b', type: 'boolean' },
      { name: 'f', type: 'float' },
      { name: 'd', type: 'double' },
      { name: 's', type: 'string' },
      { name: 'y', type: 'bytes' },
      { name: 'x', type: { type: 'fixed', name: 'F', size: 2 } },
      { name: 'e', type: { type: 'enum', name: 'E', symbols: ['A', 'B'] } },
      { name: 'l', type: { type: 'array', items: 'string' } },
      { name: 'm', type: { type: 'map', values: 'int' } },
      { name: 'u', type: ['null', 'string', 'double'] },
    ])
    const value = {
      b: true,
      f: 0.5,
      d: Math.PI,
      s: 'é€😀'.repeat(20),
      y: Buffer.from([0, 255]),
      x: Buffer.from([1, 2]),
      e: 'B',
      l: ['a', '', 'c'],
      m: { a: 1, b: -2 },
      u: 2.5,
    }
    const event = await roundTrip({ writer }, value)
    expect({ ...event, m: { ...(event.m as object) } }).toEqual(value)
    expect(Object.getPrototypeOf(event.m)).toBe(null)
  })

  it('are right for texts that repeat and texts that do not', async () => {
    const encoder = avroEncoder({ schema: field('string'), id: 1 })
    const decoder = await decoderFor({ writer: field('string') })
    for (let i = 0; i < 20_000; i++) {
      const v = i % 3 === 0 ? `store-${i % 50}` : i % 3 === 1 ? `ünïque-${i}` : `e${i}`
      expect(decoder.record(input(encoder.encode({ v }))).v).toBe(v)
    }
  })

  it('are told apart where texts that repeat differ in their beginnings alone', async () => {
    const encoder = avroEncoder({ schema: field('string'), id: 1 })
    const decoder = await decoderFor({ writer: field('string') })
    const texts = ['city-000001', 'shop-000001', 'ünün-000001', 'city-000001', 'city-000001', '', 'ünün-000001']
    for (const v of [...texts, ...texts]) expect(decoder.record(input(encoder.encode({ v }))).v).toBe(v)
  })
})

describe('evolution', () => {
  const one = (type: unknown, more: object = {}) => record([{ name: 'v', type, ...more }])
  const between = (writer: unknown, reader: unknown, value: unknown) =>
    roundTrip({ writer: one(writer), reader: one(reader) }, { v: value }).then((event) => event.v)

  it('fills what an older writer did not have with its default', async () => {
    const reader = record([
      { name: 'id', type: 'string' },
      { name: 'note', type: ['null', 'string'], default: null },
      { name: 'tags', type: { type: 'array', items: 'string' }, default: ['x'] },
      { name: 'at', type: { type: 'long', logicalType: 'timestamp-micros' }, default: 5_000 },
      { name: 'in', type: record([{ name: 'n', type: 'int', default: 3 }], { name: 'In' }), default: {} },
    ])
    expect(await roundTrip({ writer: record([{ name: 'id', type: 'string' }]), reader }, { id: 'a' })).toEqual({
      id: 'a',
      note: null,
      tags: ['x'],
      at: 5,
      in: { n: 3 },
    })
  })

  it('leaves out what a newer writer has more', async () => {
    const writer = record([{ name: 'new', type: { type: 'map', values: 'long' } }, ...order.fields])
    expect(
      await roundTrip({ writer, reader: order, fields: [['id']] }, { new: { a: 1 }, id: 'a', store: null, total: 1 }),
    ).toEqual({ id: 'a' })
  })

  it('finds renamed fields and types by alias', async () => {
    const writer = record([{ name: 'old', type: { type: 'enum', name: 'Kind', symbols: ['A'] } }], { name: 'Before' })
    const reader = record(
      [{ name: 'now', aliases: ['old'], type: { type: 'enum', name: 'Type', aliases: ['Kind'], symbols: ['A'] } }],
      { name: 'After', namespace: 'shop', aliases: ['Before'] },
    )
    expect(await roundTrip({ writer, reader }, { old: 'A' })).toEqual({ now: 'A' })
  })

  it.each([
    ['int', 'long', 7],
    ['int', 'float', 7],
    ['int', 'double', 7],
    ['long', 'double', 2 ** 40],
    ['float', 'double', 0.5],
  ])('promotes %s to %s', async (from, to, value) => {
    expect(await between(from, to, value)).toBe(value)
  })

  it('reads bytes as text and text as bytes', async () => {
    expect(await between('bytes', 'string', Buffer.from('é'))).toBe('é')
    expect(await between('string', 'bytes', 'é')).toEqual(Buffer.from('é'))
  })

  it('reads a union as one of its options, and the other way round', async () => {
    expect(await between(['null', 'string'], 'string', 'a')).toBe('a')
    expect(await between('string', ['null', 'string'], 'a')).toBe('a')
    expect(await between('int', ['null', 'string', 'double'], 3)).toBe(3)
    expect(await between(['null', 'int'], ['null', 'long'], null)).toBe(null)
    expect(await refusal(() => between(['null', 'string'], 'string', null))).toMatchObject({ code: 'schema-unfit' })
  })

  it('keeps the unit that the writer says, or else the reader', async () => {
    const long = (logicalType: string) => ({ type: 'long', logicalType })
    expect(await between(long('timestamp-micros'), long('timestamp-millis'), 1_234)).toBe(1_234)
    expect(await between('long', long('timestamp-micros'), 1_234_567)).toBe(1_234)
    expect(await between(long('timestamp-millis'), 'long', 1_234)).toBe(1_234)
  })

  it("takes the reader's default for a symbol that it does not know, and refuses the record where there is none", async () => {
    const kind = (symbols: string[], more: object = {}) => ({ type: 'enum', name: 'E', symbols, ...more })
    const writer = kind(['A', 'B', 'C'])
    expect(await between(writer, kind(['B', 'A'], { default: 'A' }), 'C')).toBe('A')
    expect(await between(writer, kind(['B', 'A']), 'B')).toBe('B')
    expect(await refusal(() => between(writer, kind(['B', 'A']), 'C'))).toMatchObject({
      code: 'schema-unfit',
      message: expect.stringContaining('C'),
    })
  })

  it('decodes recursive records', async () => {
    const writer = record([
      { name: 'n', type: 'int' },
      { name: 'next', type: ['null', 'R'], default: null },
    ])
    const chain = { n: 1, next: { n: 2, next: { n: 3, next: null } } }
    expect(await roundTrip({ writer }, chain)).toEqual(chain)
    expect(await roundTrip({ writer, fields: [['next', 'n']] }, chain)).toEqual({ next: { n: 2 } })
    expect(await roundTrip({ writer, fields: [['n']] }, chain)).toEqual({ n: 1 })
  })

  it.each([
    ['another type', one('string'), one('int'), 'v: string cannot be read as int'],
    [
      'a record of another name',
      record([], { name: 'Other' }),
      one('int', { default: 1 }),
      'Other cannot be read as R',
    ],
    ['a missing field without default', record([]), one('int'), 'v: the writer has no such field'],
    ['a default that is none', record([]), one('int', { default: 'x' }), 'default of the field v'],
    ['a schema that is none', { type: 'record' }, one('int'), 'name'],
    ['a schema of no record', 'string', one('int'), 'not of records'],
  ])('answers schema-unfit for every record of a writer with %s', async (_, writer, reader, reason) => {
    const decoder = await decoderFor({ writer, reader })
    const found = await refusal(() => decoder.record(input(wire(1, [2]))))
    expect(found).toMatchObject({ code: 'schema-unfit', message: expect.stringContaining(reason) })
  })
})

describe('bytes that are no record', () => {
  const writer = record([
    { name: 'a', type: 'string' },
    { name: 'b', type: 'double' },
  ])
  const good = avroEncoder({ schema: writer, id: 1 }).encode({ a: 'abc', b: 1 })

  it.each([
    ['a tombstone', null],
    ['no bytes', Buffer.alloc(0)],
    ['half a header', good.subarray(0, 4)],
    ['another magic byte', Buffer.from([1, ...good.subarray(1)])],
    ['JSON', Buffer.from('{"a":"abc"}')],
    ['an end too early', good.subarray(0, -1)],
    ['bytes after the end', Buffer.concat([good, Buffer.from([0])])],
    ['a length beyond the end', wire(1, [200, 1, 65])],
    ['a negative length', wire(1, [1, 65])],
  ])('end as record-malformed: %s', async (_, value) => {
    for (const fields of [[['a'], ['b']], [['b']], []]) {
      const decoder = await decoderFor({ writer, fields })
      const found = await refusal(() => decoder.record(input(value)))
      expect(found.code).toBe('record-malformed')
    }
  })
})

describe('schema ids', () => {
  const schema = record([{ name: 'a', type: 'int' }])
  const at = (id: number) => input(wire(id, [2]))

  function setUp() {
    const registry = new Shelf()
    registry.schemas.set(1, schema)
    let now = 0
    const clock = { now: () => now }
    const decoder = avroDecoder({ registry, schema, fields: [['a']], log: silent, clock })
    return { registry, decoder, pass: (ms: number) => (now += ms) }
  }

  it('are asked for once, however many records and batches name them', async () => {
    const { registry, decoder } = setUp()
    await Promise.all([decoder.prepare([at(1), at(1)]), decoder.prepare([at(1)])])
    await decoder.prepare([at(1), input(null), input(Buffer.from('x'))])
    expect(registry.asked).toEqual([1])
    expect(decoder.record(at(1))).toEqual({ a: 1 })
  })

  it('that the registry does not have are schema-unknown, and asked for again after a while', async () => {
    const { registry, decoder, pass } = setUp()
    await decoder.prepare([at(2)])
    await decoder.prepare([at(2)])
    expect(await refusal(() => decoder.record(at(2)))).toMatchObject({ code: 'schema-unknown' })
    expect(registry.asked).toEqual([2])
    registry.schemas.set(2, schema)
    pass(60_000)
    await decoder.prepare([at(2)])
    expect(decoder.record(at(2))).toEqual({ a: 1 })
  })

  it('wait for a registry that is down: no record becomes a dead letter', async () => {
    const { registry, decoder } = setUp()
    registry.down = true
    await expect(decoder.prepare([at(1)])).rejects.toMatchObject({ code: 'registry-failed' })
    registry.down = false
    await decoder.prepare([at(1)])
    expect(decoder.record(at(1))).toEqual({ a: 1 })
  })

  it('wait, too, when the registry fails in a way of its own', async () => {
    const { registry, decoder } = setUp()
    registry.schema = () => Promise.reject(new TypeError('fetch failed'))
    await expect(decoder.prepare([at(1)])).rejects.toMatchObject({ code: 'registry-failed' })
  })

  it('whose schema the registry calls unusable are schema-unfit, and not asked for again', async () => {
    const { registry, decoder, pass } = setUp()
    registry.schema = async (id) => {
      registry.asked.push(id)
      throw new MillraceError('schema-unfit', 'it is Protobuf')
    }
    await decoder.prepare([at(3)])
    pass(1e9)
    await decoder.prepare([at(3)])
    expect(registry.asked).toEqual([3])
    expect(await refusal(() => decoder.record(at(3)))).toMatchObject({ code: 'schema-unfit' })
  })

  it('made up by garbage do not pile up', async () => {
    const { registry, decoder, pass } = setUp()
    for (let i = 0; i < 30; i++) {
      await decoder.prepare(Array.from({ length: 1_000 }, (_, k) => at(1_000 + i * 1_000 + k)))
      pass(61_000)
    }
    // the first ones are forgotten: asked for again like new ones
    const before = registry.asked.length
    await decoder.prepare([at(1_000)])
    expect(registry.asked.length).toBe(before + 1)
    expect(await refusal(() => decoder.record(at(30_999)))).toMatchObject({ code: 'schema-unknown' })
    expect(() => decoder.record(at(2_000))).toThrow('not prepared')
  })
})
