import { expect, it } from 'vitest'
import { Fenced, messageOf, only, RecordError } from '../../src/core/errors.ts'

it('an error is taken only where it is of the class that is meant: another is thrown on as it was', () => {
  const refused = new RecordError('record-malformed', 'no Avro')
  expect(only(RecordError, refused)).toBe(refused)
  for (const other of [new Fenced(), new TypeError('a bug'), 'a text'])
    expect(
      (() => {
        try {
          return only(RecordError, other)
        } catch (error) {
          return { thrown: error }
        }
      })(),
    ).toEqual({ thrown: other })
})

it('what was thrown says something, error or not', () => {
  expect([new Error('why'), 'why', null, 7].map(messageOf)).toEqual(['why', 'why', 'null', '7'])
})
