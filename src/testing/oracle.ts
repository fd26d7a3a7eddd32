/**
 * What features mean, written as plainly as possible: all events of a key as objects, filtered and sorted for every
 * answer. The fast accumulators are held to it. Sums are plain sums, so compare with `isNear`.
 */
import type { FeatureSpec, FeatureValue, Millis, Value } from '../core/model.ts'
import { NAIVE_OPERATORS, type Sample } from './naive-operators.ts'

/** An event as aggregations and their oracle are given it. */
export interface OracleEvent {
  readonly time: Millis
  /** Decides between events of one time: the higher is the newer. */
  readonly tie: number
  /** By column id; a column that is absent is null. */
  readonly values: Readonly<Record<string, boolean | number | string | null>>
  /** The task's clock when it came; -Infinity when left out. */
  readonly clock?: Millis
}
type Asked = Pick<FeatureSpec, 'config' | 'columns' | 'as' | 'settings'>

/**
 * The value of a feature as of `now`, over all events of the key so far; none of them may be later than `now`. `clock`:
 * the task's, which is not after `now`.
 */
export function naiveResult(
  feature: Asked,
  events: readonly OracleEvent[],
  now: Millis,
  clock: Millis = now,
): FeatureValue {
  const { when, of } = feature.columns
  const wanted = events.filter((event) => when === undefined || event.values[when] === true)
  const measured = measures(feature, wanted, now)
  const samples =
    measured ??
    remembered(feature, wanted, now, clock).flatMap((event) => {
      const value = valueIn(event, of)
      return value === null ? [] : [{ value, time: event.time, tie: event.tie }]
    })
  const operator = NAIVE_OPERATORS[feature.as]
  if (!operator) throw new RangeError(`the oracle knows no operator ${feature.as}`)
  const { window, tumbling = Number.NaN } = feature.config as { window?: Millis; tumbling?: Millis }
  return operator(samples, feature.settings, window ?? tumbling)
}

/** Seconds that things are open, or took; undefined where the feature measures nothing. */
function measures({ config, columns }: Asked, events: readonly OracleEvent[], now: Millis): Sample[] | undefined {
  const { measure, maxAge, every = 60_000 } = config as { measure?: string; maxAge: Millis; every?: Millis }
  const told = Math.floor(now / every) * every
  if (measure === 'age')
    return open(events, columns, now, maxAge).map((event) => ({
      ...event,
      value: Math.max(0, told - event.time) / 1_000,
    }))
  if (measure !== 'duration') return undefined
  const is = (event: OracleEvent, key: string) => event.values[columns[key] as string] === true
  const idOf = (event: OracleEvent) => event.values[columns.lifecycle as string]
  const ids = new Set(events.map(idOf).filter((id) => typeof id === 'string'))
  return [...ids].flatMap((id) => {
    const mine = events.filter((event) => idOf(event) === id).sort(byTime)
    const opened = mine.filter((event) => is(event, 'opens') && !is(event, 'closes')).at(-1)
    const closed = mine.filter((event) => is(event, 'closes')).at(-1)
    if (!opened || !closed || closed.time < opened.time) return []
    const took = closed.time - opened.time
    return closed.time > now - maxAge && took < maxAge ? [{ ...closed, value: took / 1_000 }] : []
  })
}

function remembered(
  { config, columns }: Asked,
  events: readonly OracleEvent[],
  now: Millis,
  clock: Millis,
): readonly OracleEvent[] {
  const setting = config as {
    last?: number
    window?: Millis
    lifecycle?: unknown
    maxAge?: Millis
    tumbling?: Millis
    resolution?: Millis
  }
  if (setting.last !== undefined) {
    const valued = events.filter((event) => valueIn(event, columns.of) !== null)
    return valued.sort(byTime).slice(-setting.last)
  }
  if (setting.window !== undefined) return inWindow(events, now, setting.window, setting.resolution)
  if (setting.tumbling !== undefined) return inLastClosed(events, clock, setting as Tumbling)
  if (setting.lifecycle !== undefined) return open(events, columns, now, setting.maxAge as Millis)
  return events
}

/** With a resolution, the window begins with the stretch that its first millisecond is in. */
function inWindow(events: readonly OracleEvent[], now: Millis, length: Millis, resolution: Millis = 1) {
  const first = Math.floor((now - length + 1) / resolution) * resolution
  return events.filter(({ time }) => time >= first && time <= now)
}

function within(events: readonly OracleEvent[], now: Millis, length: Millis): OracleEvent[] {
  return events.filter(({ time }) => time > now - length && time <= now)
}

interface Tumbling {
  readonly tumbling: Millis
  readonly offset?: Millis
  readonly allowance?: Millis
}

/** Events of the newest window that ended at or before the clock, but for those that came after the allowance. */
function inLastClosed(
  events: readonly OracleEvent[],
  clock: Millis,
  { tumbling, offset = 0, allowance = 0 }: Tumbling,
) {
  const startOf = (time: Millis) => Math.floor((time - offset) / tumbling) * tumbling + offset
  return events.filter(({ time, clock: came = Number.NEGATIVE_INFINITY }) => {
    const end = startOf(time) + tumbling
    return end === startOf(clock) && came < end + allowance
  })
}

/** Opening events of the ids that are open. */
function open(events: readonly OracleEvent[], columns: FeatureSpec['columns'], now: Millis, maxAge: Millis) {
  const has = (event: OracleEvent, key: string) => event.values[columns[key] as string] === true
  const about = events.filter((event) => has(event, 'opens') || has(event, 'closes'))
  const ids = new Set(about.map((event) => event.values[columns.lifecycle as string]))
  const newest = [...ids].map((id) => {
    const own = about.filter((event) => event.values[columns.lifecycle as string] === id)
    const lastTime = Math.max(...own.map(({ time }) => time))
    const last = own.filter(({ time }) => time === lastTime)
    return typeof id === 'string' && last.every((event) => !has(event, 'closes')) ? last.sort(byTime).at(-1) : undefined
  })
  return within(
    newest.filter((event) => event !== undefined),
    now,
    maxAge,
  )
}

function valueIn(event: OracleEvent, of: string | undefined): Value | null {
  if (of === undefined) return 1
  const value = event.values[of]
  return typeof value === 'string' || (typeof value === 'number' && Number.isFinite(value)) ? value : null
}

function byTime(a: Pick<OracleEvent, 'time' | 'tie'>, b: Pick<OracleEvent, 'time' | 'tie'>): number {
  return a.time - b.time || a.tie - b.tie
}

/** Equal up to 1e-9 of `magnitude`, which is that of what was added up (squares for a variance); of lists each item. */
export function isNear(actual: FeatureValue, expected: FeatureValue, magnitude: number): boolean {
  if (Array.isArray(actual) && Array.isArray(expected))
    return actual.length === expected.length && actual.every((item, i) => isNear(item, expected[i], magnitude))
  if (typeof actual !== 'number' || typeof expected !== 'number') return actual === expected
  return actual === expected || Math.abs(actual - expected) <= 1e-9 * magnitude
}
