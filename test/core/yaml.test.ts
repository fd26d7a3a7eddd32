import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Document, Scalar } from 'yaml'
import { MAX_PROBLEMS, type Path, type Where, YamlFile } from '../../src/core/yaml.ts'

/** Where in the text a problem is told. */
function toldAt(text: string, path: Path, where?: Where): number {
  const { line, column } = new YamlFile('a.yaml', text).place(path, where)
  const before = text.split('\n').slice(0, line - 1)
  return before.reduce((sum, each) => sum + each.length + 1, 0) + column - 1
}
const problems = (text: string) =>
  new YamlFile('a.yaml', text).problems.map(({ line, column, message }) => `${line}:${column} ${message}`)

describe('the place of a character in a text', () => {
  const styles = [
    Scalar.PLAIN,
    Scalar.QUOTE_SINGLE,
    Scalar.QUOTE_DOUBLE,
    Scalar.BLOCK_LITERAL,
    Scalar.BLOCK_FOLDED,
  ] as const

  it.each(styles)('is where it stands, or on the way there (%s)', (type) => {
    const words = fc.string({
      unit: fc.constantFrom('a', 'b', "'", '"', ' ', '\\', '\n', 'é', '🚲', '\u0001', '\u00a0', '\t'),
      maxLength: 60,
    })
    fc.assert(
      fc.property(words, fc.nat(70), (given, at) => {
        const scalar = new Scalar(given)
        scalar.type = type
        const document = new Document({ key: scalar })
        const text = document.toString({ lineWidth: 24 })
        const file = new YamlFile('a.yaml', text)
        // the library's writer does not bring back every blank
        const value = String(file.at(['key']))
        const told = toldAt(text, ['key'], Math.min(at, value.length))
        const start = toldAt(text, ['key'])
        expect(told).toBeGreaterThanOrEqual(start)
        expect(told).toBeLessThanOrEqual(text.length)
        const wanted = value[Math.min(at, value.length)]
        const found = text[told]
        if (wanted !== undefined && /[abé]/.test(wanted) && told !== start) expect(found).toBe(wanted)
      }),
    )
  })

  it.each([
    ['a: event.x', 6, 'x'],
    ["a: 'it''s x'", 5, 'x'],
    ['a: "b\\n\\u0041x"', 3, 'x'],
    ['a: "b\\x41x"', 2, 'x'],
    ['a: |\n  b\n  x', 2, 'x'],
    ['a: >\n  b\n  x', 2, 'x'],
    ['a: b\n  x', 2, 'x'],
    ['a: b\n\n  x', 2, 'x'],
  ])('%j at %d', (text, offset, character) => {
    expect(text[toldAt(text, ['a'], offset)]).toBe(character)
  })

  it('is that of the whole where it cannot be told', () => {
    expect(toldAt('a: "b\\U0001F6B2x"', ['a'], 3)).toBe(3)
  })

  it('behind the end is the end, and elsewhere the thing itself', () => {
    expect(toldAt("a: 'bc'", ['a'], 2)).toBe(6)
    expect(toldAt('a: "bc"', ['a'], 9)).toBe(6)
    expect(toldAt('a: bc', ['a'], 9)).toBe(5)
    expect(toldAt('a: "bc  ', ['a'], 9), 'a quote that is never closed').toBe(8)
    expect(toldAt('a: ""', ['a'], 0)).toBe(4)
    expect(toldAt('a: [1]', ['a'], 1)).toBe(3)
    expect(toldAt('a:\n  b: 1', ['a', 'b'], 'key')).toBe(5)
    expect(toldAt('a: [1, 2]', ['a', 7])).toBe(3)
    expect(toldAt('a: 1', ['a', 'b', 'c'])).toBe(3)
    expect(toldAt('', ['a'])).toBe(0)
  })
})

describe('a file', () => {
  it('tells keys that are none, at their place', () => {
    expect(problems('? [1]\n: 2\n')).toEqual(['1:3 a key is not a text'])
    expect(problems(': 2\n')).toEqual(['1:1 a key is not a text'])
    expect(problems('a: 1\n__proto__: 2\n')).toEqual(["2:1 '__proto__' is refused as a key"])
  })

  it('tells so many problems and no more', () => {
    const file = new YamlFile('a.yaml', 'a: 1')
    for (let i = 0; i <= MAX_PROBLEMS; i++) file.add(['a'], { code: 'bad-value', message: `${i}` })
    file.addAt(0, { code: 'bad-value', message: 'one more' })
    expect(file.problems).toHaveLength(MAX_PROBLEMS)
  })
})

it.each([
  ['within a text', 'k: some text', 5, 8],
  ['where a line of it was folded', 'k: some\n  text', 4, 7],
  ['behind it', 'k: some', 4, 7],
  ['behind it, within double quotes', 'k: "some"', 4, 8],
  ['behind it, within single quotes', "k: 'some'", 4, 8],
  ['behind an empty one', 'k:', 0, 2],
])('a place %s is found', (_, text, offset, at) => {
  expect(toldAt(text, ['k'], offset)).toBe(at)
})

it.each(['? \n: x', '{ : 1 }', '? [a]\n: 1', '*a : 1'])('in %j a key is no text', (text) => {
  expect(problems(text)).toEqual([expect.stringContaining('a key is not a text')])
})
