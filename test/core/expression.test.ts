import { Environment } from '@marcbachmann/cel-js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compileExpression, type Expected, ExpressionError } from '../../src/core/expression/index.ts'
import { topicType } from '../../src/core/schema.ts'

const schema = topicType({
  type: 'record',
  name: 'E',
  fields: [
    { name: 'n', type: 'int' },
    { name: 'm', type: ['null', 'long'] },
    { name: 'd', type: 'double' },
    { name: 'x', type: ['null', 'double'] },
    { name: 's', type: 'string' },
    { name: 't', type: ['null', 'string'] },
    { name: 'b', type: 'boolean' },
    { name: 'l', type: { type: 'array', items: 'string' } },
    { name: 'tags', type: { type: 'map', values: 'int' } },
    { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
    { name: 'type', type: { type: 'enum', name: 'T', symbols: ['CREATED', 'PICKED', 'DELIVERED'] } },
    { name: 'raw', type: 'bytes' },
    { name: 'mixed', type: ['int', 'string'] },
    {
      name: 'r',
      type: [
        'null',
        {
          type: 'record',
          name: 'R',
          fields: [
            { name: 'a', type: 'int' },
            { name: 'parent', type: ['null', 'R'] },
          ],
        },
      ],
    },
  ],
})

const empty = {
  n: 0,
  m: null,
  d: 0,
  x: null,
  s: '',
  t: null,
  b: false,
  l: [],
  tags: {},
  at: 0,
  type: 'CREATED',
  r: null,
}
const value = <E extends Expected>(expects: E, text: string, event: object = {}) =>
  compileExpression(text, { event: schema, expects }).evaluate({ ...empty, ...event })
const truth = (text: string, event?: object) => value('bool', text, event)

function refusal(text: string, expects: Expected = 'bool') {
  try {
    compileExpression(text, { event: schema, expects })
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error
    const { offset, message, expected, suggestion, code } = error
    return { offset, message, expected, suggestion, code }
  }
  throw new Error(`not refused: ${text}`)
}

describe('null', () => {
  it.each([
    ['event.x > 1.0', false],
    ['!(event.x > 1.0)', false],
    ['event.x == null', true],
    ['null == event.x', true],
    ['event.x != null', false],
    ['(event.x > 1.0) == null', true],
    ['(event.m + 1) == null', true],
    ['event.t == "a"', false],
    ['event.t != "a"', false],
    ['(event.t in ["a"]) == null', true],
    ['(event.x > 1.0 && event.n == 1) == null', false],
    ['(event.x > 1.0 && event.n == 0) == null', true],
    ['event.x > 1.0 || event.n == 0', true],
    ['(event.x > 1.0 || event.n == 1) == null', true],
    ['event.n == 1 && event.x > 1.0 && event.b == null || event.n == 0', true],
    ['(event.x > 1.0 ? 1 : 2) == null', true],
    ['size(event.t) == null', true],
    ['event.t.startsWith("a") == null', true],
    ['string(event.m) == null', true],
    ['has(event.x)', false],
    ['has(event.r.a)', false],
    ['event.r.a == null', true],
    ['event.r.parent.parent.a == null', true],
  ] as const)('%s is %s where all is null', (text, result) => {
    expect(truth(text)).toBe(result)
  })

  it('comes out of numbers and texts as null', () => {
    expect(value('number', 'event.x * 2.0')).toBeNull()
    expect(value('text', 'event.t')).toBeNull()
    expect(value('text', 'event.m')).toBeNull()
  })

  it('is what an absent field is', () => {
    expect(compileExpression('event.s == null', { event: schema, expects: 'bool' }).evaluate({})).toBe(true)
  })
})

describe('values that cannot be', () => {
  it.each([
    'event.n / 0',
    'event.n % 0',
    'int("x")',
    'int(event.d / 0.0)',
    'double("x")',
    'event.d / 0.0',
    'event.l[3]',
    'event.tags.z',
    'event.tags["z"]',
    '9007199254740991 + event.n + 1',
  ])('%s is null', (text) => {
    expect(value(text.includes('event.l') ? 'text' : 'number', text)).toBeNull()
  })
  it('are no entries that every object has', () => {
    expect(value('number', 'event.tags.constructor')).toBeNull()
    expect(truth('"toString" in event.tags')).toBe(false)
  })
})

describe('fields', () => {
  it('are collected as paths, once each', () => {
    const read = (text: string) => compileExpression(text, { event: schema, expects: 'bool' }).fields
    expect(read('event.r.a > 1 && event.n == 2 || event.n == 3 || has(event.r.parent)')).toEqual([
      ['r', 'a'],
      ['n'],
      ['r', 'parent'],
    ])
    expect(read('event.tags.x == 1 && "a" in event.l && event["s"] == event.l[0]')).toEqual([['tags'], ['l'], ['s']])
    expect(read('true')).toEqual([])
  })
  it('may be named alone', () => {
    expect(value('number', 'n', { n: 4 })).toBe(4)
    expect(value('number', ' r.a ', { r: { a: 5 } })).toBe(5)
    expect(value('text', 'n', { n: -0 })).toBe('0')
  })
  it('give the same canonical text however they are spaced', () => {
    const canonical = (text: string) => compileExpression(text, { event: schema, expects: 'bool' }).canonical
    expect(canonical('( event.n==1 )')).toBe(canonical('event.n == 1'))
    expect(canonical('b')).toBe(canonical('event.b'))
    expect(canonical('event.n == 1')).not.toBe(canonical('event.n == 2'))
  })
  it('of timestamps are milliseconds', () => {
    expect(truth('event.at >= 1767225600000', { at: Date.UTC(2026, 0, 1) })).toBe(true)
  })
})

describe('refusals', () => {
  it.each([
    ['event.type == "PICKD"', 14, 'the field never is "PICKD"', '"PICKED"'],
    ['"picked" == event.type', 0, 'the field never is "picked"', '"PICKED"'],
    ['event.type in ["CREATED", "DELIVERD"]', 26, 'the field never is "DELIVERD"', '"DELIVERED"'],
    ['event.type in ("PICKED")', 15, "'in' looks into a text", undefined],
    ['event.tpye == "PICKED"', 6, "no field 'tpye'", 'type'],
    ['event.r.b == 1', 8, "no field 'b'", 'a'],
    ['type == "PICKED"', 0, "no name 'type'", 'event.type'],
    ['even.n == 1', 0, "no name 'even'", 'event'],
    ['event.n == "1"', 11, "'==' does not go between a whole number (int) and a text", undefined],
    ['event.n == 1.0', 11, "'==' does not go between a whole number (int) and a number (double)", undefined],
    ['event.n + event.d > 1', 10, "'+' does not go between a whole number (int) and a number (double)", undefined],
    ['event.n', 0, 'this is a whole number (int)', undefined],
    ['event.b && event.n', 11, "'&&' needs true or false, this is a whole number (int)", undefined],
    ['!event.s', 1, "'!' needs true or false, this is a text", undefined],
    ['-event.s == 1', 1, "'-' does not go before a text", undefined],
    [
      'event.s.matches("(a+)+$")',
      8,
      'regular expressions are refused: their run time has no bound; use startsWith, endsWith, contains or in',
      undefined,
    ],
    ['event.l.exists(t, t == "a")', 8, 'exists() is not in this version; of the macros only has() is', undefined],
    ['event.s.startWith("a")', 8, "no function 'startWith'", 'startsWith'],
    ['event.s.startsWith(1)', 19, 'startsWith does not take a whole number (int)', undefined],
    ['event.s.startsWith()', 8, 'startsWith is given 0 values', undefined],
    ['has(event)', 4, 'has() is given no field', undefined],
    ['event == null', 0, 'event is the whole record', undefined],
    ['event.n ==', 10, 'the expression ends too early', undefined],
    ['event.n = 1', 8, 'write == to compare', undefined],
    ['', 0, 'the expression ends too early', undefined],
    ['event.raw == "a"', 13, "'==' does not go between bytes and a text", undefined],
    ['event.mixed == 1', 15, "'==' does not go between a union of several types and a whole number (int)", undefined],
    ['event.n in []', 11, 'the list is empty', undefined],
    ['event.n == 5 and event.n == 6', 13, 'write && for and', undefined],
    ['event.n == 5 OR event.n == 6', 13, 'write || for or', undefined],
    ['not event.b', 4, 'write ! for not', undefined],
    ['event.n == 5u', 11, 'bytes and unsigned numbers cannot be written here', undefined],
    ['event.n == 9007199254740993', 11, 'a whole number beyond 2^53 - 1', undefined],
    ['event.b ? 1 : "a"', 14, "'?:' does not go between a whole number (int) and a text", undefined],
  ] as const)('%s', (text, offset, message, suggestion) => {
    expect(refusal(text)).toMatchObject({ offset, message, suggestion })
  })

  it('point into a bare field name as it is written', () => {
    expect(refusal('  r.b', 'number')).toMatchObject({ offset: 4, message: "no field 'b'", code: 'unknown-field' })
    expect(refusal('nn', 'number')).toMatchObject({ offset: 0, suggestion: 'n' })
    expect(refusal('s', 'number')).toMatchObject({ offset: 0, message: 'this is a text', expected: 'a number' })
  })

  it('come before anything can overflow', () => {
    expect(refusal(`${'!'.repeat(4000)}b`).message).toBe('nested deeper than 64')
    expect(refusal(`${'('.repeat(2000)}b${')'.repeat(2000)}`).message).toMatch(/maxDepth/)
    expect(refusal(`event.n == 1${'+1'.repeat(2000)}`).message).toBe('nested deeper than 64')
    expect(refusal(`"${'a'.repeat(5000)}" == event.s`).message).toBe('the expression is longer than 4096 characters')
    expect(truth(Array(200).fill('event.n == 1').join(' || '))).toBe(false)
  })

  it('are the only errors, whatever the text', () => {
    const piece = fc.constantFrom(
      'event',
      '.',
      'n',
      's',
      '(',
      ')',
      '"',
      "'",
      '==',
      '&&',
      '?',
      ':',
      '1',
      '1.5',
      '[',
      ']',
      '{',
      '}',
      ',',
      '-',
      '!',
      ' ',
      'has',
      'in',
      '\\',
      'size',
      '\n',
      '0x',
      'e9',
      'null',
      '\u{1F600}',
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece, { maxLength: 30 }).map((all) => all.join('')),
        ),
        (text) => {
          try {
            compileExpression(text, { event: schema, expects: 'bool' })
          } catch (error) {
            expect(error).toBeInstanceOf(ExpressionError)
            const { offset } = error as ExpressionError
            expect(offset).toBeGreaterThanOrEqual(0)
            expect(offset).toBeLessThanOrEqual(text.length)
          }
        },
      ),
      { numRuns: 2000 },
    )
  })
})

describe('the library as oracle', () => {
  const library = new Environment().registerVariable({
    name: 'event',
    schema: {
      n: 'int',
      m: 'int',
      d: 'double',
      x: 'double',
      s: 'string',
      t: 'string',
      b: 'bool',
      l: 'list<string>',
      type: 'string',
      r: { a: 'int' },
    },
  })
  const events = fc.record({
    n: fc.integer({ min: -20, max: 20 }),
    m: fc.integer({ min: -3, max: 3 }),
    d: fc.integer({ min: -200, max: 200 }).map((quarters) => quarters / 4),
    x: fc.constantFrom(0, 0.5, -2, 3),
    s: fc.constantFrom('', 'a', 'ab', 'b\u{1F600}', '12', '-3'),
    t: fc.constantFrom('', 'a', 'x'),
    b: fc.boolean(),
    l: fc.array(fc.constantFrom('a', 'b', ''), { maxLength: 3 }),
    type: fc.constantFrom('CREATED', 'PICKED', 'DELIVERED'),
    r: fc.record({ a: fc.integer({ min: -5, max: 5 }) }),
  })
  const expressions = fc.letrec<Record<'bool' | 'int' | 'double' | 'text', string>>((tie) => {
    const form = (pattern: string, ...parts: fc.Arbitrary<string>[]) =>
      fc.tuple(...parts).map((filled) => pattern.replace(/\$(\d)/g, (_, i) => filled[Number(i)] ?? ''))
    const [bool, int, double, text] = [tie('bool'), tie('int'), tie('double'), tie('text')]
    const order = fc.constantFrom('<', '<=', '>', '>=')
    const equal = fc.constantFrom('==', '!=')
    const choice = (of: fc.Arbitrary<string>) => form('($0 ? $1 : $2)', bool, of, of)
    const shallow = { maxDepth: 4, depthSize: 'small' } as const
    return {
      bool: fc.oneof(
        shallow,
        fc.constantFrom(
          'event.b',
          'true',
          'false',
          'has(event.r.a)',
          '(event.type == "PICKED")',
          '(event.type in ["PICKED", "CREATED"])',
        ),
        form('($0 $1 $2)', bool, fc.constantFrom('&&', '||', '==', '!='), bool),
        form('!$0', bool),
        form('($0 $1 $2)', int, fc.oneof(order, equal), int),
        form('($0 $1 $2)', double, fc.oneof(order, equal), double),
        form('($0 $1 $2)', int, order, double),
        form('($0 $1 $2)', text, fc.oneof(order, equal), text),
        form('($0 in [$1, $2])', int, int, int),
        form('($0 in ["a", $1])', text, text),
        form('($0 in event.l)', text),
        form('$0.$1($2)', text, fc.constantFrom('startsWith', 'endsWith', 'contains'), text),
        choice(bool),
      ),
      int: fc.oneof(
        shallow,
        fc.constantFrom('event.n', 'event.m', 'event.r.a', '0', '3', '-2', 'size(event.l)'),
        form('($0 $1 $2)', int, fc.constantFrom('+', '-', '*', '/', '%'), int),
        form('-$0', int),
        form('size($0)', text),
        form('int($0)', double),
        // not at the end: the library takes "0b1" for a number, which CEL does not
        form('int("1" + $0)', text),
        choice(int),
      ),
      double: fc.oneof(
        shallow,
        fc.constantFrom('event.d', 'event.x', '0.0', '2.5', '-1.0'),
        form('($0 $1 $2)', double, fc.constantFrom('+', '-', '*', '/'), double),
        form('-$0', double),
        form('double($0)', int),
        choice(double),
      ),
      text: fc.oneof(
        shallow,
        fc.constantFrom('event.s', 'event.t', '"a"', '"7"', 'string(event.type)', 'event.l[1]'),
        form('($0 + $1)', text, text),
        form('string($0)', int),
        form('string($0)', bool),
        choice(text),
      ),
    }
  })
  const asked = fc.oneof(
    expressions.bool.map((text) => ({ text, expects: 'bool' as const })),
    expressions.int.map((text) => ({ text, expects: 'number' as const })),
    expressions.double.map((text) => ({ text, expects: 'number' as const })),
    expressions.text.map((text) => ({ text, expects: 'text' as const })),
  )

  const NOTHING = { bool: false, number: null, text: null, value: null, any: null }
  function answer(text: string, expects: Expected, event: { n: number; m: number; r: { a: number } }) {
    const ints = { ...event, n: BigInt(event.n), m: BigInt(event.m), r: { a: BigInt(event.r.a) } }
    const evaluate = library.parse(text)
    try {
      const found = evaluate({ event: ints })
      if (typeof found === 'number' && !Number.isFinite(found)) return null
      return typeof found === 'bigint' ? Number(found) : found
    } catch {
      return NOTHING[expects]
    }
  }

  it('gives the same types and values where nothing is null', () => {
    fc.assert(
      fc.property(asked, events, ({ text, expects }, event) => {
        const checked = library.check(text)
        expect(checked.error?.message).toBeUndefined()
        const ours = compileExpression(text, { event: schema, expects })
        expect(ours.type === 'enum' ? 'string' : ours.type).toBe(checked.type)
        expect(ours.evaluate(event)).toEqual(answer(text, expects, event))
      }),
      { numRuns: 3000 },
    )
  })
})
