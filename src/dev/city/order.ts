/** The life of one order, lived in advance: what happens, when, and when the news of it is sent. */
import type { Millis } from '../../core/model.ts'
import { load } from './demand.ts'
import type { Courier, Customer, People, Store } from './people.ts'
import type { Random } from './random.ts'

/** An event as its service sends it. `event` fits the Avro schema of the topic. */
export interface CityEvent {
  readonly topic: 'orders' | 'acceptances'
  readonly key: string
  readonly event: Readonly<Record<string, unknown>>
  /** When it is sent: mostly a moment after it occurred, at times minutes, at times (by a fast clock) before. */
  readonly timestamp: Millis
}

type Kind = 'created' | 'store-accepted' | 'courier-accepted' | 'picked' | 'delivered' | 'cancelled'

export interface Step {
  readonly kind: Kind
  readonly occurredAt: Millis
  readonly sentAt: Millis
}

export interface Order {
  readonly id: string
  readonly createdAt: Millis
  readonly store: Store
  readonly courier: Courier
  readonly customer: Customer
  readonly city: string
  readonly totalCents: number
  readonly offeredAt: Millis
  readonly waitingSeconds: number
  /** In the order of sending. */
  readonly steps: readonly Step[]
}

/** No event of an order is sent later than this after its creation. */
export const LONGEST_LIFE_MS = 7_200_000

const CANCELLED = 0.06
/** How a cancelled order ends: after how many of created, store, courier, picked. Cumulative. */
const CANCELLED_AFTER = [0.35, 0.65, 0.9, 1]
/** Mean number of events of one order, from the shares above. */
export const EVENTS_PER_ORDER = (1 - CANCELLED) * 5 + CANCELLED * (0.35 * 2 + 0.3 * 3 + 0.25 * 4 + 0.1 * 5)

/** Load tests run in production, as in life: filters have something to filter. */
const TEST_SHARE = 0.01
const LATE = 0.03
const FAST_CLOCK = 0.01

export function liveOrder(id: string, createdAt: Millis, people: People, chance: Random): Order {
  const store = people.stores[chance.pick(people.storeShares)] as Store
  const courier = people.couriers[chance.pick(people.courierShares)] as Courier
  const customer = people.customers[chance.pick(people.customerShares)] as Customer
  const busy = load(createdAt)
  const after = (from: Millis, seconds: number) => from + Math.max(1, Math.round(seconds * 1000))

  const storeAt = after(createdAt, chance.around(store.acceptSeconds, 0.5, 3, 180))
  const courierAt = after(storeAt, chance.around(courier.acceptSeconds * (0.6 + 0.4 * busy), 0.6, 3, 600))
  const cookedAt = after(storeAt, chance.around(store.prepSeconds * (0.75 + 0.25 * busy), 0.3, 60, 2400))
  const atStore = after(courierAt, chance.around(180 * courier.pace, 0.5, 20, 900))
  const pickedAt = after(Math.max(cookedAt, atStore), chance.between(10, 60))
  const atDoor = after(pickedAt, chance.around(600 * courier.pace, 0.4, 90, 1800))
  const waitingSeconds = Math.round(chance.around(customer.doorSeconds, 0.5, 2, 600) * 10) / 10
  const times = [createdAt, storeAt, courierAt, pickedAt, after(atDoor, waitingSeconds)]
  const kinds: Kind[] = ['created', 'store-accepted', 'courier-accepted', 'picked', 'delivered']

  if (chance.chance(CANCELLED)) {
    const end = chance.unit()
    const last = CANCELLED_AFTER.findIndex((share) => end < share)
    const from = times[last] as number
    const at = from + Math.max(1, Math.round(chance.unit() * ((times[last + 1] as number) - from)))
    times.splice(last + 1, times.length, at)
    kinds.splice(last + 1, kinds.length, 'cancelled')
  }
  const steps = kinds.map((kind, i) => {
    const occurredAt = times[i] as number
    return { kind, occurredAt, sentAt: sent(kind, occurredAt, chance) }
  })
  return {
    id,
    createdAt,
    store,
    courier,
    customer,
    city: chance.chance(TEST_SHARE) ? 'TEST' : store.city,
    totalCents: Math.round(chance.around(store.basketCents, 0.4, 300, 20_000)),
    offeredAt: storeAt,
    waitingSeconds,
    steps: steps.sort((a, b) => a.sentAt - b.sentAt),
  }
}

function sent(kind: Kind, occurredAt: Millis, chance: Random): Millis {
  if (chance.chance(LATE)) return occurredAt + Math.round(chance.logBetween(5000, 240_000))
  // orders are created on a server, whose clock is right; the rest is said by phones and tablets
  if (kind !== 'created' && chance.chance(FAST_CLOCK)) return occurredAt - Math.round(chance.between(100, 2000))
  return occurredAt + Math.round(chance.exponential(120))
}

/** What the order's services say of one step. */
export function eventOf(order: Order, step: Step): CityEvent {
  const common = {
    eventId: `${order.id}-${step.kind}`,
    occurredAt: step.occurredAt,
    orderId: order.id,
    storeId: order.store.id,
  }
  const sending = { key: order.id, timestamp: step.sentAt }
  if (step.kind === 'store-accepted' || step.kind === 'courier-accepted') {
    const byStore = step.kind === 'store-accepted'
    const event = {
      ...common,
      by: byStore ? 'STORE' : 'COURIER',
      courierId: byStore ? null : order.courier.id,
      secondsToAccept: (step.occurredAt - (byStore ? order.createdAt : order.offeredAt)) / 1000,
    }
    return { topic: 'acceptances', ...sending, event }
  }
  const event = {
    ...common,
    type: `ORDER_${step.kind.toUpperCase()}`,
    customerId: order.customer.id,
    courierId: hasCourier(order, step) ? order.courier.id : null,
    city: order.city,
    totalCents: order.totalCents,
    prepSeconds: step.kind === 'picked' ? (step.occurredAt - order.createdAt) / 1000 : null,
    waitingSeconds: step.kind === 'delivered' ? order.waitingSeconds : null,
  }
  return { topic: 'orders', ...sending, event }
}

function hasCourier(order: Order, step: Step): boolean {
  if (step.kind === 'created') return false
  return order.steps.some((other) => other.kind === 'courier-accepted' && other.occurredAt <= step.occurredAt)
}
