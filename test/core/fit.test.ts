import { describe, expect, it } from 'vitest'
import { described, misfit } from '../../src/core/fit.ts'
import { parseSchema } from '../../src/core/schema.ts'

const why = (from: unknown, to: unknown) => misfit(parseSchema(from), parseSchema(to))
const record = (...fields: object[]) => ({ type: 'record', name: 'R', fields })
const kind = (...symbols: string[]) => ({ type: 'enum', name: 'Kind', symbols })
const fixed = (size: number) => ({ type: 'fixed', name: 'F', size })
const decimal = (precision: number, scale: number) => ({ type: 'bytes', logicalType: 'decimal', precision, scale })
const list = (items: unknown) => ({ type: 'array', items })
const map = (values: unknown) => ({ type: 'map', values })
const timestamp = { type: 'long', logicalType: 'timestamp-micros' }

describe('values of one type', () => {
  it.each<[string, unknown, unknown]>([
    ['int', 'int', 'double'],
    ['int', 'int', timestamp],
    ['timestamp', timestamp, 'long'],
    ['null', 'null', ['null', 'string']],
    ['a symbol', kind('A'), 'string'],
    ['a symbol', kind('A'), kind('B', 'A')],
    ['a fixed', fixed(4), fixed(4)],
    ['a decimal', decimal(5, 2), decimal(7, 3)],
    ['an option', 'int', ['string', 'long']],
    ['a list', list('int'), list('long')],
    ['a map', map('int'), map('long')],
    ['a record', record({ name: 'a', type: 'int' }), record({ name: 'a', type: 'long' })],
    ['fewer fields', record(), record({ name: 'a', type: 'int', default: 0 })],
    [
      'a record in itself',
      record({ name: 'next', type: ['null', 'R'] }),
      record({ name: 'next', type: ['null', 'R'] }),
    ],
  ])('%s can be written as the other (%j as %j)', (_, from, to) => {
    expect(why(from, to)).toBeUndefined()
  })

  it.each<[unknown, unknown, string]>([
    [['null', 'int'], 'int', 'it may be null, and int is expected'],
    ['long', 'int', 'it is long, and int is expected'],
    [kind('A', 'C'), kind('A', 'B'), 'it is enum Kind, and enum Kind is expected'],
    [fixed(4), fixed(5), 'it is fixed, and fixed is expected'],
    [decimal(5, 3), decimal(7, 2), 'it is decimal, and decimal is expected'],
    [decimal(7, 2), decimal(7, 3), 'it is decimal, and decimal is expected'],
    ['int', ['null', 'string', 'boolean'], 'it is int, and union is expected'],
    [list('long'), list('int'), 'it is long, and int is expected'],
    [map('int'), list('int'), 'it is map, and array is expected'],
    ['string', ['null', record()], 'it is string, and record R is expected'],
    [['null', 'string'], record(), 'it may be null, and record R is expected'],
    [record(), record({ name: 'a', type: 'int' }), 'a: it is missing'],
    [
      record({ name: 'a', type: 'string' }),
      record({ name: 'a', type: 'int', default: 0 }),
      'a: it is string, and int is expected',
    ],
  ])('%j cannot be written as %j', (from, to, expected) => {
    expect(why(from, to)).toBe(expected)
  })
})

it('a type that may be null says so', () => {
  expect(described(parseSchema(['null', kind('A')]))).toBe('enum Kind or null')
  expect(described(parseSchema('null'))).toBe('null')
})
