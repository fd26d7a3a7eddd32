/** What a step computes, in memory: rows applied to the states of their keys, and what there is to say and to commit then. */
import type { Emission, Millis, Position, Reducer } from '../core/model.ts'
import type { DeadLetter } from './dead-letters.ts'
import { lateLetter } from './late.ts'
import type { Frame } from './shuffle.ts'

/** A frame whose rows from `from` on are new here; `clock`: the task's before it. */
export interface NewRows extends Pick<Frame, 'source' | 'rows' | 'reached'> {
  readonly from: number
  readonly clock: Millis
}

export interface Work<S> {
  readonly frames: readonly NewRows[]
  /** Of every key that has rows or is due. */
  readonly states: ReadonlyMap<string, S>
  /** Last position that touched each key; keys that are only due are absent. */
  readonly causes: ReadonlyMap<string, Position>
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
}

export function compute<S>(topology: string, reducer: Reducer<S>, work: Work<S>, clock: Millis): Computed {
  const computed = new Computed()
  for (const frame of work.frames) {
    const apply = rowTaker(topology, reducer, frame, computed)
    const { rows } = frame
    const states = rows.keys.map((key) => work.states.get(key))
    for (let row = frame.from; row < rows.length; row++) apply(states[rows.keyOf[row] as number] as S, row)
  }
  for (const [key, state] of work.states) evaluate(reducer, key, state, clock, work.causes.get(key), computed)
  return computed
}

/**
 * Applies the rows of one frame. Which rows came too late for what had closed is decided by the clock as the log gives it, not by
 * how it was read, so that rows that are applied again are judged as they were before.
 */
export function rowTaker<S>(
  topology: string,
  reducer: Reducer<S>,
  { source, rows, clock: before, reached }: NewRows,
  computed: Pick<Computed, 'late' | 'letters'>,
): (state: S, row: number) => void {
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
  }
}

/** The key's results as of the newer of its newest event and the clock; its bytes and its next timer. */
export function evaluate<S>(
  reducer: Reducer<S>,
  key: string,
  state: S,
  clock: Millis,
  cause: Position | undefined,
  computed: Computed,
): void {
  const { bytes, timers, emissions, spent } = computed
  reducer.expire(state, clock)
  const at = Math.max(reducer.newest(state), clock)
  const causeName = cause === undefined ? `t${clock}` : `p${cause}`
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
  emissions.push({ key, at, values: reducer.evaluate(state, at), cause: causeName })
}

export const segmentKey = (key: string, name: string): string => `${key}\0${name}`
