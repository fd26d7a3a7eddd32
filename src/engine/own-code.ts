import type { WallClock } from '../core/clock.ts'
import { ClearStop, MillraceError, only, RecordError } from '../core/errors.ts'
import { guarded } from '../core/guard.ts'
import type { Millis, OwnCode, TaskId } from '../core/model.ts'

/** So many calls without an answer within this time stop the task: each of them holds up the whole worker. */
const MOST_TIMEOUTS = 10
const TIMEOUTS_WITHIN: Millis = 60_000

export type Attempt<T> = { readonly answer: T } | { readonly failure: RecordError }

/** Calls into code of one's own that takes part in a task. */
export class OwnCalls {
  readonly own: OwnCode
  private readonly task: TaskId
  readonly clock: WallClock
  /** When calls gave no answer, lately. */
  private timeouts: readonly Millis[] = []

  constructor(own: OwnCode, task: TaskId, clock: WallClock) {
    this.own = own
    this.task = task
    this.clock = clock
  }

  /** What the call answers within `limit`, or how it failed. Throws a clear stop when calls fail to answer too often. */
  attempt<T>(call: () => T, limit = this.own.timeout): Attempt<T> {
    try {
      return { answer: guarded(limit, call) }
    } catch (error) {
      const failure = only(RecordError, error)
      if (failure.code === 'part-timeout') this.timedOut()
      return { failure }
    }
  }

  /**
   * For calls that no event can be blamed for: a failure is a clear stop. One without an answer may be a machine that stood still: the
   * task opens again, until there were too many.
   */
  demand<T>(call: () => T): T {
    const result = this.attempt(call)
    if ('answer' in result) return result.answer
    const { code, message } = result.failure
    const Kind = code === 'part-timeout' ? MillraceError : ClearStop
    throw new Kind(code, `${this.task}: ${message}`)
  }

  private timedOut(): void {
    const now = this.clock.monotonic()
    this.timeouts = [...this.timeouts.filter((at) => at > now - TIMEOUTS_WITHIN), now]
    if (this.timeouts.length >= MOST_TIMEOUTS)
      throw new ClearStop('part-timeout', `${this.task}: ${MOST_TIMEOUTS} calls within a minute gave no answer`)
  }
}
