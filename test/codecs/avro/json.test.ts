import { expect, it } from 'vitest'
import { jsonEncoder } from '../../../src/codecs/avro/json.ts'
import { record, refusal } from './fixture.ts'

const timestamp = { type: 'long', logicalType: 'timestamp-millis' }
const schema = record([
  { name: 'id', type: 'string' },
  { name: 'at', type: ['null', timestamp], default: null },
  { name: 'price', type: { type: 'bytes', logicalType: 'decimal', precision: 9, scale: 2 }, default: '' },
  { name: 'tags', type: { type: 'map', values: 'double' }, default: {} },
  { name: 'next', type: ['null', 'R'], default: null },
  { name: 'kind', type: { type: 'enum', name: 'Kind', symbols: ['A', 'B'] }, default: 'B' },
])
const said = (value: Readonly<Record<string, unknown>>) => String(jsonEncoder(schema).encode(value))

it('says what the schema says: absent fields by their defaults, unknown ones not at all', () => {
  expect(said({ id: 'a"\u2028', at: 1_767_225_600_000, price: 12.5, colour: 'red' })).toBe(
    '{"id":"a\\"\u2028","at":1767225600000,"price":12.5,"tags":{},"next":null,"kind":"B"}',
  )
  expect(JSON.parse(said({ id: 'a', next: { id: 'b', tags: { x: 1 } }, kind: 'A' }))).toMatchObject({
    kind: 'A',
    next: { id: 'b', tags: { x: 1 } },
  })
})

it.each([
  ['a field that is missing', {}, 'id: it is missing; expected a text'],
  ['a number that JSON cannot say', { id: 'a', tags: { x: Number.NaN } }, 'tags["x"]: NaN is not a finite number'],
  ['a time that is none', { id: 'a', at: 1.5 }, 'at: 1.5 is not whole milliseconds'],
  ['no symbol of the enum', { id: 'a', kind: 'C' }, 'kind: "C" is not one of A, B'],
  ['more digits than the decimal may have', { id: 'a', price: Number.POSITIVE_INFINITY }, 'price: Infinity is not'],
  ['a fault inside', { id: 'a', next: { id: 7 } }, 'next.id: 7 is not a text'],
])('refuses %s', async (_, value, reason) => {
  const { code, message } = await refusal(() => said(value))
  expect({ code, message }).toEqual({ code: 'value-unfit', message: expect.stringContaining(reason) })
})

it('refuses what is nested without end', async () => {
  const round: Record<string, unknown> = { id: 'a' }
  round.next = round
  expect((await refusal(() => said(round))).message).toContain('is not at most 64 deep')
})
