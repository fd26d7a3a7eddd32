import { describe, expect, it } from 'vitest'
import { type AvroType, parseSchema, type RecordType } from '../../src/core/schema.ts'
import { isSameType, schemaJson } from '../../src/core/schema-json.ts'

const field = (name: string, type: unknown, more: object = {}) => ({ name, type, ...more })
const money = { type: 'fixed', name: 'shop.Money', size: 8, logicalType: 'decimal', precision: 9, scale: 2 }
const schema = {
  type: 'record',
  name: 'shop.Order',
  fields: [
    field('id', 'string', { doc: 'as the shop says it' }),
    field('kind', { type: 'enum', name: 'shop.Kind', symbols: ['A', 'B'], default: 'B' }),
    field('plain', { type: 'enum', name: 'shop.Plain', symbols: ['A'] }),
    field('hash', { type: 'fixed', name: 'shop.Hash', size: 4 }),
    field('again', 'shop.Hash'),
    field('price', money),
    field('paid', 'shop.Money'),
    field('tip', { type: 'bytes', logicalType: 'decimal', precision: 5, scale: 1 }),
    field('at', { type: 'long', logicalType: 'timestamp-micros' }),
    field('day', { type: 'int', logicalType: 'date' }),
    field('opens', { type: 'int', logicalType: 'time-millis' }),
    field('closes', { type: 'long', logicalType: 'time-micros' }),
    field('tags', { type: 'map', values: { type: 'array', items: 'long' } }),
    field('parent', ['null', 'shop.Order'], { default: null }),
  ],
}

describe('the schema of a type', () => {
  it('is read as the type that it was made of, names and what holds itself included', () => {
    const type = parseSchema(schema)
    const again = parseSchema(JSON.parse(JSON.stringify(schemaJson(type))))
    expect(again).toEqual(type)
    expect(isSameType(again, type)).toBe(true)
  })

  it('defines each name once', () => {
    expect(JSON.stringify(schemaJson(parseSchema(schema))).match(/"name":"shop\.(Money|Hash)"/g)).toHaveLength(2)
  })

  it('is refused where two types of one name differ', () => {
    const one = parseSchema({ type: 'fixed', name: 'F', size: 4 })
    const other = parseSchema({ type: 'fixed', name: 'F', size: 5 })
    expect(() => schemaJson({ kind: 'union', options: [one, other] })).toThrow('two different types are named F')
  })
})

describe('two types are the same', () => {
  const order = parseSchema(schema) as RecordType
  const changed = (name: string, type: AvroType): RecordType => ({
    ...order,
    fields: order.fields.map((each) => (each.name === name ? { ...each, type } : each)),
  })

  it('whatever is said of them beside their values', () => {
    expect(isSameType(parseSchema({ ...schema, aliases: ['Old'] }), order)).toBe(true)
  })

  it('and not where a field differs', () => {
    expect(isSameType(changed('id', { kind: 'bytes' }), order)).toBe(false)
    expect(isSameType(changed('opens', { kind: 'time', unit: 'micros' }), order)).toBe(false)
  })
})
