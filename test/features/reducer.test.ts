import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Aggregation, Column, FeatureSpec, Reducer, Rows, Slot } from '../../src/core/model.ts'
import { featureReducer } from '../../src/features/reducer.ts'
import { isNear, naiveResult, type OracleEvent } from '../../src/testing/oracle.ts'
import { aggregationNamed, declared } from '../aggregations/declared.ts'

const FORGET = 100
const ids = { lifecycle: 'id', opens: 'opens', closes: 'closes' }
const window = [
  await declared('count_10', 'window', { window: '10ms' }, 'count', { when: 'w' }),
  await declared('count_30', 'window', { window: '30ms' }, 'count', { when: 'w' }),
]
const mean = await declared('mean_20', 'window', { window: '20ms' }, 'mean', { of: 'v' })
const open = await declared('open', 'lifecycle', { ...ids, maxAge: '25ms' }, 'count', ids)
const last = await declared('last_sum', 'last', { last: 3 }, 'sum', { of: 'v', when: 'w' })
const total = await declared('total', 'lifetime', { lifetime: true }, 'count')
const passing = [...window, mean, open]
const staying = [last, total]
const aggregations = new Map<string, Aggregation>()
for (const name of ['window', 'lifecycle', 'last', 'lifetime']) aggregations.set(name, await aggregationNamed(name))

function slotsOf(features: readonly FeatureSpec[]): Slot[] {
  const byAggregation = Map.groupBy(features, ({ config }) =>
    Object.keys(config as object).find((key) => aggregations.has(key)),
  )
  return [...byAggregation].flatMap(([name, specs]) => (aggregations.get(name as string) as Aggregation).slots(specs))
}

function reducerOf(
  features: readonly FeatureSpec[],
  known: readonly string[] = [],
  defaults: (number | null)[] = [],
): Reducer {
  const order = features.map(({ name }) => name)
  return featureReducer(slotsOf(features), order, defaults, FORGET)(known)
}

function rowsOf(events: readonly OracleEvent[], without: readonly string[] = []): Rows {
  const column = (id: string): Column => {
    const values = events.map((event) => event.values[id])
    if (id === 'v') return Float64Array.from(values, (value) => (typeof value === 'number' ? value : Number.NaN))
    if (id === 'id') return values.map((value) => (typeof value === 'string' ? value : null))
    return Uint8Array.from(values, (value) => (value === true ? 1 : 0))
  }
  const names = ['v', 'w', 'id', 'opens', 'closes'].filter((id) => !without.includes(id))
  return {
    length: events.length,
    position: Float64Array.from(events, (_, i) => i),
    time: Float64Array.from(events, ({ time }) => time),
    tie: Float64Array.from(events, ({ tie }) => tie),
    keys: ['a'],
    keyOf: new Uint16Array(events.length),
    columns: new Map(names.map((id) => [id, column(id)])),
  }
}

const apply = <S>(reducer: Reducer<S>, state: S, events: readonly OracleEvent[], clock: number, without?: string[]) => {
  const rows = rowsOf(events, without)
  const one = reducer.apply(rows)
  for (let row = 0; row < rows.length; row++) one(state, row, clock)
}

/** Encodes into the store and decodes with that reducer, as the engine does. */
function moved<S, T>(reducer: Reducer<S>, state: S, store: Map<string, Uint8Array>, to: Reducer<T>): T {
  const { main, segments } = reducer.encode(state)
  for (const [name, bytes] of segments) {
    if (bytes) store.set(name, bytes)
    else store.delete(name)
  }
  const next = to.decode(main)
  if (to.isWhole(main)) expect(to.missing(next)).toEqual([])
  for (const name of to.missing(next)) to.attach(next, name, store.get(name) as Uint8Array)
  expect(to.missing(next)).toEqual([])
  return next
}

const event = fc.record({
  time: fc.nat(150),
  tie: fc.nat(2 ** 40),
  values: fc.record({
    v: fc.oneof(fc.integer({ min: -9, max: 9 }), fc.constant(null)),
    w: fc.boolean(),
    id: fc.constantFrom('a', 'b', 'c', null),
    opens: fc.boolean(),
    closes: fc.boolean(),
  }),
})
const unlike = (events: readonly OracleEvent[]) => events.map((each, i) => ({ ...each, tie: each.tie * 64 + i }))
const batch = fc.record({ events: fc.array(event, { maxLength: 5 }), clock: fc.nat(200), move: fc.boolean() })

describe('the feature reducer', () => {
  it('says what the naive reference says, whatever came when and wherever the state moved', () => {
    const features = [...staying, ...passing]
    fc.assert(
      fc.property(fc.array(batch, { maxLength: 12 }), (batches) => {
        const reducer = reducerOf(features)
        const store = new Map<string, Uint8Array>()
        const events: OracleEvent[] = []
        let state = reducer.create()
        let clock = Number.NEGATIVE_INFINITY
        for (const step of batches) {
          const given = step.events.map((each, i) => ({ ...each, tie: each.tie * 64 + events.length + i }))
          events.push(...given)
          apply(reducer, state, given, clock)
          clock = Math.max(clock, step.clock)
          reducer.expire(state, clock)
          if (step.move) state = moved(reducer, state, store, reducer)
          const now = Math.max(reducer.newest(state), clock)
          const found = reducer.evaluate(state, now)
          for (const [i, feature] of features.entries())
            expect(isNear(found[i] as number | null, naiveResult(feature, events, now), 1e3), feature.name).toBe(true)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('is due only in the future, changes nothing before, and is spent in the end when nothing stays for ever', () => {
    fc.assert(
      fc.property(fc.array(event, { minLength: 1, maxLength: 20 }).map(unlike), fc.nat(200), (events, start) => {
        const reducer = reducerOf(passing)
        const state = reducer.create()
        apply(reducer, state, events, Number.NEGATIVE_INFINITY)
        let clock = start
        for (let turns = 0; ; turns++) {
          expect(turns).toBeLessThan(100)
          reducer.expire(state, clock)
          if (reducer.isSpent(state, clock)) break
          const now = Math.max(clock, reducer.newest(state))
          const due = reducer.nextDue(state, now)
          expect(due).toBeGreaterThan(now)
          expect(due).toBeLessThan(Number.POSITIVE_INFINITY)
          expect(reducer.evaluate(state, due - 1)).toEqual(reducer.evaluate(state, now))
          clock = due
        }
        expect(clock).toBeGreaterThanOrEqual(Math.max(...events.map(({ time }) => time)) + FORGET)
      }),
      { numRuns: 500 },
    )
  })

  it('is never spent and at last never due while a feature remembers for ever', () => {
    const reducer = reducerOf(staying)
    const state = reducer.create()
    apply(reducer, state, [{ time: 5, tie: 1, values: { v: 1, w: true } }], 0)
    expect(reducer.isSpent(state, 1e12)).toBe(false)
    expect(reducer.nextDue(state, 1e12)).toBe(Number.POSITIVE_INFINITY)
  })

  it('forgets a key of which no feature took anything, once its newest event is old enough', () => {
    const reducer = reducerOf([last])
    const state = reducer.create()
    apply(reducer, state, [{ time: 50, tie: 1, values: { v: 1, w: false } }], 0)
    expect(reducer.newest(state)).toBe(50)
    expect(reducer.isSpent(state, 50 + FORGET - 1)).toBe(false)
    expect(reducer.nextDue(state, 60)).toBe(50 + FORGET)
    expect(reducer.isSpent(state, 50 + FORGET)).toBe(true)
  })

  it('says defaults for null, and only for null', () => {
    const reducer = reducerOf([mean, ...window], [], [7, 8, null])
    const state = reducer.create()
    expect(reducer.evaluate(state, 0)).toEqual([7, 0, 0])
    apply(reducer, state, [{ time: 5, tie: 1, values: { v: 0 } }], 0)
    expect(reducer.evaluate(state, 5)).toEqual([0, 0, 0])
    expect(reducerOf([mean]).evaluate(reducerOf([mean]).create(), 0)).toEqual([null])
  })

  it('takes rows of a writer that did not know all columns', () => {
    const reducer = reducerOf([total, last, mean])
    const state = reducer.create()
    apply(reducer, state, [{ time: 5, tie: 1, values: { v: 3, w: true } }], 0, ['w'])
    expect(reducer.evaluate(state, 5)).toEqual([1, 0, 3])
  })

  it('refuses a feature that no slot answers, and a key of another version', () => {
    expect(() => featureReducer(slotsOf([mean]), ['other'], [null])([])).toThrow(/no slot answers the feature other/)
    expect(() => reducerOf([mean]).decode(Uint8Array.of(9))).toThrow(/version 9/)
  })
})

describe('features that come and go', () => {
  const events = [1, 2, 3].map((time) => ({ time, tie: time, values: { v: time, w: true } }))

  it('keep what is remembered of the others, and begin fresh', () => {
    const before = reducerOf([last, mean])
    const after = reducerOf([total, mean, last], before.slots)
    expect(after.slots.slice(0, before.slots.length)).toEqual(before.slots)
    const state = before.create()
    apply(before, state, events, 0)
    const next = moved(before, state, new Map(), after)
    expect(after.evaluate(next, 3)).toEqual([0, 2, 6])
    apply(after, next, [{ time: 4, tie: 4, values: { v: 4, w: true } }], 0)
    expect(after.evaluate(next, 4)).toEqual([1, 2.5, 9])
  })

  it('leave their number behind: declared again they begin fresh', () => {
    const both = reducerOf([last, mean])
    const one = reducerOf([mean], both.slots)
    expect(one.slots).toEqual(both.slots)
    const state = both.create()
    apply(both, state, events, 0)
    const reduced = moved(both, state, new Map(), one)
    const again = reducerOf([last, mean], one.slots)
    expect(again.evaluate(moved(one, reduced, new Map(), again), 3)).toEqual([0, 2])
  })

  it('take their segments along when they go', () => {
    const store = new Map<string, Uint8Array>()
    const both = reducerOf([mean, total])
    let state = both.create()
    const many = Array.from({ length: 2_000 }, (_, i) => ({ time: 10, tie: i, values: { v: i } }))
    apply(both, state, many, 0)
    state = moved(both, state, store, both)
    expect(both.evaluate(state, 10)).toEqual([999.5, 2_000])
    expect(store.size).toBe(4)
    const one = reducerOf([total], both.slots)
    const reduced = moved(both, state, store, one)
    expect(store.size).toBe(4)
    moved(one, reduced, store, one)
    expect(store.size).toBe(0)
    expect(one.evaluate(reduced, 10)).toEqual([2_000])
  })

  it('do not take along segments that were gone before', () => {
    const store = new Map<string, Uint8Array>()
    const both = reducerOf([mean, total])
    let state = both.create()
    apply(
      both,
      state,
      Array.from({ length: 2_000 }, (_, i) => ({ time: 10, tie: i, values: { v: i } })),
      0,
    )
    state = moved(both, state, store, both)
    both.expire(state, 40)
    apply(both, state, [{ time: 50, tie: 1, values: { v: 3 } }], 40)
    state = moved(both, state, store, both)
    expect(store.size).toBe(0)
    const one = reducerOf([total], both.slots)
    expect(one.encode(moved(both, state, store, one)).segments).toEqual([])
  })
})
