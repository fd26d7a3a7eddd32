import fc from 'fast-check'
import { expect, it } from 'vitest'
import { textOf } from '../../src/core/text.ts'

const around = (bytes: Uint8Array) => Buffer.from([120, ...bytes, 121])

it('a text of any length and language is what its bytes say, and nothing beside them', () => {
  const texts = fc.oneof(fc.string({ maxLength: 40 }), fc.string({ unit: 'grapheme', maxLength: 20 }))
  fc.assert(
    fc.property(texts, (text) => {
      const bytes = Buffer.from(text)
      expect(textOf(around(bytes), 1, bytes.length + 1)).toBe(bytes.toString('utf8'))
    }),
  )
})

it('every unit of ASCII at every place of a short text is itself', () => {
  for (let length = 0; length <= 20; length++)
    for (let unit = 0; unit < 128; unit++) {
      const bytes = Buffer.from(Array.from({ length }, (_, i) => (unit + i) % 128))
      expect(textOf(around(bytes), 1, length + 1)).toBe(bytes.toString('latin1'))
    }
})

it('bytes that are no UTF-8 are told as such, also where they are few', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20 }), (bytes) => {
      expect(textOf(around(bytes), 1, bytes.length + 1)).toBe(Buffer.from(bytes).toString('utf8'))
    }),
  )
})
