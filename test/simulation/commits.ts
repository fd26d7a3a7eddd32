import type { EmissionBatch, Millis, OpenState, Position, TaskId } from '../../src/core/model.ts'

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
  private readonly broken: (rule: string, what: string) => void
  /** What a claim has said since its last commit. */
  private readonly batches = new Map<string, EmissionBatch>()
  private readonly newest = new Map<TaskId, number>()
  /** How far epochs were ahead of the store's clock, as of claims within one millisecond: so much longer may silence seem. */
  ahead: Millis = 0

  constructor(broken: (rule: string, what: string) => void) {
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
    const name = `${task} ${epoch}`
    for (const { key, cause } of this.batches.get(name)?.emissions ?? []) {
      if (!cause.startsWith('t')) continue
      const clock = Number(cause.slice(1))
      const due = timers.get(key) ?? Number.POSITIVE_INFINITY
      if (due > clock) this.broken('timers', `${task} met ${key} at ${clock}, which was due at ${due}`)
    }
    this.batches.delete(name)
  }
}
