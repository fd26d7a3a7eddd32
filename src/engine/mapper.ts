/**
 * Record → event → row: what mappers and tasks that read their source directly have in common. The rows are a function
 * of the records alone.
 */
import { ClearStop, messageOf, RecordError } from '../core/errors.ts'
import { hash53 } from '../core/key.ts'
import type { Event, FeatureFlow, FlowSource, InputRecord, Millis, Position } from '../core/model.ts'
import type { DeadLetter } from './dead-letters.ts'
import type { Slice } from './inbox.ts'
import type { Ledger } from './ledger.ts'
import { Repeats } from './repeats.ts'
import { MAX_PARTITIONS, MAX_TOPICS, tieOf } from './rows.ts'
import type { Source } from './shuffle.ts'
import type { TaskContext } from './task.ts'

/** `highest`: event time that the source has reached with this record, a function of the log up to it. */
export type Take = (key: string, position: Position, time: Millis, tie: number, event: Event, highest: Millis) => void

export class RecordMapper {
  /** Highest event time met; -Infinity before the first. */
  highest = Number.NEGATIVE_INFINITY
  /** Wall time when it was met. */
  highestAt: Millis = 0
  /** What it has met, where the records of its source are named. */
  readonly repeats: Repeats | undefined
  private readonly flow: FeatureFlow
  private readonly plan: FlowSource['plan']
  private readonly topicIndex: number
  private readonly source: Source
  private readonly context: TaskContext
  private readonly ledger: Pick<Ledger, 'latestWall'>

  constructor(flow: FeatureFlow, source: Source, context: TaskContext, ledger: Pick<Ledger, 'latestWall'>) {
    this.flow = flow
    this.source = source
    this.context = context
    this.ledger = ledger
    this.topicIndex = flow.sources.findIndex(({ topic }) => topic === source.topic)
    const { plan, named } = flow.sources[this.topicIndex] as FlowSource
    this.plan = plan
    this.repeats = named ? new Repeats() : undefined
    if (source.partition >= MAX_PARTITIONS || this.topicIndex >= MAX_TOPICS) {
      throw new ClearStop(
        'topic-mismatch',
        `a topology reads at most ${MAX_TOPICS} topics of ${MAX_PARTITIONS} partitions`,
      )
    }
  }

  /** Maps a slice; records that can never be mapped are collected in `dead`. Answers the newest record timestamp. */
  map(slice: Slice, take: Take, dead: DeadLetter[]): Millis {
    const { plan, source, flow, repeats } = this
    const { metrics, settings } = this.context
    const { records } = slice.batch
    let stamp = Number.NaN
    let highest = this.highest
    let filtered = 0
    let keyless = 0
    let tombstones = 0
    let repeated = 0
    for (let i = slice.from; i < slice.to; i++) {
      const record = records[i] as InputRecord
      if (!(record.timestamp <= stamp)) stamp = record.timestamp
      if (repeats?.isRepeat(record)) {
        repeated++
        continue
      }
      if (record.value === null) {
        tombstones++
        continue
      }
      try {
        const event = slice.batch.event(i)
        if (event instanceof RecordError) throw event
        const time = plan.time === undefined ? record.timestamp : plan.time(event)
        if (time === null || !Number.isFinite(time))
          throw new RecordError('time-missing', 'the event time is null or not a number')
        if (time > record.timestamp + settings.skew) {
          throw new RecordError(
            'time-in-future',
            `event time ${time} is ${time - record.timestamp} ms after the record's timestamp`,
          )
        }
        if (time > highest) highest = time
        if (!plan.where(event)) {
          filtered++
          continue
        }
        const key = plan.key(event)
        if (key === null) {
          keyless++
          continue
        }
        const id = plan.id?.(event)
        const tie = typeof id === 'string' ? hash53(id) : tieOf(this.topicIndex, source.partition, record.position)
        take(key, record.position, time, tie, event, highest)
      } catch (error) {
        dead.push({ topology: flow.name, source, record, error: asRecordError(error) })
      }
    }
    if (highest > this.highest) {
      this.highest = highest
      this.highestAt = this.ledger.latestWall()
    }
    const topology = flow.name
    metrics.recordsIn.inc({ topology, topic: source.topic }, slice.to - slice.from)
    if (filtered > 0) metrics.rowsSkipped.inc({ topology, reason: 'filtered' }, filtered)
    if (keyless > 0) metrics.rowsSkipped.inc({ topology, reason: 'no_key' }, keyless)
    if (tombstones > 0) metrics.rowsSkipped.inc({ topology, reason: 'tombstone' }, tombstones)
    if (repeated > 0) metrics.rowsSkipped.inc({ topology, reason: 'repeated' }, repeated)
    return stamp
  }

  /** Event time that `at`, a wall time up to which the source was silent, amounts to; NaN without any event. */
  paced(at: Millis): Millis {
    return this.highest === Number.NEGATIVE_INFINITY ? Number.NaN : this.highest + Math.max(0, at - this.highestAt)
  }
}

export function asRecordError(error: unknown): RecordError {
  if (error instanceof RecordError) return error
  return new RecordError('expression-failed', messageOf(error), { cause: error })
}
