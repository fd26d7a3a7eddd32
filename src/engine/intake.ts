/** Where a reduce task's frames come from: a shuffle topic, or the task's own source read directly. */
import { ByteReader, ByteWriter } from '../core/bytes.ts'
import { ClearStop, messageOf } from '../core/errors.ts'
import { hashOf } from '../core/key.ts'
import type { FeatureFlow, FlowSource, InputRecord, Millis, Position } from '../core/model.ts'
import type { DeadLetter } from './dead-letters.ts'
import type { Slice } from './inbox.ts'
import type { Ledger } from './ledger.ts'
import { RecordMapper } from './mapper.ts'
import { beginning, placeIn } from './place.ts'
import { RowBuffer } from './rows.ts'
import { type Frame, FrameReader, type Source } from './shuffle.ts'
import { Silence } from './silence.ts'
import { type Patience, readable, type TaskContext } from './task.ts'

export interface Intake {
  /** Topics whose partitions are the task's sources, for the clock. */
  readonly topics: readonly string[]
  readonly topic: string
  /** At every open, before the first slice. `meta` is what `encode` gave, empty at first. Answers the first position. */
  open(patiently: Patience, ledger: Ledger, meta: Uint8Array): Promise<Position>
  /** Frames of a slice; writes its dead letters first. */
  frames(slice: Slice): Promise<readonly Frame[]>
  /** How many records to take for about one frame. */
  readonly take: number
  /** How many records may wait before no more are accepted. */
  readonly inboxRecords: number
  /**
   * Event time that silence amounts to now, where the task moves its own clock; undefined otherwise. Asked at every tick.
   * Throws `topic-mismatch` when the topic has other partitions than it had.
   */
  silence?(position: Position): Promise<Millis | undefined>
  /** See `Task`. */
  readonly trouble?: string | undefined
  /** Has the log been read to its end since it was opened? Undefined where the frames say that of the logs behind it. */
  readonly live?: boolean
  encode(): Uint8Array
}

/** Frames that mappers wrote. Reading always begins at the start: the shuffle topic belongs to this generation alone. */
export class ShuffleIntake implements Intake {
  readonly topics: readonly string[]
  readonly topic: string
  readonly take = 1
  readonly inboxRecords: number
  private readonly partition: number
  private readonly context: TaskContext
  private readonly reader = new FrameReader()

  constructor(flow: FeatureFlow, topic: string, partition: number, context: TaskContext) {
    this.inboxRecords = context.settings.waitingFrames
    this.topics = flow.sources.map((source) => source.topic)
    this.topic = topic
    this.partition = partition
    this.context = context
  }

  open(patiently: Patience, { claim }: Ledger): Promise<Position> {
    const place = { topic: this.topic, partition: this.partition }
    return placeIn(place, claim, patiently, this.context, async ({ start }) => {
      if (start > 0)
        throw new ClearStop(
          'position-outside-log',
          `${this.topic}/${this.partition} has lost its first ${start} records before they were read`,
        )
      return start
    })
  }

  async frames(slice: Slice): Promise<readonly Frame[]> {
    const frames: Frame[] = []
    for (let i = slice.from; i < slice.to; i++) {
      const record = slice.batch.records[i] as InputRecord
      try {
        frames.push({ ...this.reader.read(record.value ?? new Uint8Array(0)), at: record.position })
      } catch (error) {
        throw new ClearStop(
          'state-unreadable',
          `${this.topic}/${this.partition}@${record.position}: ${messageOf(error)}`,
        )
      }
    }
    return frames
  }

  encode(): Uint8Array {
    return new Uint8Array(0)
  }
}

/** The source itself, where its topic is keyed by the dimension: one slice of records makes one frame. */
export class DirectIntake implements Intake {
  readonly topics: readonly string[]
  readonly topic: string
  readonly take: number
  readonly inboxRecords: number
  live = false
  private readonly flow: FeatureFlow
  private readonly partition: number
  private readonly context: TaskContext
  private patiently!: Patience
  private ledger!: Ledger
  private source!: Source
  private mapper!: RecordMapper
  private readonly silent: Silence

  constructor(flow: FeatureFlow, partition: number, context: TaskContext) {
    const { topic } = flow.sources[0] as FlowSource
    this.flow = flow
    this.topics = [topic]
    this.topic = topic
    this.partition = partition
    this.context = context
    this.silent = new Silence({ topic, partition }, context)
    // applied by thousands at once, and not held by frames meanwhile
    this.inboxRecords = 4 * context.settings.waitingRecords
    this.take = Math.min(context.settings.maxRecords, 65_535)
  }

  async open(patiently: Patience, ledger: Ledger, meta: Uint8Array): Promise<Position> {
    const { transport } = this.context
    this.patiently = patiently
    this.ledger = ledger
    const info = await patiently('asking for the topic', async () =>
      (await transport.topics([this.topic])).get(this.topic),
    )
    if (!info) throw new ClearStop('topic-missing', `topic ${this.topic} is gone`)
    this.refuseOther(info.partitions)
    this.source = { topic: this.topic, partition: this.partition, incarnation: info.incarnation }
    this.mapper = new RecordMapper(this.flow, this.source, this.context, ledger)
    this.silent.end()
    this.live = false
    if (meta.length > 0) readable(ledger.claim.task, () => this.takeOver(new ByteReader(meta)))
    return placeIn(this.source, ledger.claim, patiently, this.context, (range) =>
      beginning(this.source, this.flow.start, range, patiently, this.context),
    )
  }

  private takeOver(from: ByteReader): void {
    if (from.text() !== this.source.incarnation)
      throw new ClearStop('topic-recreated', `${this.topic} is read directly and was made again`)
    this.mapper.highest = from.double()
    this.mapper.highestAt = from.double()
    if (from.left > 0) this.mapper.repeats?.decode(from)
  }

  /** With more partitions, new events of a key go elsewhere than its state is. */
  private refuseOther(partitions: number): void {
    const { direct } = this.flow
    if (partitions === direct) return
    throw new ClearStop(
      'topic-mismatch',
      `${this.topic} is read directly and has ${partitions} partitions instead of ${direct}: its keys have moved`,
    )
  }

  async frames(slice: Slice): Promise<readonly Frame[]> {
    this.silent.end()
    await this.patiently('fetching schemas', () => slice.batch.ready())
    const rows = new RowBuffer((this.flow.sources[0] as FlowSource).plan, slice.to - slice.from)
    const reached = new Float64Array(slice.to - slice.from)
    const dead: DeadLetter[] = []
    const stamp = this.mapper.map(
      slice,
      (key, position, time, tie, event, highest) => {
        reached[rows.length] = highest
        rows.add(key, hashOf(key), position, time, tie, event)
      },
      dead,
    )
    if (dead.length > 0) await this.patiently('writing dead letters', () => this.context.deadLetters.write(dead))
    const watermark = this.mapper.highest === Number.NEGATIVE_INFINITY ? Number.NaN : this.mapper.highest
    this.live ||= slice.next >= slice.batch.end
    return [
      {
        source: this.source,
        partitions: 1,
        after: -1,
        upto: slice.next,
        watermark,
        stamp,
        heartbeat: false,
        live: this.live,
        finishes: '',
        rows,
        reached,
      },
    ]
  }

  async silence(position: Position): Promise<Millis | undefined> {
    const silent = await this.silent.after(position, (ranges) => this.refuseOther(ranges.length))
    this.live ||= silent !== undefined
    const paced = silent?.isLong ? this.mapper.paced(this.ledger.wall(silent.at)) : Number.NaN
    return Number.isNaN(paced) ? undefined : paced
  }

  get trouble(): string | undefined {
    return this.silent.trouble
  }

  encode(): Uint8Array {
    const to = new ByteWriter(64)
    to.text(this.source.incarnation)
    to.double(this.mapper.highest)
    to.double(this.mapper.highestAt)
    this.mapper.repeats?.encode(to)
    return to.take()
  }
}
