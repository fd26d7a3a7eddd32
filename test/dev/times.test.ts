import { expect, it } from 'vitest'
import { topicType } from '../../src/core/schema.ts'
import { withTimes } from '../../src/dev/times.ts'

const timestamp = (unit: string) => ({ type: 'long', logicalType: `timestamp-${unit}` })
const type = topicType({
  type: 'record',
  name: 'V',
  fields: [
    { name: 'at', type: timestamp('millis') },
    { name: 'exact', type: ['null', timestamp('micros')], default: null },
    { name: 'note', type: ['null', 'string'], default: null },
    {
      name: 'inner',
      type: ['null', { type: 'record', name: 'I', fields: [{ name: 'at', type: timestamp('millis') }] }],
      default: null,
    },
  ],
})
const AT = Date.UTC(2026, 2, 1, 13, 40)

it('takes ISO 8601 texts of timestamp fields for milliseconds, and leaves the rest', () => {
  const note = '2026-03-01T13:40:00Z'
  expect(withTimes({ at: '2026-03-01T14:40:00+01:00', exact: '2026-03-01T13:40:00.125Z', note }, type)).toEqual({
    at: AT,
    exact: AT + 125,
    note,
  })
  expect(withTimes({ at: '2026-03-01', exact: null, inner: { at: note } }, type)).toEqual({
    at: Date.UTC(2026, 2, 1),
    exact: null,
    inner: { at: AT },
  })
  expect(withTimes({ at: AT, more: 1 }, type)).toEqual({ at: AT, more: 1 })
})

it.each([
  [{ at: 'yesterday' }, 'at: expected milliseconds since 1970 or an ISO 8601 time; found "yesterday"'],
  [
    { at: '2026-03-01T13:40:00' },
    'at: expected milliseconds since 1970 or an ISO 8601 time; found "2026-03-01T13:40:00"',
  ],
  [{ at: '2026-13-01' }, 'at: expected milliseconds since 1970 or an ISO 8601 time; found "2026-13-01"'],
  [{ at: 1.5 }, 'at: expected milliseconds since 1970 or an ISO 8601 time; found 1.5'],
  [{ at: null }, 'at: expected milliseconds since 1970 or an ISO 8601 time; found null'],
  [{}, 'at is missing'],
  [{ at: AT, inner: {} }, 'inner.at is missing'],
])('says what is wrong with %j', (event, said) => {
  expect(() => withTimes(event, type)).toThrow(said)
})
