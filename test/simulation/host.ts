/** A machine with a worker: it can stand still and wake up later, or be gone, at any moment; its wall clock may be wrong. */
import type { WallClock } from '../../src/core/clock.ts'
import type { Millis } from '../../src/core/model.ts'
import type { VirtualClock } from '../../src/testing/clock.ts'

export class Host {
  readonly name: string
  readonly clock: WallClock
  /** How far its wall clock is off. */
  off: Millis = 0
  private state: 'running' | 'frozen' | 'dead' = 'running'
  private frozenAt: Millis = 0
  private readonly world: VirtualClock
  /** Whose pause was over while it stood still. */
  private asleep: (() => void)[] = []

  constructor(name: string, world: VirtualClock) {
    this.name = name
    this.world = world
    this.clock = {
      now: () => world.now() + this.off,
      monotonic: () => world.monotonic(),
      wait: (ms, signal) => this.wait(ms, signal),
    }
  }

  get isRunning(): boolean {
    return this.state === 'running'
  }

  get isDead(): boolean {
    return this.state === 'dead'
  }

  /** How long it stands still; 0 while it runs. */
  get frozenFor(): Millis {
    return this.state === 'frozen' ? this.world.monotonic() - this.frozenAt : 0
  }

  freeze(): void {
    this.state = 'frozen'
    this.frozenAt = this.world.monotonic()
  }

  thaw(): void {
    this.state = 'running'
    for (const wake of this.asleep.splice(0)) wake()
  }

  /** Nothing of it goes on. */
  kill(): void {
    this.state = 'dead'
    this.asleep = []
  }

  private async wait(ms: Millis, signal?: AbortSignal): Promise<void> {
    await this.world.wait(ms, signal)
    if (this.state === 'running') return
    await new Promise<void>((resolve) => {
      if (this.state === 'frozen') this.asleep.push(resolve)
    })
  }
}
