/**
 * A city that orders food. What happens in it is a function of the seed, the time it was founded, the demand and
 * the time: so a city that is started again goes on with the orders that were in flight, and keeps no diary.
 */
import type { Millis } from '../../core/model.ts'
import { load } from './demand.ts'
import { type CityEvent, EVENTS_PER_ORDER, eventOf, LONGEST_LIFE_MS, liveOrder, type Order } from './order.ts'
import { settle } from './people.ts'
import { Queue } from './queue.ts'
import { random } from './random.ts'

export type { CityEvent } from './order.ts'

export interface CityOptions {
  readonly seed: number
  readonly stores?: number
  readonly couriers?: number
  readonly customers?: number
  /** Mean over a day, per second of the city's own time. */
  readonly eventsPerSecond: number
  /** The first order comes after this. With `past`, not before its `sentUntil`. */
  readonly startAt: Millis
  /** A city that ran before with the same seed, counts and demand: its orders in flight end, then new ones come. */
  readonly past?: CityMemory
}

/** All that has to be remembered for going on. */
export interface CityMemory {
  /** Part of every id, so that no two cities share one. */
  readonly founded: Millis
  /** When orders came in: [from, to), in order, as far back as one may be in flight. */
  readonly open: readonly (readonly [Millis, Millis])[]
  /** Every event sent up to then was given out. */
  readonly sentUntil: Millis
}

export interface City {
  /**
   * The next events with a timestamp up to `until`, in that order: about `limit` of them (all of the last one's
   * millisecond). Fewer mean that there is no more until then. Time only goes on.
   */
  next(until: Millis, limit?: number): CityEvent[]
  /** No orders come in until then; those in flight go on. */
  rest(until: Millis): void
  memory(): CityMemory
}

/** Orders are made by slices of time, each with its own chance. */
const SLICE_MS = 10_000

const COUNTS = { stores: 40, couriers: 60, customers: 400 }

/** What is known of the city's stores, by their ids; it does not change. */
export function storesOf({ seed, ...counts }: Pick<CityOptions, 'seed' | 'stores' | 'couriers' | 'customers'>) {
  const { stores } = settle(seed, { ...COUNTS, ...counts })
  return stores.map(({ id, city, prepSeconds }) => {
    const name = `${city.charAt(0)}${city.slice(1).toLowerCase()} ${id.replace('store-', '')}`
    return { key: id, event: { storeId: id, name, city, usualPrepSeconds: Math.round(prepSeconds) } }
  })
}

export function createCity(options: CityOptions): City {
  const { seed, past, stores = COUNTS.stores, couriers = COUNTS.couriers, customers = COUNTS.customers } = options
  const people = settle(seed, { stores, couriers, customers })
  const founded = past?.founded ?? Math.floor(options.startAt)
  const pending = new Queue<{ order: Order; step: number }>()

  let sentUntil = past?.sentUntil ?? founded - 1
  const open: [Millis, Millis][] = past ? past.open.map(([from, to]) => [from, to]) : []
  open.push([Math.max(options.startAt, sentUntil + 1), Number.POSITIVE_INFINITY])
  let slice = Math.floor((past ? sentUntil - LONGEST_LIFE_MS : founded) / SLICE_MS)

  const isOpen = (at: Millis) => open.some(([from, to]) => from <= at && at < to)

  function makeSlice(): void {
    const start = slice * SLICE_MS
    const number = (slice - Math.floor(founded / SLICE_MS)).toString(36)
    slice++
    if (!open.some(([from, to]) => from < start + SLICE_MS && start < to)) return
    const chance = random(`orders/${seed}/${founded}/${number}`)
    const gap = (1000 * EVENTS_PER_ORDER) / (options.eventsPerSecond * load(start + SLICE_MS / 2))
    let at = start + chance.exponential(gap)
    for (let i = 1; at < start + SLICE_MS; i++) {
      const order = liveOrder(`order-${founded.toString(36)}-${number}-${i}`, Math.floor(at), people, chance)
      queueStep(order, 0)
      at += chance.exponential(gap)
    }
  }

  function queueStep(order: Order, from: number): void {
    let step = from
    while (step < order.steps.length && (order.steps[step]?.sentAt as number) <= sentUntil) step++
    const next = order.steps[step]
    if (next) pending.put(next.sentAt, { order, step })
  }

  return {
    next(time, limit = Number.POSITIVE_INFINITY) {
      const until = Math.floor(time)
      const events: CityEvent[] = []
      let last = Number.NEGATIVE_INFINITY
      for (;;) {
        while (slice * SLICE_MS <= Math.min(pending.first, until)) makeSlice()
        if (pending.first > until) break
        if (events.length >= limit && pending.first > last) {
          sentUntil = Math.max(sentUntil, last)
          return events
        }
        last = pending.first
        const { order, step } = pending.take() as { order: Order; step: number }
        if (!isOpen(order.createdAt)) continue
        events.push(eventOf(order, order.steps[step] as Order['steps'][number]))
        const following = order.steps[step + 1]
        if (following) pending.put(following.sentAt, { order, step: step + 1 })
      }
      sentUntil = Math.max(sentUntil, until)
      return events
    },
    rest(until) {
      const current = open[open.length - 1] as [Millis, Millis]
      current[1] = Math.max(current[0], sentUntil + 1)
      open.push([Math.max(until, current[1]), Number.POSITIVE_INFINITY])
    },
    memory() {
      const recent = open.filter(([, to]) => to > sentUntil - LONGEST_LIFE_MS)
      return { founded, sentUntil, open: recent.map(([from, to]) => [from, Math.min(to, sentUntil + 1)]) }
    },
  }
}
