import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Operator, Slot } from '../../src/core/model.ts'
import { aggregationChecks } from '../../src/testing/aggregation.ts'
import { NAIVE_OPERATORS, type Naive } from '../../src/testing/naive-operators.ts'
import { operatorChecks } from '../../src/testing/operator.ts'
import { naiveResult } from '../../src/testing/oracle.ts'
import { aggregationNamed, declared, operatorNamed } from '../aggregations/declared.ts'

// the same inputs in every run: which check finds a fault first depends on them
fc.configureGlobal({ seed: 1 })

const failing = (checks: ReturnType<typeof operatorChecks>) =>
  checks.flatMap(({ title, run }) => {
    try {
      run()
      return []
    } catch {
      return [title]
    }
  })

const mean = await operatorNamed('mean')
const NAIVE_MEAN = NAIVE_OPERATORS.mean as Naive

it.each<[string, Partial<Operator<{ n: number }>>, RegExp]>([
  ['another result', { result: () => 5 }, /naive reference/],
  [
    'an order that matters',
    { add: (acc, value, time, tie) => acc.n < 2 && mean.add(acc, value, time, tie) },
    /any order/,
  ],
  ['bytes that leave something out', { decode: () => mean.create() as { n: number } }, /from its bytes/],
  ['a merge that changes what it merges from', { merge: (into, from) => mean.merge(from, into) }, /leaves alone/],
])('of an operator: %s', (_, fault, title) => {
  const found = failing(operatorChecks({ operator: { ...mean, ...fault } as Operator, naive: NAIVE_MEAN }))
  expect(found.join('\n')).toMatch(title)
})

it('finds nothing wrong with an operator that is right', () => {
  expect(failing(operatorChecks({ operator: mean, naive: NAIVE_MEAN }))).toEqual([])
})

const tumbling = await aggregationNamed<unknown>('tumbling')
const window = await aggregationNamed<unknown>('window')
const WINDOWS = [await declared('f', 'window', { window: '20ms' }, 'sum', { of: 'v' })]
const TUMBLING = [await declared('f', 'tumbling', { tumbling: '20ms' }, 'sum', { of: 'v' })]

/** The aggregation with slots that differ in something. */
const faulty = (aggregation: typeof window, fault: (slot: Slot) => Partial<Slot>) => ({
  ...aggregation,
  slots: (...given: Parameters<typeof window.slots>) =>
    aggregation.slots(...given).map((slot) => Object.assign(Object.create(slot) as Slot, fault(slot))),
})
const foundIn = (features: typeof WINDOWS, aggregation: typeof window) =>
  failing(aggregationChecks({ aggregation, features, naive: naiveResult, span: 80 })).join('\n')

it.each<[string, (slot: Slot) => Partial<Slot>, RegExp]>([
  ['a change that is not announced', () => ({ nextExpiry: () => Number.POSITIVE_INFINITY }), /before it said so/],
  ['a timer in the past', () => ({ nextExpiry: (_, now) => now - 100 }), /for a time still to come/],
  ['a timer that never ends', () => ({ nextExpiry: (_, now) => now + 1 }), /comes to an end/],
  ['too much forgotten', (slot) => ({ expire: (acc, clock) => slot.expire(acc, clock + 5) }), /naive reference/],
  [
    'what came late counted otherwise',
    (slot) => ({
      add: (acc, columns, row, time, tie, clock) => time >= clock && slot.add(acc, columns, row, time, tie, clock),
    }),
    /naive reference/,
  ],
  [
    'bytes that leave something out',
    (slot) => ({
      decode: (from) => {
        slot.decode(from)
        return slot.create()
      },
    }),
    /naive reference/,
  ],
  ['emptiness that is not', () => ({ isEmpty: () => true }), /empty/],
  ['slots of one id', () => ({ id: 'x', features: [] }), /exactly one slot/],
])('of an aggregation: %s', (_, fault, title) => {
  expect(foundIn(WINDOWS, faulty(window, fault))).toMatch(title)
})

it.each<[string, (slot: Slot) => Partial<Slot>, RegExp]>([
  [
    'an event called late that counts',
    (slot) => ({
      isLate: () => true,
      add: (acc, columns, row, time, tie) => slot.add(acc, columns, row, time, tie, Number.NEGATIVE_INFINITY),
    }),
    /naive reference/,
  ],
  ['a closing that is not announced', () => ({ nextExpiry: () => Number.POSITIVE_INFINITY }), /before it said so/],
])('of one that closes: %s', (_, fault, title) => {
  expect(foundIn(TUMBLING, faulty(tumbling, fault))).toMatch(title)
})

it('finds nothing wrong with aggregations that are right', () => {
  expect(foundIn(WINDOWS, window)).toBe('')
  expect(foundIn(TUMBLING, tumbling)).toBe('')
})
