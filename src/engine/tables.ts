/**
 * Tables: compacted topics of which a worker holds the newest record of every key, in memory, for transforms to look values up
 * in. A table is read from its start when the first task asks for it, and followed from then on. Tasks wait until it has been
 * read to where it ended at that moment.
 */
import type { WallClock } from '../core/clock.ts'
import { ClearStop, messageOf, only, RecordError } from '../core/errors.ts'
import type { Batch, Decoder, Event, InputRecord, Millis, Position, Range, Transport } from '../core/model.ts'
import type { Log } from '../core/part.ts'
import { NotYet } from './task.ts'

export interface TablesOptions {
  readonly transport: Pick<Transport, 'topics' | 'ranges' | 'read'>
  /** Asked anew for every batch. */
  readonly decoder: (topic: string) => Decoder
  readonly clock: WallClock
  readonly log: Log
  /** Bytes of keys and values, encoded, that all tables together may have. */
  readonly limit: number
}

/** How often a table that was read to its end looks for more. */
const LOOK_EVERY: Millis = 500
/** `ready` gives up after this, so that who waits can be stopped, and can say what it waits for. */
const WAIT: Millis = 1_000

export class Tables {
  private readonly options: TablesOptions
  private readonly tables = new Map<string, Table>()
  private readonly size = { bytes: 0 }

  constructor(options: TablesOptions) {
    this.options = options
  }

  /** Resolves once the tables have been read; throws `NotYet` when that takes long. Throws `table-too-large` for ever once they are. */
  async ready(topics: readonly string[]): Promise<void> {
    for (const topic of topics) {
      const table = this.tables.get(topic) ?? new Table(topic, this.options, this.size)
      this.tables.set(topic, table)
      await table.ready()
    }
  }

  /** The newest record of a key, of a table that is ready. */
  lookup(topic: string, key: string): Event | null {
    return this.tables.get(topic)?.entries.get(key)?.event ?? null
  }

  /** Do the tables that somebody asked for hold all that their topics do now? One that stops its tasks holds nobody up. */
  async readToTheEnd(): Promise<boolean> {
    for (const table of this.tables.values()) if (!(await table.readToTheEnd())) return false
    return true
  }

  /** Forgets all other tables; one that is asked for again is read anew. */
  async keep(topics: ReadonlySet<string>): Promise<void> {
    const gone = [...this.tables].filter(([topic]) => !topics.has(topic))
    for (const [topic] of gone) this.tables.delete(topic)
    await Promise.all(gone.map(([, table]) => table.close()))
  }

  close(): Promise<void> {
    return this.keep(new Set())
  }
}

type Entries = Map<string, { readonly event: Event; readonly bytes: number }>

class Table {
  entries: Entries = new Map()
  /** Other than `entries` while a topic that was made again is read: until then the former holds. */
  private filling = this.entries
  private readonly finished: Promise<void>
  private readonly topic: string
  private readonly options: TablesOptions
  /** Shared by all tables. */
  private readonly size: { bytes: number }
  private readonly closing = new AbortController()
  private readonly read = new AbortController()
  private incarnation: string | undefined
  private next: Position[] = []
  private fault: ClearStop | undefined
  private reason = 'it is not read yet'

  constructor(topic: string, options: TablesOptions, size: { bytes: number }) {
    this.topic = topic
    this.options = options
    this.size = size
    this.finished = this.follow()
  }

  async ready(): Promise<void> {
    if (!this.read.signal.aborted) await this.options.clock.wait(WAIT, this.read.signal)
    if (this.fault) throw this.fault
    if (!this.read.signal.aborted) throw new NotYet(`table ${this.topic}: ${this.reason}`)
  }

  async readToTheEnd(): Promise<boolean> {
    const ranges = await this.options.transport.ranges(this.topic)
    return this.fault !== undefined || ranges.every(({ start, end }, i) => (this.next[i] ?? start) >= end)
  }

  async close(): Promise<void> {
    this.closing.abort()
    await this.finished
    this.begin()
    this.entries = this.filling
  }

  private begin(): void {
    for (const { bytes } of this.filling.values()) this.size.bytes -= bytes
    this.filling = new Map()
    this.next = []
  }

  private async follow(): Promise<void> {
    const { clock, log, transport } = this.options
    while (!this.closing.signal.aborted && !this.fault) {
      try {
        const incarnation = await this.incarnationNow()
        if (incarnation !== undefined && incarnation !== this.incarnation) this.begin()
        this.incarnation = incarnation ?? this.incarnation
        const ranges = await transport.ranges(this.topic)
        for (const [partition, range] of ranges.entries()) await this.readTo(partition, range)
        // of one that was made again just now, there may be values from before that are older than any that was ever the newest here
        const isFollowed = this.read.signal.aborted && this.entries === this.filling
        const isWhole = isFollowed || (await this.incarnationNow()) === this.incarnation
        if (isWhole && !this.closing.signal.aborted && !this.fault) {
          this.entries = this.filling
          this.read.abort()
        }
      } catch (error) {
        this.reason = messageOf(error)
        log.warn({ topic: this.topic, reason: this.reason }, 'a table could not be read; trying again')
      }
      await clock.wait(LOOK_EVERY, this.closing.signal)
    }
  }

  private async incarnationNow(): Promise<string | undefined> {
    return (await this.options.transport.topics([this.topic])).get(this.topic)?.incarnation
  }

  private async readTo(partition: number, { start, end }: Range): Promise<void> {
    const known = this.next[partition] ?? start
    // the topic forgot what was not read yet
    let next = known < start || known > end ? start : known
    while (next < end && !this.closing.signal.aborted && !this.fault) {
      const batch = await this.options.transport.read({ topic: this.topic, partition }, next)
      await this.take(batch)
      if (batch.next === next) break
      next = batch.next
      this.reason = `partition ${partition} is read to ${next} of ${end}`
    }
    this.next[partition] = next
  }

  private async take(batch: Batch): Promise<void> {
    const decoder = this.options.decoder(this.topic)
    await decoder.prepare(batch.records)
    for (const record of batch.records) if (record.key !== null) this.put(record.key, record, decoder)
    if (this.size.bytes <= this.options.limit) return
    const message = `the tables have more than ${this.options.limit} bytes, ${this.topic} among them`
    this.fault = new ClearStop('table-too-large', message)
    this.read.abort()
  }

  /** A record that cannot be read, or has no value, leaves its key without one. */
  private put(key: Buffer, record: InputRecord, decoder: Decoder): void {
    const name = key.toString()
    this.size.bytes -= this.filling.get(name)?.bytes ?? 0
    const event = record.value === null ? undefined : this.decode(record, decoder)
    if (event === undefined) {
      this.filling.delete(name)
      return
    }
    const bytes = key.length + (record.value as Buffer).length
    this.size.bytes += bytes
    this.filling.set(name, { event, bytes })
  }

  private decode(record: InputRecord, decoder: Decoder): Event | undefined {
    try {
      return decoder.record(record)
    } catch (error) {
      const { code, message } = only(RecordError, error)
      const { position } = record
      this.options.log.warn(
        { topic: this.topic, position, code, reason: message },
        'a record of a table cannot be read',
      )
      return undefined
    }
  }
}
