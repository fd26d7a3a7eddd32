import { messageOf } from '../core/errors.ts'
import type { Millis, Partition, Position, Range } from '../core/model.ts'
import type { TaskContext } from './task.ts'

/** How long nothing has come in a partition, as far as its log can be asked: not being able to ask is not silence. */
export class Silence {
  /** Why the log could not be asked the last time; undefined when it could. */
  trouble: string | undefined
  private since: Millis | undefined
  private readonly partition: Partition
  private readonly context: Pick<TaskContext, 'ends' | 'settings' | 'log'>

  constructor(partition: Partition, context: Pick<TaskContext, 'ends' | 'settings' | 'log'>) {
    this.partition = partition
    this.context = context
  }

  /** Records came, or the task is opened. */
  end(): void {
    this.since = undefined
    this.trouble = undefined
  }

  /**
   * Monotonic time up to which nothing came behind `position`, and whether that has lasted for `settings.idle`. Undefined where
   * something did, or the log can't be asked. `look` sees what the log answered, first.
   */
  async after(
    position: Position,
    look?: (ranges: readonly Pick<Range, 'end'>[]) => void,
  ): Promise<{ readonly at: Millis; readonly isLong: boolean } | undefined> {
    const { topic, partition } = this.partition
    const { ends, settings, log } = this.context
    const attested = await ends(topic).catch((error: unknown) => {
      this.trouble = `asking for the end of ${topic}: ${messageOf(error)}`
      log.warn({ topic, partition, position, reason: this.trouble }, 'silence cannot be told')
    })
    if (!attested) {
      this.since = undefined
      return undefined
    }
    this.trouble = undefined
    look?.(attested.ranges)
    if (position < (attested.ranges[partition]?.end ?? Number.POSITIVE_INFINITY)) {
      this.since = undefined
      return undefined
    }
    this.since ??= attested.at
    return { at: attested.at, isLong: attested.at - this.since >= settings.idle }
  }
}
