import { setImmediate as turn } from 'node:timers/promises'
import type { WallClock } from '../core/clock.ts'
import type { Millis } from '../core/model.ts'

/** Turns of the event loop after which work that waits for no real I/O has come to rest. */
const TURNS = 12

/** A clock that stands still until it is moved. */
export class VirtualClock implements WallClock {
  private time: Millis
  /** How far wall time has been set off. */
  private off: Millis = 0
  private sleepers: { readonly at: Millis; readonly wake: () => void }[] = []

  constructor(start: Millis = Date.UTC(2026, 0, 1)) {
    this.time = start
  }

  /** Where it stands. */
  now(): Millis {
    return this.time + this.off
  }

  monotonic(): Millis {
    return this.time
  }

  /** Sets wall time forth, or back, by `ms`, as an operator or a time server does: nobody who waits wakes. */
  set(ms: Millis): void {
    this.off += ms
  }

  /** Resolves once the clock was moved on by `ms`, or at the signal; with 0, soon. */
  wait(ms: Millis, signal?: AbortSignal): Promise<void> {
    if (ms === 0 || signal?.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const sleeper = { at: this.time + ms, wake: resolve }
      this.sleepers.push(sleeper)
      signal?.addEventListener(
        'abort',
        () => {
          this.sleepers = this.sleepers.filter((other) => other !== sleeper)
          resolve()
        },
        { once: true },
      )
    })
  }

  /** How long until somebody wakes; Infinity when nobody waits. */
  get untilNext(): Millis {
    return this.sleepers.reduce<Millis>((low, { at }) => Math.min(low, at), Number.POSITIVE_INFINITY) - this.time
  }

  /** Moves on by `ms` and wakes whoever waits for a moment until then: what they do has only begun when this returns. */
  move(ms: Millis): void {
    this.time += ms
    const due = this.sleepers.filter(({ at }) => at <= this.time)
    if (due.length === 0) return
    this.sleepers = this.sleepers.filter(({ at }) => at > this.time)
    for (const { wake } of due) wake()
  }

  /** Moves on by `ms`, stopping at each moment somebody waits for, until all work that this causes has come to rest. */
  async advance(ms: Millis): Promise<void> {
    const until = this.time + ms
    await this.rest()
    while (this.time + this.untilNext <= until) {
      this.move(Math.max(0, this.untilNext))
      await this.rest()
    }
    this.time = until
  }

  /** Moves on by `ms` in one go: whoever waits for a moment in between wakes at its end. Costs the same for a day as for a second. */
  async jump(ms: Millis): Promise<void> {
    this.move(ms)
    await this.rest()
  }

  /** Lets everything that waits for no clock run to its end. */
  async rest(): Promise<void> {
    for (let i = 0; i < TURNS; i++) await turn()
  }
}
