import { expect, it } from 'vitest'
import { type StoredPart, StoredParts } from '../../src/core/segments.ts'

it('what was left by a part that could not be encoded is in no other', () => {
  const part = (): StoredPart => ({ name: 1, changed: true })
  const failing = () =>
    new StoredParts().changes([part()], (_, to) => {
      to.varint(7)
      throw new TypeError('own code failed')
    })
  expect(failing).toThrow('own code failed')
  expect(new StoredParts().changes([part()], (_, to) => to.byte(3))).toEqual([['1', Buffer.of(3)]])
})
