import fc from 'fast-check'
import { expect, it } from 'vitest'
import { contains } from '../../../src/core/expression/contains.ts'

it('finds what String.includes finds, also where a text nearly repeats itself', () => {
  const near = fc.string({ unit: fc.constantFrom('a', 'a', 'a', 'b', '\u{1f600}'), size: 'max', maxLength: 300 })
  let found = 0
  fc.assert(
    fc.property(near, near, fc.nat(260), fc.integer({ min: 33, max: 80 }), (text, other, from, length) => {
      const part = text.slice(from, from + length)
      const strange = `${part}${other}`.slice(0, length)
      if (part.length > 32) found++
      expect(contains(text, part)).toBe(true)
      expect(contains(other, part)).toBe(other.includes(part))
      expect(contains(text + other, strange)).toBe((text + other).includes(strange))
    }),
    { numRuns: 2_000 },
  )
  expect(found).toBeGreaterThan(200)
})

// the engine's own search takes 25 s
it('takes no longer for texts made to be slow', { timeout: 10_000 }, () => {
  const half = 'a'.repeat(150_000)
  expect(contains('a'.repeat(700_000), `${half}b${half}`)).toBe(false)
})
