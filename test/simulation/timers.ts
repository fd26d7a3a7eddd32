import type { EmissionBatch, Millis, OpenState } from '../../src/core/model.ts'

/**
 * Watches that a timer that was met stood in the state, and was due: so none is met before its time, and none twice, since whoever
 * meets one moves it on in the same commit.
 */
export class Timers {
  private readonly broken: (rule: string, what: string) => void
  /** What a claim has said since its last commit. */
  private readonly batches = new Map<string, EmissionBatch>()

  constructor(broken: (rule: string, what: string) => void) {
    this.broken = broken
  }

  said(batch: EmissionBatch): void {
    this.batches.set(`${batch.task} ${batch.version.epoch}`, batch)
  }

  /** `before`: timers that stood in the state before the commit. */
  committed({ task, epoch }: OpenState, before: ReadonlyMap<string, Millis> = new Map()): void {
    const name = `${task} ${epoch}`
    for (const { key, cause } of this.batches.get(name)?.emissions ?? []) {
      if (!cause.startsWith('t')) continue
      const clock = Number(cause.slice(1))
      const due = before.get(key) ?? Number.POSITIVE_INFINITY
      if (due > clock) this.broken('timers', `${task} met ${key} at ${clock}, which was due at ${due}`)
    }
    this.batches.delete(name)
  }
}
