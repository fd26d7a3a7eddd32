import { expect, it } from 'vitest'
import { RecordError } from '../../src/core/errors.ts'
import type { Event, InputRecord } from '../../src/core/model.ts'
import { Survey } from '../../src/engine/survey.ts'

const SKEW = 5
const timeOf = (event: Event) => event.at as number | null

/** A survey of events, each stamped with its place; null: a tombstone. `asked`: of which records the event was asked for. */
function survey(events: readonly (Event | RecordError | null)[]) {
  const asked: number[] = []
  const records = events.map((event, i) => ({ timestamp: i, value: event && Buffer.of(1) }) as InputRecord)
  const of = new Survey(records, (i) => {
    asked.push(i)
    return events[i] as Event | RecordError
  })
  return { of, asked }
}

it('knows the timestamps, and the event times that will do', () => {
  const wrong = new RecordError('record-malformed', 'no')
  const { of } = survey([{ at: 5 }, { at: 7 }, { at: null }, null, wrong, { at: Number.NaN }, { at: -1 }])
  expect([...of.stamps]).toEqual([0, 1, 2, 3, 4, 5, 6])
  expect([...of.timesBy(timeOf, SKEW)]).toEqual([5, Number.NaN, Number.NaN, Number.NaN, Number.NaN, Number.NaN, -1])
})

it('takes timestamps for the times of events that have none of their own', () => {
  expect([...survey([{}, null, {}]).of.timesBy(undefined, SKEW)]).toEqual([0, Number.NaN, 2])
})

it('looks at times, and at values of the same fields, once', () => {
  const { of, asked } = survey(Array<Event>(8).fill({ at: 1, city: 'A' }))
  of.timesBy(timeOf, SKEW)
  of.numbersBy(['city'])
  const before = asked.length
  of.timesBy(timeOf, SKEW)
  of.numbersBy(['city'])
  expect([before, asked.length]).toEqual([16, 16])
  of.timesBy(() => 2, SKEW)
  expect([...of.timesBy(() => 3, SKEW)]).toEqual(Array(8).fill(3))
})

it('numbers records by what a field is, also where there is none', () => {
  const values = ['A', 'B', 'A', null, undefined, true, 1, '1']
  const events = [...values, ...values, ...values, ...values].map((city) => ({ city }))
  const numbered = survey(events).of.numbersBy(['city'])
  expect([...(numbered?.of ?? [])].slice(0, 16)).toEqual([0, 1, 0, 2, 3, 4, 5, 6, 0, 1, 0, 2, 3, 4, 5, 6])
  expect(numbered?.count).toBe(7)
})

it('numbers records by several fields together, and all alike by none', () => {
  const events = [...'AABBAABB'].flatMap((a, i) => [
    { a, b: i % 2 },
    { a, b: i % 2 },
  ])
  const { of } = survey(events)
  expect([...(of.numbersBy(['a', 'b'])?.of ?? [])]).toEqual([0, 0, 1, 1, 2, 2, 3, 3, 0, 0, 1, 1, 2, 2, 3, 3])
  expect(of.numbersBy([])).toEqual({ of: new Uint32Array(16), count: 1 })
})

it.each([
  ['records and lists', { x: [] }],
  ['a zero below zero', { x: -0 }],
])('numbers nothing where there are %s', (_, event) => {
  expect(survey(Array<Event>(8).fill(event)).of.numbersBy(['x'])).toBe(undefined)
})

it('numbers nothing where hardly any value is met again', () => {
  const events = (count: number) => Array.from({ length: 16 }, (_, i) => ({ x: i % count }))
  expect(survey(events(4)).of.numbersBy(['x'])?.count).toBe(4)
  expect(survey(events(5)).of.numbersBy(['x'])).toBe(undefined)
})
