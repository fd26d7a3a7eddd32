import { describe, expect, it } from 'vitest'
import { mismatch, optionFor } from '../../src/core/resolution.ts'
import { parseSchema } from '../../src/core/schema.ts'

const record = (fields: readonly object[], name = 'R') => ({ type: 'record', name, fields })
const why = (writer: unknown, reader: unknown, demand: 'all' | 'some' = 'all') =>
  mismatch(parseSchema(writer), parseSchema(reader), demand)
const kind = (symbols: string[], more: object = {}) => ({ type: 'enum', name: 'E', symbols, ...more })

describe('data of a writer', () => {
  const primitives = ['null', 'boolean', 'int', 'long', 'float', 'double', 'string', 'bytes']
  const promotions = ['int long', 'int float', 'int double', 'long float', 'long double', 'float double']
  const fits = new Set([...promotions, 'string bytes', 'bytes string', ...primitives.map((type) => `${type} ${type}`)])

  it.each(primitives)('of %s can be read as what Avro promotes it to, and nothing else', (writer) => {
    const readable = primitives.filter((reader) => why(writer, reader) === undefined)
    expect(readable).toEqual(primitives.filter((reader) => fits.has(`${writer} ${reader}`)))
  })

  it('can be read when all of its options, or for some data one, can be read', () => {
    expect(why(['null', 'int'], 'long')).toBe('null cannot be read as long')
    expect(why(['null', 'int'], 'long', 'some')).toBe(undefined)
    expect(why(['null', 'int'], 'string', 'some')).toBe('null cannot be read as string')
    expect(why('int', ['null', 'double'])).toBe(undefined)
    expect(why('int', ['null', 'string', 'boolean'])).toContain('int cannot be read as any option')
    expect(why('int', ['null', 'string', 'long'])).toBe(undefined)
  })

  it('can be read when a kind has the same name', () => {
    expect(why(kind(['A']), { ...kind(['A']), name: 'F' })).toBe('E cannot be read as F')
  })

  it('can be read when all of its symbols are known, or have a default, or for some data one', () => {
    expect(why(kind(['A', 'B']), kind(['A']))).toContain('the symbol B is not known')
    expect(why(kind(['A', 'B']), kind(['A']), 'some')).toBe(undefined)
    expect(why(kind(['B']), kind(['A']), 'some')).toContain('the symbol B')
    expect(why(kind(['A', 'B']), kind(['A'], { default: 'A' }))).toBe(undefined)
  })

  it('can be read when names agree, whatever their namespace, or by alias', () => {
    const fixed = (name: string, size: number, more: object = {}) => ({ type: 'fixed', name, size, ...more })
    expect(why(record([], 'shop.R'), record([], 'R'))).toBe(undefined)
    expect(why(record([], 'R'), record([], 'S'))).toContain('R cannot be read as S')
    expect(why(record([], 'R'), { ...record([], 'S'), aliases: ['R'] })).toBe(undefined)
    expect(why(fixed('F', 2), fixed('F', 3))).toContain('cannot be read')
    expect(why(fixed('F', 2), fixed('G', 2))).toContain('cannot be read')
    expect(why(fixed('F', 2), fixed('F', 2))).toBe(undefined)
    const decimal = { logicalType: 'decimal', precision: 3 }
    expect(why(fixed('F', 2, decimal), fixed('F', 2))).toBe(undefined)
    expect(why({ type: 'bytes', ...decimal }, 'bytes')).toBe(undefined)
    expect(why({ type: 'bytes', ...decimal }, fixed('F', 2, decimal))).toContain('cannot be read')
    expect(why(fixed('F', 2), 'bytes')).toContain('cannot be read')
  })

  it('is compared at every depth, and the place is said', () => {
    const deep = (type: unknown) =>
      record([
        { name: 'a', type: { type: 'array', items: { type: 'map', values: record([{ name: 'b', type }], 'In') } } },
      ])
    expect(why(deep('int'), deep('long'))).toBe(undefined)
    expect(why(deep('int'), deep('string'))).toBe('a[]{}.b: int cannot be read as string')
  })

  it('needs what the reader has, unless that has a default', () => {
    expect(why(record([]), record([{ name: 'a', type: 'int' }]))).toContain('a: the writer has no such field')
    expect(why(record([]), record([{ name: 'a', type: 'int', default: 1 }]))).toBe(undefined)
    const renamed = record([{ name: 'a', type: 'int', aliases: ['old'] }])
    expect(why(record([{ name: 'old', type: 'int' }]), renamed)).toBe(undefined)
  })

  it('may be recursive', () => {
    const chain = (type: unknown) =>
      record([
        { name: 'v', type },
        { name: 'next', type: ['null', 'R'] },
      ])
    expect(why(chain('int'), chain('long'))).toBe(undefined)
    expect(why(chain('int'), chain('string'))).toBe('v: int cannot be read as string')
  })
})

it('an option of the same type goes before one that comes earlier', () => {
  const union = parseSchema(['double', 'long', 'string'])
  const chosen = (type: string) => union.kind === 'union' && optionFor(parseSchema(type), union.options)
  expect(chosen('long')).toEqual({ kind: 'long' })
  expect(chosen('int')).toEqual({ kind: 'double' })
  expect(chosen('boolean')).toBe(undefined)
})
