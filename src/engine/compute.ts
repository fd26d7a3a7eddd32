/** What a step computes, in memory: rows applied to the states of their keys, and what there is to say and to commit then. */
import type { Emission, Millis, Reducer } from '../core/model.ts'
import type { DeadLetter } from './dead-letters.ts'
import { lateLetter } from './late.ts'
import type { NewRows, RowsByKey } from './rows-by-key.ts'

/** A row that caused something. */
export interface Cause {
  readonly frame: NewRows
  readonly row: number
}

export interface Work<S> {
  readonly rows: RowsByKey
  /** Of every key that has rows or is due; gone through once. */
  readonly states: Iterable<readonly [string, S]>
  /** Say a result after every row. */
  readonly each: boolean
}

export class Computed {
  readonly emissions: Emission[] = []
  /** What is to be committed of keys and their segments; null: to delete. */
  readonly bytes = new Map<string, Uint8Array | null>()
  readonly timers = new Map<string, Millis>()
  /** Keys of which nothing is left. */
  readonly spent: string[] = []
  readonly letters: DeadLetter[] = []
  /** Rows older than the clock. */
  late = 0
  /** As-of times of the keys that a row was said of. */
  readonly saidAt: Map<string, Millis>

  constructor(saidAt = new Map<string, Millis>()) {
    this.saidAt = saidAt
  }
}

/** Key by key, so that what a key has in memory comes into the processor's caches once, and not again for each of its rows. */
export function compute<S>(
  topology: string,
  reducer: Reducer<S>,
  { rows, states, each }: Work<S>,
  clock: Millis,
): Computed {
  const computed = new Computed()
  const { frames } = rows
  const takers = frames.map((frame) => rowTaker(topology, reducer, frame, computed))
  const order = rows.order()
  for (const [key, state] of states) {
    const number = rows.keys.get(key)
    let cause: Cause | undefined
    if (number !== undefined) {
      const last = (order.starts[number + 1] as number) - 1
      for (let i = order.starts[number] as number; i <= last; i++) {
        const frame = order.frame[i] as number
        const row = order.row[i] as number
        const reached = (takers[frame] as (typeof takers)[0])(state, row)
        if (each) sayRow(reducer, key, state, reached, { frame: frames[frame] as NewRows, row }, computed)
      }
      cause = { frame: frames[order.frame[last] as number] as NewRows, row: order.row[last] as number }
    }
    evaluate(reducer, key, state, clock, cause, computed)
  }
  return computed
}

/**
 * Applies the rows of one frame. Which rows came too late for what had closed is decided by the clock as the log gives it, not by
 * how it was read, so that rows that are applied again are judged as they were before. Answers that clock.
 */
export function rowTaker<S>(
  topology: string,
  reducer: Reducer<S>,
  { source, rows, clock: before, reached }: NewRows,
  computed: Pick<Computed, 'late' | 'letters'>,
): (state: S, row: number) => Millis {
  const apply = reducer.apply(rows)
  const lateFor = reducer.late?.(rows)
  return (state, row) => {
    const clock = reached ? Math.max(before, reached[row] as number) : before
    if ((rows.time[row] as number) < clock) {
      computed.late++
      const features = lateFor?.(row, clock) ?? []
      if (features.length > 0) computed.letters.push(lateLetter(topology, source, rows, row, features, clock))
    }
    apply(state, row, clock)
    return clock
  }
}

/**
 * What the key is after a row, as of the newer of its newest event and the clock as the log gives it: so a row that is applied again
 * is said again as it was.
 */
export function sayRow<S>(
  reducer: Reducer<S>,
  key: string,
  state: S,
  clock: Millis,
  cause: Cause,
  { emissions, saidAt }: Pick<Computed, 'emissions' | 'saidAt'>,
): void {
  reducer.expire(state, clock)
  const at = Math.max(reducer.newest(state), clock)
  emissions.push({ key, at, values: reducer.evaluate(state, at), cause: nameOf(cause) })
  saidAt.set(key, at)
}

function nameOf({ frame: { rows, at }, row }: Cause): string {
  return at === undefined ? `p${rows.position[row]}` : `p${at}.${row}`
}

/**
 * The key's results as of the newer of its newest event and the clock, unless they were said after its last row and nothing has changed
 * since; its bytes and its next timer.
 */
export function evaluate<S>(
  reducer: Reducer<S>,
  key: string,
  state: S,
  clock: Millis,
  cause: Cause | undefined,
  computed: Computed,
): void {
  const { bytes, timers, emissions, saidAt, spent } = computed
  const said = saidAt.get(key)
  const isSaid = said !== undefined && reducer.nextDue(state, said) > clock
  reducer.expire(state, clock)
  const at = Math.max(reducer.newest(state), clock)
  const causeName = `${cause ? nameOf(cause) : ''}${cause && said === undefined ? '' : `t${clock}`}`
  const { main, segments } = reducer.encode(state)
  for (const [name, part] of segments) bytes.set(segmentKey(key, name), part)
  if (reducer.isSpent(state, clock)) {
    bytes.set(key, null)
    timers.set(key, Number.POSITIVE_INFINITY)
    spent.push(key)
    emissions.push({ key, at, values: null, cause: causeName })
    return
  }
  bytes.set(key, main)
  timers.set(key, Math.max(reducer.nextDue(state, at), clock + 1))
  if (!isSaid) emissions.push({ key, at, values: reducer.evaluate(state, at), cause: causeName })
}

export const segmentKey = (key: string, name: string): string => `${key}\0${name}`
export const isSegment = (key: string): boolean => key.includes('\0')
