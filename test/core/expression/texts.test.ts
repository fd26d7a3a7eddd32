import { expect, it } from 'vitest'
import { compileExpression } from '../../../src/core/expression/index.ts'
import { parseSchema } from '../../../src/core/schema.ts'

const event = parseSchema({ type: 'record', name: 'E', fields: [{ name: 'a', type: ['null', 'string'] }] })
const of = (text: string, a: string | null) => compileExpression(text, { event, expects: 'text' }).evaluate({ a })

it.each([
  ['a.lowerAscii()', 'ABC ÄÖ z', 'abc ÄÖ z'],
  ['a.upperAscii()', 'abc äö Z', 'ABC äö Z'],
  ['a.trim()', ' \t a b \n', 'a b'],
  ['a.substring(1)', 'a😀c', '😀c'],
  ['a.substring(1, 2)', 'a😀c', '😀'],
  ['a.substring(3)', 'a😀c', ''],
  ['a.substring(4)', 'a😀c', null],
  ['a.substring(0, 4)', 'a😀c', null],
  ['a.substring(2, 1)', 'a😀c', null],
  ['a.substring(-1)', 'abc', null],
  ['event.a.trim().lowerAscii().substring(0, 2) + "!"', ' ABC', 'ab!'],
])('%s of %j is %j', (text, a, expected) => {
  expect(of(`event.${text.replace(/^event\./, '')}`, a)).toBe(expected)
  expect(of(`event.${text.replace(/^event\./, '')}`, null)).toBe(null)
})

it.each(['event.a.substring()', 'event.a.substring(1, 2, 3)', 'event.a.substring("1")', 'event.a.trim(1)'])(
  '%s is refused',
  (text) => {
    expect(() => of(text, 'a')).toThrow()
  },
)

it('is linear in the length of a hostile text', () => {
  const hostile = `${'a'.repeat(500_000)}B${'a'.repeat(500_000)}`
  expect(of('event.a.upperAscii()', hostile)?.length).toBe(1_000_001)
  expect(of('event.a.trim()', ' '.repeat(1_000_000))).toBe('')
})
