import type { InputRecord, Position } from '../core/model.ts'
import type { SharedBatch } from './shared-batch.ts'

/** Part of a batch handed to a task: records `from` to `to` (exclusive). */
export interface Slice {
  readonly batch: SharedBatch
  readonly from: number
  readonly to: number
  /** Position to go on from after it. */
  readonly next: Position
}

/** A reason at hand: making an error for every batch would cost more than waiting for it. */
const ARRIVED = 'arrived'

/** What one task still has to do, bounded, where its readers wait for room. */
export class Inbox {
  /** The next position not yet offered. Records below it are another task's, or repeats. */
  want: Position = 0
  /** Where the log ended when it was last read. */
  end: Position = 0
  private readonly queue: Slice[] = []
  private readonly limit: number
  private records = 0
  private closed = false
  /** Whoever waits here has something else to do, until it begins anew. */
  private hurried = false
  private wake: (() => void) | undefined
  private room: (() => void)[] = []

  /** `limit`: how many records may wait before no more are accepted. */
  constructor(limit: number) {
    this.limit = limit
  }

  get isFull(): boolean {
    return this.records >= this.limit
  }

  get waiting(): number {
    return this.queue.length
  }

  /** Records in memory that wait here. */
  get held(): number {
    return this.records
  }

  /** Takes what it has not had, whether there is room or not: who offers waits for room first. */
  offer(batch: SharedBatch): void {
    if (this.closed) return
    this.end = Math.max(this.end, batch.end)
    if (batch.next <= this.want) return
    let from = 0
    while (from < batch.records.length && (batch.records[from] as InputRecord).position < this.want) from++
    this.want = batch.next
    this.queue.push({ batch, from, to: batch.records.length, next: batch.next })
    this.records += batch.records.length - from
    this.wake?.()
  }

  /** Resolves when it is not full. */
  get hasRoom(): Promise<void> {
    return this.isFull ? new Promise((resolve) => this.room.push(resolve)) : Promise.resolve()
  }

  /** Is what is taken next such that all of its records can be decoded? Then nothing waits for a schema that does not come. */
  async isReady(): Promise<boolean> {
    const head = this.queue[0]
    if (!head) return false
    try {
      await head.batch.ready()
      return true
    } catch {
      // said when its turn comes
      return false
    }
  }

  /** Up to `max` records of the oldest batch. */
  take(max: number): Slice | undefined {
    const head = this.queue[0]
    if (!head) return undefined
    if (head.to - head.from <= max) {
      this.queue.shift()
      this.gone(head.to - head.from)
      return head
    }
    this.gone(max)
    const to = head.from + max
    this.queue[0] = { ...head, from: to }
    return { ...head, to, next: (head.batch.records[to - 1] as InputRecord).position + 1 }
  }

  /** Forgets what waits and goes on from `position`. */
  reset(position: Position): void {
    this.queue.length = 0
    this.hurried = false
    this.want = position
    this.gone(this.records)
  }

  /** Resolves when there is something to take, when nudged (also before), or when closed. `wait` is the clock's, aborted by the arrival. */
  async ready(wait: (signal: AbortSignal) => Promise<void>): Promise<void> {
    if (this.queue.length > 0 || this.closed || this.hurried) return
    const arrival = new AbortController()
    this.wake = () => arrival.abort(ARRIVED)
    await wait(arrival.signal)
    this.wake = undefined
  }

  /** Nothing is taken in any more; whoever waits goes on. */
  close(): void {
    this.closed = true
    this.queue.length = 0
    this.gone(this.records)
    this.nudge()
  }

  /** Ends every wait early, until it is reset. */
  nudge(): void {
    this.hurried = true
    this.wake?.()
  }

  private gone(records: number): void {
    this.records -= records
    if (this.isFull) return
    for (const resolve of this.room.splice(0)) resolve()
  }
}
