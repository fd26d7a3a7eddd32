import type { Millis } from '../core/model.ts'

/** What runs in a worker, as counted last. */
export interface Load {
  readonly tasks: number
  /** Targets of all mappers: what one round of telling the time takes in frames. */
  readonly targets: number
}

const FRAMES_PER_SECOND = 2_000
const COMMITS_PER_SECOND = 500
/** However many there are: windows of silent entities fall, and mappers begin again, that late at most. */
const LONGEST: Millis = 5_000

/**
 * What costs the same whether anything has happened or not is done as often as it is due, but by all tasks of a worker together only
 * so often: a worker of a hundred topologies would do little else. Here: frames without rows, which say the time.
 */
export const watermarkInterval = (due: Millis, { targets }: Load): Millis =>
  Math.max(due, Math.min(LONGEST, (targets * 1_000) / FRAMES_PER_SECOND))

/** The same of commits that change no key: how far mappers have come, and clocks. */
export const commitInterval = (due: Millis, { tasks }: Load): Millis =>
  Math.max(due, Math.min(LONGEST, (tasks * 1_000) / COMMITS_PER_SECOND))

/** The next of the moments, each `every` apart, that all tasks of a worker have in common, so that what they write then goes out together. */
export const nextRound = (after: Millis, every: Millis): Millis => (Math.floor(after / every) + 1) * every
