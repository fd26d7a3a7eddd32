/**
 * Map: rows (`mapper.ts` makes them of records) → frames. What a mapper writes is a function of the records alone, so a record that is
 * mapped twice, by whomever, makes the same rows, and the reducers drop the second.
 */
import { ByteReader, ByteWriter } from '../core/bytes.ts'
import { ClearStop, MillraceError } from '../core/errors.ts'
import { hashOf } from '../core/key.ts'
import type { Draft, Event, FeatureFlow, FlowSource, Millis, Position } from '../core/model.ts'
import type { DeadLetter } from './dead-letters.ts'
import { Inbox, type Slice } from './inbox.ts'
import { Ledger } from './ledger.ts'
import { RecordMapper, type Take } from './mapper.ts'
import { mapTask } from './names.ts'
import { commitInterval, nextRound, watermarkInterval } from './pace.ts'
import { beginning, placeIn, rangeOf } from './place.ts'
import { RowBuffer } from './rows.ts'
import { encodeFrame, encodeLayout, FRAME_BYTES, FRAME_ROWS, type FrameHead, type Source } from './shuffle.ts'
import { Silence } from './silence.ts'
import { type Patience, readable, type Task, type TaskContext } from './task.ts'

/** What a row takes in a frame besides columns: position, time, tie, index of its key. */
const ROW_BYTES = 26
/** A target's rows have room for so many at first: most topologies and partitions of many have few. */
const FIRST_ROWS = 16
/** Room for what stands before the rows. */
const HEAD_BYTES = 1_024
/** A target that gets no rows is told the time this often, in a worker of few tasks. */
const WATERMARK_EVERY: Millis = 250
/** A mapper's position is committed this often, in a worker of few tasks: what it repeats after a crash is dropped by the reducers. */
const COMMIT_EVERY: Millis = 1_000

/** Rows for a target, on the average, from which on its frame is worth what a frame costs. */
const WORTH_A_FRAME = 256

export class MapTask implements Task {
  readonly id: string
  readonly flow: FeatureFlow
  readonly role = 'map'
  readonly inbox: Inbox
  private readonly ledger: Ledger
  private readonly context: TaskContext
  private readonly shuffle: string
  private readonly targets: RowBuffer[]
  private readonly layout: Buffer
  private readonly rowBytes: number
  /** Bytes of rows in a frame: half of it at least, where very many columns have to be named. */
  private readonly room: number
  private readonly topic: string
  private readonly partition: number
  private patiently!: Patience
  private source!: Source
  private mapper!: RecordMapper
  private partitions = 0
  private after: number[] = []
  private saidAt: Millis[] = []
  private readonly silence: Silence
  private live = false

  constructor(flow: FeatureFlow, shuffle: string, topic: string, partition: number, context: TaskContext) {
    this.flow = flow
    this.shuffle = shuffle
    this.topic = topic
    this.partition = partition
    this.context = context
    this.inbox = new Inbox(context.settings.waitingRecords)
    this.silence = new Silence({ topic, partition }, context)
    this.id = mapTask(flow, topic, partition)
    const { plan } = flow.sources.find((source) => source.topic === topic) as FlowSource
    this.layout = encodeLayout(plan.columns)
    this.room = Math.max(FRAME_BYTES >> 1, FRAME_BYTES - this.layout.length - HEAD_BYTES)
    this.rowBytes = ROW_BYTES + plan.columns.reduce((bytes, { kind }) => bytes + (kind === 'number' ? 8 : 1), 0)
    this.targets = Array.from({ length: flow.shuffle as number }, () => new RowBuffer(plan, FRAME_ROWS, FIRST_ROWS))
    this.ledger = new Ledger(this, context, () => this.encodeMeta())
  }

  get position(): Position {
    return this.ledger.position
  }

  get done(): Position {
    return this.ledger.done
  }

  get trouble(): string | undefined {
    return this.silence.trouble
  }

  async open(patiently: Patience): Promise<Position> {
    const { transport } = this.context
    this.patiently = patiently
    const { position, meta } = await this.ledger.open(patiently)
    const info = await patiently('asking for the topic', async () =>
      (await transport.topics([this.topic])).get(this.topic),
    )
    if (!info) throw new ClearStop('topic-missing', `topic ${this.topic} is gone`)
    this.partitions = info.partitions
    this.source = { topic: this.topic, partition: this.partition, incarnation: info.incarnation }
    this.mapper = new RecordMapper(this.flow, this.source, this.context, this.ledger)
    this.saidAt = this.targets.map(() => Number.NEGATIVE_INFINITY)
    this.after = this.targets.map(() => -1)
    this.silence.end()
    this.live = false
    for (const rows of this.targets) rows.clear()
    const before = meta.length === 0 ? info.incarnation : readable(this.id, () => this.decodeMeta(meta))
    if (before !== info.incarnation) return this.beginAfter(before)
    const first = await placeIn(this.source, { position }, patiently, this.context, (range) =>
      beginning(this.source, this.flow.start, range, patiently, this.context),
    )
    return this.ledger.begin(first)
  }

  /**
   * The topic was made again: the targets are told that its old self says no more, and the new one is read from its start. How far
   * it has come in time stays, so that time goes on though nothing may ever come again.
   */
  private async beginAfter(old: string): Promise<Position> {
    this.mapper.repeats?.clear()
    this.after = this.targets.map(() => -1)
    const { start } = await rangeOf(this.source, this.patiently, this.context)
    const frames = this.targets.map((_, target) =>
      this.frame(target, { upto: start, watermark: Number.NaN, finishes: old }),
    )
    await this.write('writing frames', frames)
    return this.ledger.begin(start, true)
  }

  /** Takes what waits when it begins, until frames are worth writing: small ones cost as much as large ones. */
  async step(): Promise<void> {
    const { metrics, settings, clock } = this.context
    const first = this.inbox.take(settings.maxRecords) as Slice
    let { waiting } = this.inbox
    const started = clock.monotonic()
    const frames: Draft[] = []
    let { next } = first
    let stamp = Number.NaN
    let records = 0
    let rows = 0
    const take: Take = (key, position, time, tie, event) => {
      rows++
      this.take(frames, key, position, time, tie, event)
    }
    for (let slice: Slice | undefined = first; slice; ) {
      const newest = await this.map(slice, take)
      if (!(newest <= stamp) && !Number.isNaN(newest)) stamp = newest
      records += slice.to - slice.from
      next = slice.next
      if (rows >= this.targets.length * WORTH_A_FRAME) break
      if (waiting-- <= 0 || records >= settings.maxRecords) slice = await this.more(started)
      else slice = (await this.inbox.isReady()) ? this.inbox.take(settings.maxRecords - records) : undefined
    }
    this.finishFrames(frames, next, stamp, started)
    if (frames.length > 0) await this.write('writing frames', frames)
    this.ledger.done = next
    this.silence.end()
    const role = this.role
    const topology = this.flow.name
    metrics.batchRecords.observe({ topology, role }, records)
    await this.ledger.commitEvery(commitInterval(COMMIT_EVERY, this.context.load))
    metrics.batchSeconds.observe({ topology, role }, (clock.monotonic() - started) / 1000)
  }

  /** As long as it is far from the end of its source, a step waits for more records. */
  private async more(started: Millis): Promise<Slice | undefined> {
    const { clock, settings } = this.context
    const left = started + settings.linger - clock.monotonic()
    if (this.live || left <= 0) return undefined
    await this.inbox.ready((arrival) => clock.wait(left, arrival))
    return this.inbox.take(settings.maxRecords)
  }

  /** Answers the newest record timestamp. What can never be mapped is a dead letter before any frame passes it. */
  private async map(slice: Slice, take: Take): Promise<Millis> {
    await this.patiently('fetching schemas', () => slice.batch.ready())
    const dead: DeadLetter[] = []
    const stamp = this.mapper.map(slice, take, dead)
    this.live ||= slice.next >= slice.batch.end
    if (dead.length > 0) await this.patiently('writing dead letters', () => this.context.deadLetters.write(dead))
    return stamp
  }

  private take(frames: Draft[], key: string, position: Position, time: Millis, tie: number, event: Event): void {
    const hash = hashOf(key)
    const target = hash % this.targets.length
    const rows = this.targets[target] as RowBuffer
    if (rows.length === rows.capacity || rows.text + rows.length * this.rowBytes > this.room) this.seal(frames, target)
    rows.add(key, hash, position, time, tie, event)
  }

  /** A frame that others of the same step will follow says nothing of time. */
  private seal(frames: Draft[], target: number): void {
    const rows = this.targets[target] as RowBuffer
    frames.push(this.frame(target, { upto: rows.position[rows.length - 1] as number, watermark: Number.NaN }))
  }

  private finishFrames(frames: Draft[], upto: Position, stamp: Millis, now: Millis): void {
    const watermark = this.mapper.highest === Number.NEGATIVE_INFINITY ? Number.NaN : this.mapper.highest
    const every = watermarkInterval(WATERMARK_EVERY, this.context.load)
    for (const [target, rows] of this.targets.entries()) {
      if (rows.length === 0 && now - (this.saidAt[target] as number) < every) continue
      this.saidAt[target] = now
      frames.push(this.frame(target, { upto, watermark, stamp }))
    }
  }

  /** Encodes what the target's buffer holds and empties it. */
  private frame(target: number, head: Partial<FrameHead> & Pick<FrameHead, 'upto' | 'watermark'>): Draft {
    const rows = this.targets[target] as RowBuffer
    const full: FrameHead = {
      source: this.source,
      partitions: this.partitions,
      after: this.after[target] as number,
      stamp: Number.NaN,
      heartbeat: false,
      live: this.live,
      finishes: '',
      ...head,
    }
    const value = encodeFrame(full, this.layout, rows)
    if (rows.length > 0) this.after[target] = rows.position[rows.length - 1] as number
    rows.clear()
    return { topic: this.shuffle, partition: target, key: null, value }
  }

  async tick(): Promise<void> {
    if (this.inbox.waiting === 0) {
      const silent = await this.silence.after(this.done)
      this.live ||= silent !== undefined
      const { clock, load, settings } = this.context
      const every = watermarkInterval(settings.heartbeat, load)
      const isDue = clock.monotonic() >= nextRound(Math.min(...this.saidAt), every)
      if (silent?.isLong && isDue) await this.beat(this.ledger.wall(silent.at))
    }
    await this.ledger.tick(commitInterval(COMMIT_EVERY, this.context.load))
  }

  private async beat(at: Millis): Promise<void> {
    const watermark = this.mapper.paced(at)
    const frames = this.targets.map((_, target) => this.frame(target, { upto: this.done, watermark, heartbeat: true }))
    await this.write('writing heartbeats', frames)
    this.saidAt.fill(this.context.clock.monotonic())
  }

  /** Frames stay far below what a shuffle topic takes when it is made: where it takes less, no repetition would help. */
  private write(what: string, frames: readonly Draft[]): Promise<void> {
    return this.patiently(what, () => this.context.transport.write(frames).catch(stopWhereTooLarge))
  }

  settle(): Promise<void> {
    return this.ledger.settle()
  }

  private encodeMeta(): Buffer {
    const to = new ByteWriter(128)
    to.text(this.source.incarnation)
    to.double(this.mapper.highest)
    to.double(this.mapper.highestAt)
    to.varint(this.after.length)
    for (const position of this.after) to.double(position)
    this.mapper.repeats?.encode(to)
    return to.take()
  }

  /** Takes over what the last owner knew; answers the incarnation it read. */
  private decodeMeta(meta: Uint8Array): string {
    const from = new ByteReader(meta)
    const incarnation = from.text()
    this.mapper.highest = from.double()
    this.mapper.highestAt = from.double()
    this.after = Array.from({ length: from.varint() }, () => from.double())
    if (from.left > 0) this.mapper.repeats?.decode(from)
    return incarnation
  }
}

function stopWhereTooLarge(error: unknown): never {
  if (error instanceof MillraceError && error.code === 'record-too-large')
    throw new ClearStop(error.code, error.message)
  throw error
}
