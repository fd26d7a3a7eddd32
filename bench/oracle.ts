/**
 * The naive answer to work W1: one thread, all events of a store in an array, by event time. Slow and obvious on
 * purpose; what the engine computes must equal it at each value's own as-of time.
 */
import type { OrderEvent } from './orders.ts'

interface Seen {
  readonly at: number
  readonly type: string
  readonly orderId: string
  readonly prepSeconds: number
}

export interface StoreFeatures {
  readonly prep_mean_50: number | null
  readonly prep_variance_50: number | null
  readonly events_10m: number
  readonly open_orders: number
}

export class Oracle {
  private readonly stores = new Map<string, Seen[]>()

  add({ storeId, occurredAt, type, orderId, prepSeconds }: OrderEvent): void {
    const seen = this.stores.get(storeId)
    const event = { at: occurredAt, type, orderId, prepSeconds }
    if (seen) seen.push(event)
    else this.stores.set(storeId, [event])
  }

  get ids(): string[] {
    return [...this.stores.keys()]
  }

  /** Time of a store's newest event. */
  newest(storeId: string): number {
    return (this.stores.get(storeId) ?? []).reduce((newest, { at }) => Math.max(newest, at), Number.NEGATIVE_INFINITY)
  }

  /** The features of a store as of a time: over its events up to then, whatever order they were added in. */
  at(storeId: string, asOf: number): StoreFeatures {
    const events = (this.stores.get(storeId) ?? []).filter(({ at }) => at <= asOf).sort((a, b) => a.at - b.at)
    const last = events.slice(-50).map(({ prepSeconds }) => prepSeconds)
    const mean = last.length === 0 ? null : last.reduce((sum, value) => sum + value, 0) / last.length
    const variance = mean === null ? null : last.reduce((sum, value) => sum + (value - mean) ** 2, 0) / last.length
    const open = new Set<string>()
    for (const { type, orderId } of events) {
      if (type === 'ORDER_CREATED') open.add(orderId)
      if (type === 'ORDER_PICKED') open.delete(orderId)
    }
    const recent = events.filter(({ at }) => at > asOf - 600_000)
    return { prep_mean_50: mean, prep_variance_50: variance, events_10m: recent.length, open_orders: open.size }
  }
}
