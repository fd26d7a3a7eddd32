/**
 * The events of the benchmark: a deterministic stream of orders over stores of skewed popularity. Step i is phase
 * i mod 4 (created, accepted, picked, delivered) of order floor(i / 4) − phase × 1,000, so an order's next event
 * comes 1,000 orders (8 s of event time) later. Event times are 2 ms apart.
 */
export interface OrderEvent {
  readonly eventId: string
  readonly type: string
  readonly occurredAt: number
  readonly orderId: string
  readonly storeId: string
  readonly customerId: string
  readonly courierId: string | null
  readonly cityCode: string
  readonly totalCents: number
  readonly prepSeconds: number
  readonly items: readonly { sku: string; quantity: number; priceCents: number }[]
  readonly location: { lat: number; lon: number }
}

export const FIRST_EVENT_AT = Date.UTC(2026, 0, 1)
const APART = 1_000
const TYPES = ['ORDER_CREATED', 'ORDER_ACCEPTED', 'ORDER_PICKED', 'ORDER_DELIVERED']
const CITIES = ['BCN', 'MAD', 'ROM', 'WAW', 'LIS']

/** Mulberry32: a small seeded generator of numbers in [0, 1). */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** Number of the order that step `i` is about; negative before the order exists. */
export const orderOf = (i: number): number => (i >> 2) - (i & 3) * APART

/** Event of step `i`; undefined where its order does not exist yet. */
export function orderEvent(i: number, stores: number): OrderEvent | undefined {
  const phase = i & 3
  const order = orderOf(i)
  if (order < 0) return undefined
  const ofOrder = seeded(order * 7919 + 1)
  const ofEvent = seeded(i * 104729 + 2)
  const store = Math.floor(stores * ofOrder() * ofOrder())
  const customer = Math.floor(ofOrder() * 1e6)
  const courier = Math.floor(ofOrder() * 20_000)
  const items = Array.from({ length: 1 + Math.floor(ofOrder() * 3) }, () => ({
    sku: `sku-${Math.floor(ofOrder() * 5_000)}`,
    quantity: 1 + Math.floor(ofOrder() * 3),
    priceCents: Math.floor(ofOrder() * 3_000),
  }))
  return {
    eventId: `e${String(i).padStart(15, '0')}`,
    type: TYPES[phase] as string,
    occurredAt: FIRST_EVENT_AT + i * 2,
    orderId: `o${order}`,
    storeId: `store-${store}`,
    customerId: `cust-${customer}`,
    courierId: phase === 0 ? null : `courier-${courier}`,
    cityCode: CITIES[store % 5] as string,
    totalCents: Math.floor(ofOrder() * 10_000),
    prepSeconds: Math.floor(ofEvent() * 3_600),
    items,
    location: { lat: 41 + ofEvent(), lon: 2 + ofEvent() },
  }
}

/** The first `count` events that exist, in order of time. */
export function* orderEvents(count: number, stores: number): Generator<OrderEvent> {
  for (let i = 0, made = 0; made < count; i++) {
    const event = orderEvent(i, stores)
    if (!event) continue
    made++
    yield event
  }
}
