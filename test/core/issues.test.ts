import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { addIssues, keysAt } from '../../src/core/issues.ts'
import { YamlFile } from '../../src/core/yaml.ts'

/** What is said of a file that a schema refuses, as `line:column message, expected … → suggestion`. */
function said(schema: z.ZodType, text: string, secret = false): string[] {
  const yaml = new YamlFile('a.yaml', text)
  addIssues(yaml, [], schema.safeParse(yaml.value).error?.issues ?? [], schema, secret)
  return yaml.problems.map(
    ({ line, column, message, expected, suggestion }) =>
      `${line}:${column} ${message}${expected === undefined ? '' : `, expected ${expected}`}${suggestion === undefined ? '' : ` → ${suggestion}`}`,
  )
}

describe('what a schema refuses is said with what was found and what is right', () => {
  it.each<[string, z.ZodType, string, string]>([
    ['a wrong type', z.strictObject({ a: z.int() }), 'a: x', "1:4 a is 'x', expected a number"],
    ['no whole number', z.strictObject({ a: z.int() }), 'a: 1.5', '1:4 a is 1.5, expected a whole number'],
    ['a type without a word of its own', z.strictObject({ a: z.date() }), 'a: 5', '1:4 a is 5, expected date'],
    [
      'a slip',
      z.strictObject({ a: z.enum(['one', 'two']) }),
      'a: oen',
      "1:4 a is 'oen', expected one of one, two → one",
    ],
    ['not the one value', z.strictObject({ a: z.literal('on') }), 'a: of', "1:4 a is 'of', expected on → on"],
    ['too small', z.strictObject({ a: z.number().min(2) }), 'a: 1', '1:4 a is 1, expected at least 2'],
    ['not above', z.strictObject({ a: z.number().gt(2) }), 'a: 2', '1:4 a is 2, expected more than 2'],
    ['too big', z.strictObject({ a: z.number().max(2) }), 'a: 3', '1:4 a is 3, expected at most 2'],
    ['not below', z.strictObject({ a: z.number().lt(2) }), 'a: 2', '1:4 a is 2, expected less than 2'],
    ['too short', z.strictObject({ a: z.string().min(2) }), 'a: x', "1:4 a is 'x', expected at least 2 characters"],
    [
      'empty',
      z.strictObject({ a: z.array(z.int()).min(1) }),
      'a: []',
      '1:4 a is an empty list, expected at least 1 item',
    ],
    [
      'a long text',
      z.strictObject({ a: z.int() }),
      `a: ${'x'.repeat(70)}`,
      `1:4 a is '${'x'.repeat(60)}…', expected a number`,
    ],
    [
      'a wrong key',
      z.record(z.string().regex(/^a$/, 'an a'), z.int()),
      'b: 1',
      "1:1 'b' is not a right name, expected an a",
    ],
    [
      'an unknown key',
      z.strictObject({ where: z.int().optional() }),
      'wher: 1',
      "1:1 unknown key 'wher', expected one of where → where",
    ],
    ['an unknown key where none is known', z.strictObject({}), 'b: 1', "1:1 unknown key 'b'"],
    [
      'a filter',
      z.strictObject({ when: z.int().optional() }),
      'filter: 1',
      "1:1 unknown key 'filter', expected one of when → when",
    ],
  ])('%s', (_, schema, text, expected) => {
    expect(said(schema, text)).toEqual([expected])
  })

  it('never the text where it is a secret', () => {
    expect(said(z.strictObject({ a: z.int() }), 'a: hunter2', true)).toEqual([
      '1:4 a is another text, expected a number',
    ])
    expect(said(z.strictObject({ a: z.string() }), 'a: 12345', true)).toEqual([
      '1:4 a is another number, expected a text',
    ])
  })
})

describe('of several shapes', () => {
  const shapes = z.strictObject({
    a: z.union(
      [z.literal('none'), z.strictObject({ size: z.int(), more: z.strictObject({ b: z.int() }).optional() })],
      'none, or a mapping',
    ),
  })

  it('the one that is a mapping tells what is wrong with a mapping', () => {
    expect(said(shapes, 'a: { size: x }')).toEqual(["1:12 a.size is 'x', expected a number"])
    expect(said(shapes, 'a: { size: 1, sise: 2 }')).toEqual([
      "1:15 unknown key 'sise', expected one of size, more → size",
    ])
  })

  it('all are named where it is no mapping, or several shapes are', () => {
    expect(said(shapes, 'a: 5')).toEqual(['1:4 a is 5, expected none, or a mapping'])
    const both = z.union([z.strictObject({ a: z.int() }), z.strictObject({ b: z.int() })], 'one or the other')
    expect(said(z.strictObject({ x: both }), 'x: { c: 1 }')).toEqual(['1:4 x is a mapping, expected one or the other'])
  })

  it('the keys are those of the one that has some', () => {
    expect(keysAt(shapes, ['a'])).toEqual(['size', 'more'])
    expect(keysAt(shapes, ['a', 'more'])).toEqual(['b'])
    expect(keysAt(z.record(z.string(), z.strictObject({ c: z.int() })), ['any'])).toEqual(['c'])
    expect(keysAt(z.array(z.strictObject({ d: z.int() })), [0])).toEqual(['d'])
    expect(keysAt(z.strictObject({ a: z.int() }), ['a', 'b'])).toEqual([])
    expect(keysAt(z.strictObject({ a: z.int() }), ['b'])).toEqual([])
  })
})
