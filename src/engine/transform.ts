/**
 * Transform: records → records of other topics. One partition is worked through in its order; what is made of it is named by
 * position, and durable before the position is committed. What is written twice is dropped by its readers (`repeats.ts`).
 */
import { ByteReader, ByteWriter } from '../core/bytes.ts'
import { ClearStop, RecordError } from '../core/errors.ts'
import type { Draft, InputRecord, Made, Millis, Position, TransformFlow, TransformSource } from '../core/model.ts'
import { writeFitting } from '../core/write-fitting.ts'
import type { DeadLetter } from './dead-letters.ts'
import { Inbox, type Slice } from './inbox.ts'
import { Ledger } from './ledger.ts'
import { asRecordError } from './mapper.ts'
import { transformTask } from './names.ts'
import { OwnCalls } from './own-code.ts'
import { beginning, placeIn, rangeOf } from './place.ts'
import { NAME_HEADER, nameOf, Repeats } from './repeats.ts'
import type { Source } from './shuffle.ts'
import { type Patience, readable, refuseOlder, type Task, type TaskContext } from './task.ts'

/** What is repeated after a crash is this much. */
const COMMIT_EVERY: Millis = 1_000
/** One write has about so much at most. */
const MOST_DRAFTS = 4_096
const MOST_BYTES = 4 << 20
/** Records that are made one by one until others get their turn. */
const BREATH = 64

export class TransformTask implements Task {
  readonly id: string
  readonly flow: TransformFlow
  readonly role = 'transform'
  readonly inbox: Inbox
  private readonly ledger: Ledger
  private readonly context: TaskContext
  private readonly topic: string
  private readonly partition: number
  private readonly from: TransformSource
  private readonly tables: readonly string[]
  private readonly repeats = new Repeats()
  /** Where code of one's own takes part. */
  private readonly calls: OwnCalls | undefined
  private patiently!: Patience
  private source!: Source
  /** Partitions of the topics it writes: a record without a key has to go to the same one each time. */
  private partitions: ReadonlyMap<string, number> = new Map()
  /** What waits to be written, by the record it was made of. */
  private made: { readonly record: InputRecord; readonly drafts: Draft[] }[] = []
  private dead: DeadLetter[] = []
  private count = 0
  private bytes = 0

  constructor(flow: TransformFlow, topic: string, partition: number, context: TaskContext) {
    this.flow = flow
    this.topic = topic
    this.partition = partition
    this.context = context
    this.inbox = new Inbox(context.settings.waitingRecords)
    this.id = transformTask(flow, topic, partition)
    this.from = flow.sources.find((source) => source.topic === topic) as TransformSource
    this.tables = [...new Set(flow.tables.map((table) => table.topic))]
    this.calls = flow.own && new OwnCalls(flow.own, this.id, context.clock)
    this.ledger = new Ledger(this, context, () => this.encodeMeta())
  }

  get position(): Position {
    return this.ledger.position
  }

  get done(): Position {
    return this.ledger.done
  }

  async open(patiently: Patience): Promise<Position> {
    const { transport } = this.context
    this.patiently = patiently
    this.drop()
    this.repeats.clear()
    const { position, meta } = await this.ledger.open(patiently)
    const names = [this.topic, ...this.flow.writes]
    const topics = await patiently('asking for the topics', () => transport.topics(names))
    for (const name of names) if (!topics.has(name)) throw new ClearStop('topic-missing', `topic ${name} is gone`)
    this.partitions = new Map([...topics].map(([name, { partitions }]) => [name, partitions]))
    const incarnation = topics.get(this.topic)?.incarnation as string
    this.source = { topic: this.topic, partition: this.partition, incarnation }
    const before = meta.length === 0 ? incarnation : readable(this.id, () => this.decodeMeta(meta))
    if (before !== incarnation) {
      // the topic was made again: all that is in it is new
      this.repeats.clear()
      return this.ledger.begin((await rangeOf(this.source, patiently, this.context)).start, true)
    }
    const first = await placeIn(this.source, { position }, patiently, this.context, (range) =>
      beginning(this.source, this.flow.start, range, patiently, this.context),
    )
    return this.ledger.begin(first)
  }

  /** Takes what waits when it begins, so that small batches do not each wait for the log. Nothing waits for a schema of a later batch. */
  async step(): Promise<void> {
    const { clock, metrics, settings, tables } = this.context
    const started = clock.monotonic()
    const { name: topology } = this.flow
    let next = this.ledger.done
    let records = 0
    // what code of one's own makes is written batch by batch, so that one that stops it withholds no others
    for (let waiting = this.calls ? 1 : this.inbox.waiting; waiting > 0 && records < settings.maxRecords; waiting--) {
      if (records > 0 && !(await this.inbox.isReady())) break
      const slice = this.inbox.take(settings.maxRecords - records)
      // closed meanwhile
      if (!slice) break
      await this.patiently('fetching schemas', () => slice.batch.ready())
      if (this.tables.length > 0) await this.patiently('reading tables', () => tables.ready(this.tables))
      await this.make(slice)
      records += slice.to - slice.from
      next = slice.next
    }
    await this.flush()
    this.ledger.done = next
    metrics.batchRecords.observe({ topology, role: this.role }, records)
    await this.ledger.commitEvery(COMMIT_EVERY)
    metrics.batchSeconds.observe({ topology, role: this.role }, (clock.monotonic() - started) / 1000)
  }

  private async make(slice: Slice): Promise<void> {
    const { metrics } = this.context
    const { batch, from, to } = slice
    const made = this.calls ? await this.makeOwn(this.calls, slice) : undefined
    const skipped = { repeated: 0, tombstone: 0, filtered: 0 }
    for (let i = from; i < to; i++) {
      const record = batch.records[i] as InputRecord
      if (this.from.named && this.repeats.isRepeat(record)) skipped.repeated++
      else if (record.value === null) skipped.tombstone++
      else {
        try {
          const records = made?.[i - from] ?? this.makeOf(slice, i)
          if (records instanceof RecordError) throw records
          if (records.length === 0) skipped.filtered++
          else this.made.push({ record, drafts: records.map((one) => this.draft(record, one)) })
        } catch (error) {
          const { flow, source } = this
          this.dead.push({ topology: flow.name, source, record, error: asRecordError(error) })
        }
      }
      if (this.count >= MOST_DRAFTS || this.bytes >= MOST_BYTES) await this.flush()
    }
    const { name: topology } = this.flow
    metrics.recordsIn.inc({ topology, topic: this.topic }, to - from)
    for (const [reason, count] of Object.entries(skipped))
      if (count > 0) metrics.rowsSkipped.inc({ topology, reason }, count)
  }

  private makeOf({ batch }: Slice, index: number): readonly Made[] {
    const event = batch.event(index)
    if (event instanceof RecordError) throw event
    const { tables } = this.context
    return this.from.make(event, batch.records[index] as InputRecord, (table, key) => tables.lookup(table, key))
  }

  /** By code of one's own: all at once, since nearly always nothing fails; else one by one. */
  private async makeOwn(calls: OwnCalls, slice: Slice): Promise<readonly (readonly Made[] | RecordError)[]> {
    const { batch, from, to } = slice
    const indexes = Array.from({ length: to - from }, (_, i) => from + i)
    const isRead = (index: number) => (batch.records[index] as InputRecord).value !== null
    const one = (index: number): readonly Made[] | RecordError => {
      try {
        return isRead(index) ? this.makeOf(slice, index) : []
      } catch (error) {
        if (error instanceof RecordError) return error
        throw error
      }
    }
    const whole = calls.attempt(() => indexes.map(one))
    if ('answer' in whole) return whole.answer
    const made: (readonly Made[] | RecordError)[] = []
    for (const index of indexes) {
      const result = calls.attempt(() => one(index))
      made.push('answer' in result ? result.answer : result.failure)
      if ('failure' in result && calls.own.stops) {
        const { position } = batch.records[index] as InputRecord
        throw new ClearStop(
          result.failure.code,
          `${this.topic}/${this.partition}@${position}: ${result.failure.message}`,
        )
      }
      if (index % BREATH === 0) await this.context.clock.wait(0)
    }
    return made
  }

  private draft({ position, timestamp }: InputRecord, { topic, index, key, value }: Made): Draft {
    const partition = key === null ? { partition: this.partition % (this.partitions.get(topic) as number) } : {}
    const headers = { [NAME_HEADER]: nameOf(this.flow.name, this.source, position, index) }
    this.count++
    this.bytes += value.length
    return { topic, ...partition, key, value, timestamp, headers }
  }

  /** A record of which something is made that its topic never takes becomes a dead letter. */
  private async flush(): Promise<void> {
    const { deadLetters, metrics, transport } = this.context
    const { dead, flow, made, source } = this
    const groups = made.map(({ drafts }) => drafts)
    const refused = await this.patiently('writing records', () => writeFitting(transport, groups))
    for (const [i, { record, drafts }] of made.entries()) {
      const why = refused.get(i)
      if (why) dead.push({ topology: flow.name, source, record, error: new RecordError(why.code, why.message) })
      else for (const { topic } of drafts) metrics.recordsOut.inc({ topology: flow.name, to: topic })
    }
    if (dead.length > 0) await this.patiently('writing dead letters', () => deadLetters.write(dead))
    this.drop()
  }

  private drop(): void {
    this.made = []
    this.dead = []
    this.count = 0
    this.bytes = 0
  }

  tick(): Promise<void> {
    return this.ledger.tick(COMMIT_EVERY)
  }

  settle(): Promise<void> {
    return this.ledger.settle()
  }

  private encodeMeta(): Buffer {
    const to = new ByteWriter(256)
    to.text(this.flow.definition)
    to.double(this.flow.declaredAt)
    to.text(this.source.incarnation)
    this.repeats.encode(to)
    return to.take()
  }

  /** Takes over what the last owner knew; answers the incarnation it read. */
  private decodeMeta(meta: Uint8Array): string {
    const from = new ByteReader(meta)
    refuseOlder(this.id, this.flow, from.text(), from.double())
    const incarnation = from.text()
    this.repeats.decode(from)
    return incarnation
  }
}
