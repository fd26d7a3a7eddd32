/** Chance and its opposite: numbers that follow from a seed, and a hash of all that happened. */
import { seeded } from '../../bench/orders.ts'

/** A stream of draws. What one concern draws never moves another's: each has a stream of its own. */
export class Random {
  /** In [0, 1). */
  readonly next: () => number

  /** The same stream for the same seed and name. */
  constructor(seed: number, name: string) {
    let state = Math.imul(seed, 2_654_435_761)
    for (let i = 0; i < name.length; i++) state = Math.imul(state ^ name.charCodeAt(i), 16_777_619)
    this.next = seeded(state)
  }

  /** A whole number from 0 to `n` - 1. */
  int(n: number): number {
    return Math.floor(this.next() * n)
  }

  chance(share: number): boolean {
    return this.next() < share
  }

  pick<T>(from: readonly T[]): T {
    return from[this.int(from.length)] as T
  }
}

type Part = string | number | boolean | undefined | null | Uint8Array

/** All that happens in a run, in its order: always as a hash, as lines where somebody wants to read them. */
export class Trace {
  readonly lines: string[] = []
  private readonly keep: boolean
  private high = 0x811c9dc5
  private low = 0x01000193

  constructor(keep: boolean) {
    this.keep = keep
  }

  note(...parts: readonly Part[]): void {
    for (const part of parts) {
      if (part instanceof Uint8Array) for (let i = 0; i < part.length; i++) this.mix(part[i] as number)
      else {
        const text = String(part)
        for (let i = 0; i < text.length; i++) this.mix(text.charCodeAt(i))
      }
      this.mix(0x100)
    }
    if (this.keep)
      this.lines.push(parts.map((part) => (part instanceof Uint8Array ? `[${part.length}]` : part)).join(' '))
  }

  private mix(unit: number): void {
    this.high = Math.imul(this.high ^ unit, 0x01000193)
    this.low = Math.imul(this.low + unit, 0x9e3779b1) ^ (this.high >>> 15)
  }

  get hash(): string {
    return [this.high, this.low].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('')
  }
}
