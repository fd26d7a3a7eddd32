/** Reads a topic beside all groups, for somebody who looks at it: nothing is committed, nobody's reading is disturbed. */
import type { WallClock } from '../core/clock.ts'
import { MillraceError } from '../core/errors.ts'
import type { InputRecord, Millis, Partition, Position, Transport } from '../core/model.ts'

export interface TailOptions {
  readonly transport: Pick<Transport, 'topics' | 'ranges' | 'positionAt' | 'read'>
  readonly topic: string
  readonly from: 'earliest' | 'latest' | Millis
  /** Goes on at the ends of the log, until the signal; otherwise it ends where the log ended when it began. */
  readonly follow: boolean
  readonly clock: WallClock
  readonly signal: AbortSignal
}

/** At the end of the log, it looks again after this. */
const LOOK_EVERY: Millis = 200

export interface TailRecord extends Partition {
  readonly record: InputRecord
}

interface Reading extends Partition {
  position: Position
  /** Where the log ended; undefined: go on for ever. */
  readonly end: Position | undefined
  waiting: InputRecord[]
}

/**
 * Records of all partitions: each partition in its order, the oldest of what is there first. What retention removes meanwhile
 * is passed over. Throws `topic-missing`, and what the transport throws.
 */
export async function* tail(options: TailOptions): AsyncGenerator<TailRecord> {
  const { follow, clock, signal } = options
  const partitions = await begin(options)
  while (!signal.aborted) {
    for (const partition of partitions) if (partition.waiting.length === 0) await fill(partition, options)
    const next = oldest(partitions)
    if (next) {
      yield { topic: next.topic, partition: next.partition, record: next.waiting.shift() as InputRecord }
    } else if (follow) await clock.wait(LOOK_EVERY, signal)
    else if (partitions.every(({ position, end = 0 }) => position >= end)) return
  }
}

async function begin({ transport, topic, from, follow }: TailOptions): Promise<Reading[]> {
  if (!(await transport.topics([topic])).has(topic))
    throw new MillraceError('topic-missing', `there is no topic '${topic}'`)
  const ranges = await transport.ranges(topic)
  return Promise.all(
    ranges.map(async ({ start, end }, partition) => {
      const at = { topic, partition }
      const position = from === 'earliest' ? start : from === 'latest' ? end : await transport.positionAt(at, from)
      return { ...at, position, end: follow ? undefined : end, waiting: [] }
    }),
  )
}

async function fill(reading: Reading, { transport }: TailOptions): Promise<void> {
  const { topic, partition, end = Number.POSITIVE_INFINITY } = reading
  if (reading.position >= end) return
  try {
    const batch = await transport.read({ topic, partition }, reading.position)
    reading.waiting = batch.records.filter(({ position }) => position < end)
    reading.position = batch.next
  } catch (error) {
    if (!(error instanceof MillraceError) || error.code !== 'position-outside-log') throw error
    const range = (await transport.ranges(topic))[partition]
    if (range === undefined || range.start <= reading.position) throw error
    reading.position = range.start
  }
}

function oldest(partitions: readonly Reading[]): Reading | undefined {
  let found: Reading | undefined
  for (const each of partitions) {
    const [first] = each.waiting
    if (first && (!found || first.timestamp < (found.waiting[0] as InputRecord).timestamp)) found = each
  }
  return found
}
