import { expect, it } from 'vitest'
import type { Millis, Reducer, Rows } from '../../src/core/model.ts'
import { Computed, compute, evaluate } from '../../src/engine/compute.ts'
import { type NewRows, RowsByKey } from '../../src/engine/rows-by-key.ts'
import { WINDOW, windowReducer } from './world.ts'

type State = ReturnType<ReturnType<typeof windowReducer>['create']>
type Row = readonly [key: string, time: Millis]

const START = 1_000_000

/** Rows of records at 10, 11 … */
function rowsOf(rows: readonly Row[]): Rows {
  const keys = [...new Set(rows.map(([key]) => key))]
  return {
    length: rows.length,
    keys,
    keyOf: Uint16Array.from(rows, ([key]) => keys.indexOf(key)),
    position: Float64Array.from(rows, (_, i) => 10 + i),
    time: Float64Array.from(rows, ([, time]) => time),
    tie: new Float64Array(rows.length),
    columns: new Map([['value', Float64Array.from(rows, () => 1)]]),
  }
}

const source = { topic: 'orders', partition: 0, incarnation: 'a' }
const frameOf = (rows: readonly Row[], more: Partial<NewRows> = {}): NewRows => {
  return { source, from: 0, clock: START, rows: rowsOf(rows), ...more }
}

interface Step {
  readonly frames: readonly NewRows[]
  readonly clock?: Millis
  readonly each?: boolean
  readonly changes?: Partial<Reducer<State>>
}

/** Of keys that had no event before. */
function computed({ frames, clock = START, each = false, changes = {} }: Step): Computed {
  const reducer = { ...(windowReducer([]) as unknown as Reducer<State>), ...changes }
  const rows = new RowsByKey()
  for (const frame of frames) rows.add(frame)
  const states = new Map([...rows.keys.keys()].map((key) => [key, reducer.create()]))
  return compute('load', reducer, { rows, states, each }, clock)
}

const said = ({ emissions }: Computed) => emissions.map(({ key, at, values, cause }) => [key, at, values?.[0], cause])

it('of several rows of a key in one step the value after the last is said, by the name of the last', () => {
  const frames = [
    frameOf([
      ['a', START + 1],
      ['b', START + 2],
      ['a', START + 3],
    ]),
    frameOf([['b', START + 4]], { at: 7 }),
  ]
  expect(said(computed({ frames }))).toEqual([
    ['a', START + 3, 2, 'p12'],
    ['b', START + 4, 2, 'p7.0'],
  ])
})

it('where each is said, a row is named by its record or its place in the frame, and nothing is said twice', () => {
  const rows: Row[] = [
    ['a', START + 1],
    ['a', START + 3],
  ]
  expect(said(computed({ frames: [frameOf(rows), frameOf(rows, { at: 7 })], each: true }))).toEqual([
    ['a', START + 1, 1, 'p10'],
    ['a', START + 3, 2, 'p11'],
    ['a', START + 3, 3, 'p7.0'],
    ['a', START + 3, 4, 'p7.1'],
  ])
})

it('a result that was said of a row is said again once the clock has reached where it changes, as of then', () => {
  const say = (clock: Millis) => said(computed({ frames: [frameOf([['a', START]])], each: true, clock }))
  const ofRow = ['a', START, 1, 'p10']
  expect(say(START + WINDOW - 1)).toEqual([ofRow])
  expect(say(START + WINDOW)).toEqual([ofRow, ['a', START + WINDOW, 0, `p10t${START + WINDOW}`]])
})

it('a key that is due with no row is said as of the clock, by its name alone', () => {
  const reducer = windowReducer([]) as unknown as Reducer<State>
  const state = reducer.create()
  reducer.apply(rowsOf([['a', START]]))(state, 0, START)
  const found = new Computed()
  evaluate(reducer, 'a', state, START + WINDOW, undefined, found)
  expect(said(found)).toEqual([['a', START + WINDOW, 0, `t${START + WINDOW}`]])
})

it('what no longer matters is dropped before a row is said, and before bytes are made', () => {
  const held: number[] = []
  const reducer = windowReducer([]) as unknown as Reducer<State>
  const changes: Partial<Reducer<State>> = {
    evaluate: ({ window }) => [window.length],
    encode: (state) => {
      held.push(state.window.length)
      return reducer.encode(state)
    },
  }
  const rows: Row[] = [
    ['a', START],
    ['a', START + WINDOW],
  ]
  const frame = frameOf(rows, { reached: Float64Array.from(rows, ([, time]) => time) })
  expect(said(computed({ frames: [frame], each: true, clock: START + WINDOW, changes }))).toEqual([
    ['a', START, 1, 'p10'],
    ['a', START + WINDOW, 1, 'p11'],
  ])
  computed({ frames: [frame], clock: START + 2 * WINDOW, changes })
  expect(held).toEqual([1, 0])
})

it('rows older than the clock, as the log has it at that row, are late; those that come too late for a feature are letters', () => {
  const rows: Row[] = [
    ['a', START - 1],
    ['a', START],
    ['a', START + 5],
    ['a', START + 4],
    ['b', START + 3],
  ]
  const clocks: Millis[] = []
  const late: NonNullable<Reducer['late']> = () => (row, clock) => {
    clocks.push(clock)
    return row === 3 ? ['hourly'] : []
  }
  const reached = Float64Array.from([START - 1, START, START + 5, START + 5, START + 5])
  const found = computed({ frames: [frameOf(rows, { reached })], changes: { late } })
  expect([found.late, clocks]).toEqual([3, [START, START + 5, START + 5]])
  expect(found.letters.map(({ name, topology }) => [name, topology])).toEqual([['late/13.0/a', 'load']])
  expect(computed({ frames: [frameOf(rows)], changes: { late } }).late).toBe(1)
  const without = computed({ frames: [frameOf(rows)] })
  expect([without.late, without.letters]).toEqual([1, []])
})

it('a key is due again when its result changes, and never at a time that the clock has reached', () => {
  const frames = [frameOf([['a', START]])]
  expect(computed({ frames }).timers).toEqual(new Map([['a', START + WINDOW]]))
  expect(computed({ frames, changes: { nextDue: () => START } }).timers).toEqual(new Map([['a', START + 1]]))
  const never = computed({ frames, changes: { nextDue: () => Number.POSITIVE_INFINITY } })
  expect(never.timers).toEqual(new Map([['a', Number.POSITIVE_INFINITY]]))
})

it('a key of which nothing is left has no bytes, no timer and no value, and its parts are deleted as it says', () => {
  const main = Buffer.from('main')
  const part = Buffer.from('part')
  const encode = () => ({
    main,
    segments: [
      ['1', part],
      ['2', null],
    ] as const,
  })
  const segments = [
    ['a\u{0}1', part],
    ['a\u{0}2', null],
  ]
  const frames = [frameOf([['a', START]])]
  const kept = computed({ frames, changes: { encode } })
  expect([[...kept.bytes], kept.spent]).toEqual([[...segments, ['a', main]], []])
  const spent = computed({ frames, changes: { encode, isSpent: () => true } })
  expect([[...spent.bytes], spent.spent]).toEqual([[...segments, ['a', null]], ['a']])
  expect(spent.timers).toEqual(new Map([['a', Number.POSITIVE_INFINITY]]))
  expect(spent.emissions).toEqual([{ key: 'a', at: START, values: null, cause: 'p10' }])
})
