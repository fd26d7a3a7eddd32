import { describe, expect, it } from 'vitest'
import { compileExpression, type Expected, ExpressionError } from '../../../src/core/expression/index.ts'
import { type AvroType, parseSchema } from '../../../src/core/schema.ts'

const field = (name: string, type: unknown) => ({ name, type })
const many = Array.from({ length: 25 }, (_, i) => field(`f${i}`, 'int'))
const event = parseSchema({
  type: 'record',
  name: 'Order',
  fields: [
    field('n', 'int'),
    field('d', 'double'),
    field('f', 'float'),
    field('s', 'string'),
    field('b', 'boolean'),
    field('nothing', 'null'),
    field('kind', { type: 'enum', name: 'Kind', symbols: ['A', 'B'] }),
    field('whole', ['int', 'long']),
    field('number', ['null', 'int', 'double']),
    field('words', ['string', 'Kind']),
    field('mixed', ['int', 'string']),
    field('tags', { type: 'map', values: 'int' }),
    field('list', { type: 'array', items: 'int' }),
    field('items', {
      type: 'array',
      items: { type: 'record', name: 'Item', fields: [field('id', ['null', 'string'])] },
    }),
    field('wide', { type: 'record', name: 'Wide', fields: many }),
    field('other', { type: 'record', name: 'Other', fields: many }),
  ],
})
const compile = <E extends Expected>(text: string, expects: E, type: AvroType = event) =>
  compileExpression(text, { event: type, expects })
const value = (text: string, given: object, expects: Expected = 'any') => compile(text, expects).evaluate({ ...given })

function refusal(text: string, expects: Expected = 'any', type?: AvroType) {
  try {
    compile(text, expects, type)
  } catch (error) {
    if (error instanceof ExpressionError) return `${error.offset}: ${error.message} (${error.expected})`
    throw error
  }
  throw new Error(`not refused: ${text}`)
}

describe('an expression is refused, at its place and with what is right', () => {
  it.each([
    ['{"a": 1}', '0: maps cannot be written here (undefined)'],
    ['event.?n', '0: optional access is not needed: a field of null is null (undefined)'],
    ['event[?"n"]', '0: optional access is not needed: a field of null is null (undefined)'],
    ['event.list["a"]', "11: '[]' does not go between a list and a text (values of one type)"],
    ['event.tags[1]', "11: '[]' does not go between a map and a whole number (int) (values of one type)"],
    ['event.n[1]', "8: '[]' does not go between a whole number (int) and a whole number (int) (values of one type)"],
    ['event[0]', "6: '[]' does not go between a record and a whole number (int) (values of one type)"],
    ['has() ? 1 : 2', '0: has() is given no field (has(event.field))'],
    [
      'size(event.list) ? 1 : 2',
      "0: '?:' needs true or false, this is a whole number (int) (a comparison such as event.x == 5)",
    ],
    ['has()', '0: has() is given no field (has(event.field))'],
    ['has(event.n, event.n)', '4: has() is given no field (has(event.field))'],
    ['has(event)', '4: has() is given no field (has(event.field))'],
    ['exists(event.list)', '0: exists() is not in this version; of the macros only has() is (undefined)'],
    ['[1, null]', '4: null in a list (… == null beside it)'],
    ['[1, "a"]', "4: '[,]' does not go between a whole number (int) and a text (values of one type)"],
    [
      'event.d % 2.0',
      "10: '%' does not go between a number (double) and a number (double) (whole numbers: write int(…))",
    ],
    ['event.n < event.s', "10: '<' does not go between a whole number (int) and a text (values of one type)"],
    ['event.kind < event.kind', "13: '<' does not go between one of A, B and one of A, B (values of one type)"],
    ['event.tags == event.tags', "14: '==' does not go between a map and a map (values of one type)"],
    ['event.wide != event.wide', "14: '!=' does not go between a record and a record (values of one type)"],
    ['event.n in event.tags', "11: 'in' does not go between a whole number (int) and a map (values of one type)"],
    ['event.n in event.s', '11: \'in\' looks into a text (a list such as ["A", "B"], or a map)'],
    ['event.s in event.list', "11: 'in' does not go between a text and a whole number (int) (values of one type)"],
    ['event.list in [event.list]', "15: 'in' does not go between a list and a list (values of one type)"],
    ['size()', '0: size is given 0 values (size(value))'],
    ['event.s.startsWith()', '8: startsWith is given 0 values (text.startsWith("…"))'],
    [
      'event.wide.f99',
      `11: no field 'f99' (one of ${many
        .slice(0, 20)
        .map(({ name }) => name)
        .join(', ')} …)`,
    ],
    [
      'event.mixed + 1',
      "14: '+' does not go between a union of several types and a whole number (int) (values of one type)",
    ],
    ['event', '0: event is the whole record (a field of it, such as event.id)'],
  ])('%s', (text, said) => {
    expect(refusal(text)).toBe(said)
  })

  it('where the record is none', () => {
    expect(refusal('x + 1', 'any', { kind: 'string' })).toBe("0: no name 'x' (event.<field>)")
  })
})

describe('an expression gives', () => {
  it.each([
    ['event.items[0].id', { items: [{ id: 'a' }] }, 'a'],
    ['event.items[0]["id"]', { items: [{ id: 'a' }] }, 'a'],
    ['event.items[0].id', { items: [] }, null],
    ['event.items[0].id', { items: [{ id: null }] }, null],
    ['event.tags[event.kind]', { kind: 'A', tags: { A: 3 } }, 3],
    ['event.tags["A"]', { tags: { A: undefined } }, null],
    ['event.tags[event.s]', { tags: { A: 1 }, s: null }, null],
    ['event.s <= event.kind', { s: 'A', kind: 'B' }, true],
    ['event.kind > event.s', { s: 'A', kind: 'B' }, true],
    ['event.b in [true, false]', { b: true }, true],
    ['event.n in event.list', { n: 2, list: [1, 2] }, true],
    ['event.f * 2.0', { f: 1.5 }, 3],
    ['event.whole + 1', { whole: 4 }, 5],
    ['event.number + 0.5', { number: 4 }, 4.5],
    ['event.words + "!"', { words: 'A' }, 'A!'],
    ['has(event.nothing)', { nothing: null }, false],
    ['event.b ? null : event.n', { b: false, n: 3 }, 3],
    ['event.b ? event.n : null', { b: true, n: 3 }, 3],
    ['has(event.n) ? event.n : 0', { n: 3 }, 3],
    ['event.n == 1 || event.n == 2 || event.b', { n: 3, b: null }, null],
    ['event.n > 1 && event.n > 2 && event.b', { n: 3, b: null }, null],
    ['double(event.s)', { s: 'x' }, null],
    ['double(event.s)', { s: '1.5' }, 1.5],
  ] as const)('%s of %j: %s', (text, given, expected) => {
    expect(value(text, given)).toBe(expected)
  })

  it('the type of the field where that is a union without null', () => {
    expect(compile('event.mixed', 'any').avro).toMatchObject({ kind: 'union' })
    expect(compile('event.number', 'any').avro).toMatchObject({
      kind: 'union',
      options: [{ kind: 'null' }, { kind: 'int' }, { kind: 'double' }],
    })
    expect(compile('event.b ? null : event.n', 'any').avro).toEqual({
      kind: 'union',
      options: [{ kind: 'null' }, { kind: 'int' }],
    })
  })
})

it('a field of one record or of another like it, and of a list that is written, has its value', () => {
  const given = { b: true, wide: { f1: 5 }, other: { f1: 6 } }
  expect(value('(event.b ? event.wide : event.other).f1', given)).toBe(5)
  expect(value('(event.b ? event.wide : event.other).f1', { ...given, b: false })).toBe(6)
  expect(value('[7, 8][1]', given)).toBe(8)
})
