import type { Millis } from '../core/model.ts'

/** What runs in a worker, as counted last. */
export interface Load {
  readonly tasks: number
  /** Targets of all mappers: what one round of telling the time takes in frames. */
  readonly targets: number
}

const TOLD_PER_SECOND = 2_000
const COMMITTED_PER_SECOND = 500

/**
 * What costs the same whether anything has happened or not is done as often as it is due, but by all tasks of a worker together only
 * so often: a worker of a hundred topologies would do little else. Here: frames without rows, which say the time.
 */
export const toldEvery = (due: Millis, { targets }: Load): Millis => Math.max(due, (targets * 1_000) / TOLD_PER_SECOND)

/** The same of commits that change no key. */
export const committedEvery = (due: Millis, { tasks }: Load): Millis =>
  Math.max(due, (tasks * 1_000) / COMMITTED_PER_SECOND)
