import fc from 'fast-check'
import { expect, it } from 'vitest'
import { entityId, entityParts, hashOf, idFault, MOST_ID_BYTES, murmur2 } from '../../src/core/key.ts'

it('an id has the parts it was made of, and no other parts make the same', () => {
  const part = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom('a', ':', '%', '%3A', '%25') }))
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 3 }), (parts) => {
      expect(entityParts(entityId(parts), parts.length)).toEqual(parts)
    }),
  )
})

it('one part stays as it is', () => {
  expect(entityId(['50%:50'])).toBe('50%:50')
  expect(entityParts('50%3A50', 1)).toEqual(['50%3A50'])
})

it('an id is at most so long in UTF-8, and holds no NUL', () => {
  expect(idFault('a'.repeat(MOST_ID_BYTES))).toBeUndefined()
  expect(idFault('é'.repeat(MOST_ID_BYTES / 2))).toBeUndefined()
  expect(idFault(`é${'é'.repeat(MOST_ID_BYTES / 2)}`)).toMatch(/longer than/)
  expect(idFault('a\0b')).toMatch(/NUL/)
})

it('the hash of a text is that of its UTF-8', () => {
  const ascii = fc.string({ unit: 'binary-ascii' })
  fc.assert(
    fc.property(fc.oneof(ascii, fc.string({ unit: 'binary' })), (text) => {
      expect(hashOf(text)).toBe(murmur2(Buffer.from(text)) & 0x7fffffff)
    }),
  )
})
