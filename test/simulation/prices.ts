/** A table in which a transform looks up what things cost. What it is at a time is not promised; that it is read, and followed, is. */
import { partitionOf } from '../../src/core/key.ts'
import type { Draft } from '../../src/core/model.ts'
import type { TestEvent } from './features.ts'
import { MADE } from './flows.ts'
import type { Random } from './random.ts'

export const PRICES = 'prices'
export const PRICE_PARTITIONS = 2

export class Prices {
  /** All that a thing has ever cost, the newest last; null: nothing is known of it. `number`: of the change. */
  private readonly history = new Map<string, { readonly number: number; readonly price: number | null }[]>()
  private readonly random: Random
  private readonly broken: (rule: string, what: string) => void
  /** Of the last change. */
  number = 0
  /** Everybody has had the time to read what was written last. */
  isStill = false

  constructor(random: Random, broken: (rule: string, what: string) => void) {
    this.random = random
    this.broken = broken
  }

  /** A new price, none any more, or one that cannot be read. */
  draft(): Draft {
    const { random } = this
    const thing = `t${random.int(4)}`
    const kind = random.int(10)
    const price = kind < 2 ? null : random.int(100_000)
    this.number++
    this.now(thing, price)
    const value = kind === 0 ? null : Buffer.from(price === null ? 'poison' : JSON.stringify({ price }))
    return { topic: PRICES, partition: partitionOf(thing, PRICE_PARTITIONS), key: thing, value }
  }

  /** The topic is empty again. */
  gone(): void {
    this.number++
    for (const thing of this.history.keys()) this.now(thing, null)
  }

  private now(thing: string, price: number | null): void {
    this.history.set(thing, [...(this.history.get(thing) ?? []), { number: this.number, price }])
  }

  /** What a worker makes has a price that held when it began, or later. `since`: number of the last change at that time. */
  looked({ topic, value }: Draft, since: number): void {
    if (topic !== MADE) return
    const { thing, price = null } = JSON.parse(String(value)) as TestEvent
    const all = this.history.get(thing) ?? []
    const first = this.isStill ? all.length - 1 : all.findLastIndex(({ number }) => number <= since)
    const may = all.slice(Math.max(0, first))
    if (first < 0 && price === null) return
    if (!may.some((known) => known.price === price))
      this.broken('tables', `${thing} costs ${price}, not one of ${may.map((known) => known.price)}`)
  }
}
