/** Where in its log a task goes on, or begins. */
import { ClearStop } from '../core/errors.ts'
import type { Flow, OpenState, Partition, Position, Range } from '../core/model.ts'
import type { Patience, TaskContext } from './task.ts'

/** What a partition holds. */
export async function rangeOf(
  { topic, partition }: Partition,
  patiently: Patience,
  { transport }: Pick<TaskContext, 'transport'>,
): Promise<Range> {
  const range = (await patiently('asking for the log', () => transport.ranges(topic)))[partition]
  if (!range) throw new ClearStop('topic-missing', `partition ${partition} of ${topic} is gone`)
  return range
}

/** Checks a position against what the log holds; a task without one begins at `first`. */
export async function placeIn(
  place: Partition,
  { position }: Pick<OpenState, 'position'>,
  patiently: Patience,
  context: Pick<TaskContext, 'transport' | 'wasLost'>,
  first: (range: Range) => Promise<Position>,
): Promise<Position> {
  const { topic, partition } = place
  const range = await rangeOf(place, patiently, context)
  if (position === undefined) {
    if (await patiently('asking the group', () => context.wasLost(topic, partition)))
      throw new ClearStop('position-lost', `the group has a position in ${topic}/${partition}, the state has none`)
    return first(range)
  }
  if (position < range.start || position > range.end) {
    const message = `${topic}/${partition} holds ${range.start} to ${range.end}, the position is ${position}`
    throw new ClearStop('position-outside-log', message)
  }
  return position
}

/** The position that `start` means. */
export async function beginning(
  partition: Partition,
  start: Flow['start'],
  range: Range,
  patiently: Patience,
  { transport }: Pick<TaskContext, 'transport'>,
): Promise<Position> {
  if (start === 'earliest') return range.start
  if (start === 'latest') return range.end
  return patiently('looking for the start', () => transport.positionAt(partition, start))
}
