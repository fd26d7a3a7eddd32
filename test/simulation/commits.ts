import type { EmissionBatch, Millis, OpenState, Partition, Position, TaskId } from '../../src/core/model.ts'
import { workOf } from './flows.ts'
import type { Options } from './options.ts'

/** What stood in the state before a commit. */
export interface Before {
  readonly timers: ReadonlyMap<string, Millis>
  readonly position: Position | undefined
}

/**
 * Watches every commit that the state takes. It is by the newest claim, so no old owner changes anything. It goes on from where
 * the state was. A timer that was met stood in the state, and was due: so none is met before its time, and none twice,
 * since whoever meets one moves it on in the same commit.
 */
export class Commits {
  private readonly options: Options
  private readonly broken: (rule: string, what: string) => void
  /** What a claim has said since its last commit. */
  private readonly batches = new Map<string, EmissionBatch>()
  /** The highest position that each task has ever committed, by what it reads. */
  private readonly highest = new Map<string, Map<TaskId, Position>>()
  private readonly newest = new Map<TaskId, number>()
  /** How far epochs were ahead of the store's clock, as of claims within one millisecond: so much longer may silence seem. */
  ahead: Millis = 0

  constructor(options: Options, broken: (rule: string, what: string) => void) {
    this.options = options
    this.broken = broken
  }

  claimed({ task, epoch }: OpenState, now: Millis): void {
    this.ahead = Math.max(this.ahead, epoch - now)
    const before = this.newest.get(task) ?? Number.NEGATIVE_INFINITY
    if (epoch <= before) this.broken('epochs', `${task} was given ${epoch} after ${before}`)
    this.newest.set(task, epoch)
  }

  /** The state went back in time, and with it who has claimed what. */
  wentBack(): void {
    this.newest.clear()
  }

  said(batch: EmissionBatch): void {
    this.batches.set(`${batch.task} ${batch.version.epoch}`, batch)
  }

  committed({ task, epoch, position }: OpenState, { timers, position: from }: Before): void {
    const newest = this.newest.get(task)
    if (newest !== undefined && newest !== epoch)
      this.broken('epochs', `${task} was committed by ${epoch}, ${newest} has it`)
    if (
      from !== undefined &&
      (position as Position) < from &&
      !task.startsWith('map/') &&
      !task.startsWith('transform/')
    )
      this.broken('positions', `${task} went from ${from} back to ${position}`)
    const reads = workOf(this.options, task)?.reads
    if (reads) {
      const highest = this.highest.get(reads) ?? new Map<TaskId, Position>()
      this.highest.set(reads, highest.set(task, Math.max(position as Position, highest.get(task) ?? 0)))
    }
    const name = `${task} ${epoch}`
    for (const { key, cause } of this.batches.get(name)?.emissions ?? []) {
      if (!cause.startsWith('t')) continue
      const clock = Number(cause.slice(1))
      const due = timers.get(key) ?? Number.POSITIVE_INFINITY
      if (due > clock) this.broken('timers', `${task} met ${key} at ${clock}, which was due at ${due}`)
    }
    this.batches.delete(name)
  }

  /** A group is told what the state has of all tasks of a partition, never more. */
  told({ topic, partition }: Partition, position: Position): void {
    const all = [...(this.highest.get(`${topic}/${partition}`)?.values() ?? [])]
    const { changes, lose, retain } = this.options
    // others have other tasks where what is declared changes
    const committed = changes || lose || retain ? Math.max(-1, ...all) : Math.min(...(all.length > 0 ? all : [-1]))
    if (position > committed)
      this.broken('positions', `the group is told ${position} of ${topic}/${partition}, ${committed} is committed`)
  }
}
