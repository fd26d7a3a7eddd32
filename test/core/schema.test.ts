import { describe, expect, it } from 'vitest'
import { nonNull, parseSchema, SchemaError, topicType } from '../../src/core/schema.ts'

function faultOf(schema: unknown): SchemaError {
  try {
    parseSchema(schema)
  } catch (error) {
    if (error instanceof SchemaError) return error
    throw error
  }
  throw new Error('the schema was taken')
}

const record = (fields: unknown, more: object = {}) => ({ type: 'record', name: 'R', fields, ...more })

describe('what a schema says', () => {
  it('knows logical types by their meaning', () => {
    const long = (logicalType: string) => ({ type: 'long', logicalType })
    expect(parseSchema(long('timestamp-millis'))).toEqual({ kind: 'timestamp', unit: 'millis' })
    expect(parseSchema(long('local-timestamp-micros'))).toEqual({ kind: 'timestamp', unit: 'micros' })
    expect(parseSchema({ type: 'int', logicalType: 'date' })).toEqual({ kind: 'date' })
    expect(parseSchema({ type: 'bytes', logicalType: 'decimal', precision: 9, scale: 2 })).toEqual({
      kind: 'decimal',
      precision: 9,
      scale: 2,
    })
  })

  it('takes a logical type that it does not know, or that does not fit, for the type below', () => {
    expect(parseSchema({ type: 'string', logicalType: 'uuid' })).toEqual({ kind: 'string' })
    expect(parseSchema({ type: 'string', logicalType: 'timestamp-millis' })).toEqual({ kind: 'string' })
    expect(parseSchema({ type: 'bytes', logicalType: 'decimal' })).toEqual({ kind: 'bytes' })
  })

  it('resolves names by namespace', () => {
    const type = topicType(
      record(
        [
          { name: 'a', type: { type: 'enum', name: 'E', symbols: ['X'] } },
          { name: 'b', type: 'E' },
          { name: 'c', type: 'shop.E' },
        ],
        { namespace: 'shop', aliases: ['Old', 'other.Old'] },
      ),
    )
    expect(type.name).toBe('shop.R')
    expect(type.aliases).toEqual(['shop.Old', 'other.Old'])
    expect(type.fields.map((field) => field.type)).toEqual(Array(3).fill(type.fields[0]?.type))
  })

  it('makes a cycle of a recursive schema', () => {
    const type = topicType(record([{ name: 'next', type: ['null', 'R'], default: null }]))
    const { type: next, nullable } = nonNull(type.fields[0]!.type)
    expect(next).toBe(type)
    expect(nullable).toBe(true)
  })

  it('tells a field without default from one whose default is null', () => {
    const [plain, nulled] = topicType(
      record([
        { name: 'a', type: 'null' },
        { name: 'b', type: 'null', default: null },
      ]),
    ).fields
    expect(plain && 'default' in plain).toBe(false)
    expect(nulled && 'default' in nulled).toBe(true)
  })

  it('takes null out of a union', () => {
    expect(nonNull(parseSchema('long'))).toEqual({ type: { kind: 'long' }, nullable: false })
    expect(nonNull(parseSchema(['null', 'long']))).toEqual({ type: { kind: 'long' }, nullable: true })
    expect(nonNull(parseSchema(['long', 'null', 'string']))).toEqual({
      type: { kind: 'union', options: [{ kind: 'long' }, { kind: 'string' }] },
      nullable: true,
    })
  })
})

describe('a wrong schema', () => {
  it.each([
    ['an unknown type', record([{ name: 'a', type: 'strng' }]), 'fields[0].type'],
    ['no fields', { type: 'record', name: 'R' }, 'fields'],
    ['a bad name', record([{ name: 'a-b', type: 'int' }]), 'fields[0].name'],
    ['a field named __proto__', record([{ name: '__proto__', type: 'int' }]), 'fields[0].name'],
    [
      'a field twice',
      record([
        { name: 'a', type: 'int' },
        { name: 'a', type: 'int' },
      ]),
      'fields[1].name',
    ],
    ['a union in a union', ['null', ['int', 'string']], '[1]'],
    ['an option twice', ['int', { type: 'int', logicalType: 'date' }], '[1]'],
    ['a default that is no symbol', { type: 'enum', name: 'E', symbols: ['A'], default: 'B' }, 'default'],
    [
      'a size that is none',
      record([{ name: 'a', type: { type: 'fixed', name: 'F', size: -1 } }]),
      'fields[0].type.size',
    ],
    ['a name taken', record([{ name: 'a', type: record([]) }]), 'fields[0].type.name'],
    ['a number', record([{ name: 'a', type: 7 }]), 'fields[0].type'],
  ])('is refused with its place: %s', (_, schema, place) => {
    expect(faultOf(schema).message).toMatch(new RegExp(`^${place.replace(/[[\]]/g, '\\$&')}: `))
  })

  it('is refused when a topic does not hold records', () => {
    expect(() => topicType('string')).toThrow(SchemaError)
  })

  it('is refused at bounded cost when it is very deep or very large', () => {
    let deep: unknown = 'int'
    for (let i = 0; i < 100_000; i++) deep = { type: 'array', items: deep }
    expect(faultOf(deep).message).toContain('deeper than')
    const wide = record(Array.from({ length: 30_000 }, (_, i) => ({ name: `f${i}`, type: 'int' })))
    expect(faultOf(wide).message).toContain('more than')
  })
})

describe('what a schema says of itself', () => {
  it.each<[unknown, string]>([
    [[], 'the union has no options'],
    [{ type: 'enum', name: 'E', symbols: ['A', 'A'] }, 'symbols: a symbol stands twice'],
    [{ type: 'enum', name: 'E', symbols: {} }, 'symbols: an object is not a list'],
    [{ type: 'fixed', name: 'F', size: [1] }, 'size: a list is no size'],
    [{ type: 'enum', name: 'x'.repeat(2_000), symbols: ['A'] }, `name: "${'x'.repeat(59)}… is not a name`],
    [{ type: 'array' }, 'items: nothing is not a type'],
    [['int', { type: 'int', logicalType: 'time-millis' }], '[1]: int stands twice in the union'],
    [['long', { type: 'long', logicalType: 'time-micros' }], '[1]: long stands twice in the union'],
  ])('%j is wrong', (schema, said) => {
    expect(faultOf(schema).message).toBe(said)
  })

  it('times of the day are times, and what is nothing but null is null', () => {
    expect(parseSchema({ type: 'int', logicalType: 'time-millis' })).toEqual({ kind: 'time', unit: 'millis' })
    expect(parseSchema({ type: 'long', logicalType: 'time-micros' })).toEqual({ kind: 'time', unit: 'micros' })
    expect(parseSchema({ type: 'long', logicalType: 'time-millis' })).toEqual({ kind: 'long' })
    expect(parseSchema({ type: 'int', logicalType: 'time-micros' })).toEqual({ kind: 'int' })
    expect(nonNull(parseSchema(['null']))).toEqual({ type: { kind: 'null' }, nullable: true })
  })
})

it('a record may hold itself, but is not nested without end by names that stand for each other', () => {
  const list = record([{ name: 'next', type: ['null', 'R'] }])
  expect(parseSchema(list)).toMatchObject({ kind: 'record', fields: [{ type: { kind: 'union' } }] })
  const chain = (length: number) =>
    Array.from({ length }, (_, i) => ({
      name: `f${i}`,
      type: { type: 'record', name: `R${i}`, fields: i === 0 ? [] : [{ name: 'inner', type: `R${i - 1}` }] },
    }))
  expect(() => parseSchema(record(chain(100)))).not.toThrow()
  expect(faultOf(record(chain(250))).message).toContain('nested')
})

it('options of a union are told apart by the type below a logical one, or by name', () => {
  const decimal = { logicalType: 'decimal', precision: 3 }
  const fixed = { type: 'fixed', name: 'F', size: 2, ...decimal }
  expect(parseSchema([{ type: 'bytes', ...decimal }, fixed]).kind).toBe('union')
  expect(faultOf([{ type: 'bytes', ...decimal }, 'bytes']).message).toContain('bytes')
})

it("what is no JSON, as code of one's own may give it, is refused like the rest", () => {
  expect(faultOf(record(() => [])).message).toBe('fields: function is not a list')
})
