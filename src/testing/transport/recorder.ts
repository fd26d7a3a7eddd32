import { setTimeout as sleep } from 'node:timers/promises'
import type { Batch, Draft, InputRecord, MemberEvents, Partition, Position } from '../../core/model.ts'

/** Long, since a broker's groups may take tens of seconds to settle; nothing waits longer than it has to. */
export const PATIENCE_MS = 90_000

export const key = ({ topic, partition }: Partition) => `${topic}/${partition}`

/** A member that keeps all it is told, and fails the test on whatever breaks the contract of `MemberEvents`. */
export class Recorder implements MemberEvents {
  readonly openings: string[] = []
  readonly closings: string[] = []
  readonly records = new Map<string, InputRecord[]>()
  readonly batches: Batch[] = []
  readonly faults: string[] = []
  /** Partitions whose batches stay pending until released. */
  readonly held = new Set<string>()
  /** How many more calls of `opened` reject. */
  refusals = 0
  private readonly start: (partition: Partition) => Position
  private readonly next = new Map<string, Position>()
  private readonly busy = new Set<string>()
  private readonly released = new Map<string, () => void>()

  constructor(start: (partition: Partition) => Position = () => 0) {
    this.start = start
  }

  async opened(partition: Partition): Promise<Position> {
    this.openings.push(key(partition))
    if (this.refusals-- > 0) throw new Error('not yet')
    const position = this.start(partition)
    this.next.set(key(partition), position)
    return position
  }

  closed(partition: Partition): void {
    this.closings.push(key(partition))
    this.next.delete(key(partition))
  }

  async batch(batch: Batch): Promise<void> {
    const at = key(batch)
    const wanted = this.next.get(at)
    const first = batch.records[0]
    if (wanted === undefined) this.faults.push(`${at}: a batch of a partition that is not open`)
    if (this.busy.has(at)) this.faults.push(`${at}: a batch while the one before is pending`)
    if (!first) this.faults.push(`${at}: an empty batch`)
    if (first && first.position < (wanted ?? 0)) this.faults.push(`${at}: ${first.position} before ${wanted}`)
    let last = -1
    for (const { position } of batch.records) {
      if (position <= last) this.faults.push(`${at}: ${position} after ${last}`)
      last = position
    }
    if (batch.next <= last || batch.end < batch.next) this.faults.push(`${at}: next ${batch.next}, end ${batch.end}`)
    this.next.set(at, batch.next)
    this.batches.push(batch)
    this.records.set(at, [...(this.records.get(at) ?? []), ...batch.records])
    if (!this.held.has(at)) return
    this.busy.add(at)
    await new Promise<void>((resolve) => this.released.set(at, resolve))
  }

  /** Tells the recorder of a seek, so that it expects `position` next. */
  sought(partition: Partition, position: Position): void {
    this.next.set(key(partition), position)
  }

  /** Accepts the pending batch, and holds no more of this partition. */
  release(partition: Partition): void {
    this.held.delete(key(partition))
    this.busy.delete(key(partition))
    this.released.get(key(partition))?.()
  }

  values(partition?: Partition): string[] {
    const of = partition ? (this.records.get(key(partition)) ?? []) : [...this.records.values()].flat()
    return of.map((record) => String(record.value))
  }

  /** Partitions it has now. */
  owned(): string[] {
    return [...this.next.keys()].sort()
  }
}
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`)
    await sleep(10)
  }
}

export const numbers = (count: number, from = 0) => Array.from({ length: count }, (_, i) => String(from + i))

export function drafts(topic: string, values: readonly string[], partition?: number): Draft[] {
  return values.map((value) => ({
    topic,
    key: value,
    value: Buffer.from(value),
    ...(partition === undefined ? {} : { partition }),
  }))
}
