import { setTimeout as sleep } from 'node:timers/promises'
import type { MemberEvents, Millis, Partition, Position } from '../../core/model.ts'
import type { Log } from '../../core/part.ts'
import { codeOf, messageOf } from './files.ts'
import type { PartitionLog } from './log.ts'
import { type Chunk, LogReader } from './reader.ts'

/** Before what failed is tried again, longer every time. */
const PAUSE_MS = 200
const LONGEST_PAUSE_MS = 5_000
const longer = (pause: number) => Math.min(pause * 2, LONGEST_PAUSE_MS)

/** Feeds one partition to one member, until stopped. */
export class Feed {
  readonly partition: Partition
  private readonly openLog: () => Promise<PartitionLog>
  private readonly on: MemberEvents
  private readonly report: Log
  private readonly stopping = new AbortController()
  private reader: LogReader | undefined
  /** The member was told that the partition is its own, and not yet that it is no longer. */
  private told = false
  private sought: Position | undefined
  /** Ends a wait for new records. */
  private wake: (() => void) | undefined
  /** Ends a wait for the member to accept a batch. */
  private abandon: (() => void) | undefined

  /** Calls nothing before the caller's own turn is over. */
  constructor(partition: Partition, openLog: () => Promise<PartitionLog>, on: MemberEvents, report: Log) {
    this.partition = partition
    this.openLog = openLog
    this.on = on
    this.report = report
    setImmediate(() => void this.run())
  }

  /** No callback begins after this but `closed`, which is called at once. */
  async stop(): Promise<void> {
    this.stopping.abort()
    this.wake?.()
    this.abandon?.()
    this.close()
    await this.reader?.close()
  }

  private close(): void {
    if (this.told) this.on.closed(this.partition)
    this.told = false
  }

  seek(position: Position): void {
    this.sought = position
    this.wake?.()
  }

  private get stopped(): boolean {
    return this.stopping.signal.aborted
  }

  private async run(): Promise<void> {
    for (let pause = PAUSE_MS; !this.stopped; pause = longer(pause)) {
      const position = await this.attempt('the member could not say where to start', () => {
        this.told = true
        return this.on.opened(this.partition)
      })
      const log = await this.attempt('the partition could not be opened', this.openLog)
      if (position === undefined || !log) return
      // What was sought before the member answered is older than its answer.
      this.sought = undefined
      await this.read(log, position)
      if (this.stopped) return
      // Retention has overtaken the member, or it knows more than the log: it has to say anew where to go on.
      const { start, end } = log.range
      this.report.error({ ...this.partition, start, end }, 'the position to read from is outside the log')
      this.close()
      await this.pause(pause)
    }
  }

  /** Delivers what the log has and gets, until stopped or until the position is outside the log. */
  private async read(log: PartitionLog, from: Position): Promise<void> {
    const wake = () => this.wake?.()
    log.onAppend.add(wake)
    try {
      await this.move(log, from)
      while (!this.stopped) {
        if (this.sought !== undefined) await this.move(log, this.sought)
        const reader = this.reader as LogReader
        const chunk = await this.attempt('the partition could not be read', () => reader.next())
        if (chunk === 'outside') return
        if (chunk === undefined || this.stopped || this.sought !== undefined) continue
        if (chunk !== 'none') await this.deliver(log, chunk)
        else if (log.range.end <= reader.position) await new Promise<void>((resolve) => (this.wake = resolve))
      }
    } finally {
      log.onAppend.delete(wake)
      await this.reader?.close()
    }
  }

  private async move(log: PartitionLog, position: Position): Promise<void> {
    const before = this.reader
    this.reader = new LogReader(log, position)
    this.sought = undefined
    await before?.close()
  }

  /** Resolves when the member has accepted the batch, or has lost the partition. */
  private async deliver(log: PartitionLog, chunk: Chunk): Promise<void> {
    try {
      await new Promise<void>((resolve, reject) => {
        this.abandon = resolve
        this.on.batch({ ...this.partition, ...chunk }).then(resolve, reject)
      })
    } catch (error) {
      this.report.error(
        { ...this.partition, reason: messageOf(error) },
        'a member rejected a batch, which it must not; delivered again',
      )
      await this.pause(PAUSE_MS)
      if (this.sought === undefined) await this.move(log, chunk.records[0]?.position ?? chunk.next)
    }
  }

  /** Tries until it works; undefined when stopped. */
  private async attempt<T>(failed: string, work: () => Promise<T>): Promise<T | undefined> {
    for (let pause = PAUSE_MS; !this.stopped; pause = longer(pause)) {
      try {
        return await work()
      } catch (error) {
        if (!this.stopped)
          this.report.error(
            { ...this.partition, code: codeOf(error), reason: messageOf(error) },
            `${failed}; tried again`,
          )
        await this.pause(pause)
      }
    }
    return undefined
  }

  private async pause(ms: Millis): Promise<void> {
    await sleep(ms, undefined, { signal: this.stopping.signal }).catch(() => undefined)
  }
}
