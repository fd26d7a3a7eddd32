import { readFileSync } from 'node:fs'
import avro from 'avsc'
import { describe, expect, it } from 'vitest'
import { type City, type CityEvent, createCity, storesOf } from '../../../src/dev/city/index.ts'
import { EVENTS_PER_ORDER, LONGEST_LIFE_MS } from '../../../src/dev/city/order.ts'

const NOON = Date.UTC(2026, 4, 1, 12)
const HOUR = 3_600_000

const make = (more: Partial<Parameters<typeof createCity>[0]> = {}) =>
  createCity({ seed: 7, eventsPerSecond: 5, startAt: NOON, ...more })

interface Told {
  eventId: string
  type?: string
  by?: string
  occurredAt: number
  orderId: string
  storeId: string
  customerId?: string
  courierId: string | null
  city?: string
  prepSeconds?: number | null
  waitingSeconds?: number | null
  secondsToAccept?: number
}
const told = (event: CityEvent) => event.event as unknown as Told

function byOrder(events: readonly CityEvent[]): Map<string, CityEvent[]> {
  const orders = new Map<string, CityEvent[]>()
  for (const event of events) {
    const order = orders.get(event.key)
    if (order) order.push(event)
    else orders.set(event.key, [event])
  }
  return orders
}

/** Six hours of orders, lived to their ends. */
const lived: readonly CityEvent[] = (() => {
  const city = make()
  const events = city.next(NOON + 6 * HOUR)
  city.rest(NOON + 100 * HOUR)
  return [...events, ...city.next(NOON + 20 * HOUR)]
})()

describe('a city', () => {
  it('lives the same life again from the same seed, and another from another', () => {
    expect(make().next(NOON + HOUR)).toEqual(make().next(NOON + HOUR))
    expect(make({ seed: 8 }).next(NOON + HOUR)).not.toEqual(make().next(NOON + HOUR))
  })

  it('gives the same events however it is asked', () => {
    const city = make()
    const pieces: CityEvent[] = []
    for (let at = NOON; at < NOON + HOUR; at += 1777) pieces.push(...city.next(at))
    pieces.push(...drain(city, NOON + HOUR, 10))
    expect(pieces).toEqual(make().next(NOON + HOUR))
  })

  it('gives events in the order of sending, never past the time asked for', () => {
    const events = make().next(NOON + HOUR)
    const times = events.map((event) => event.timestamp)
    expect(times).toEqual([...times].sort((a, b) => a - b))
    expect(times.at(-1)).toBeLessThanOrEqual(NOON + HOUR)
    expect(times[0]).toBeGreaterThanOrEqual(NOON)
  })

  it('keeps to the limit but for events of one millisecond', () => {
    const city = make({ eventsPerSecond: 50 })
    const events = city.next(NOON + HOUR, 100)
    expect(events.length).toBeGreaterThanOrEqual(100)
    expect(new Set(events.slice(99).map((event) => event.timestamp)).size).toBe(1)
  })

  it('fits the Avro schemas of its topics', () => {
    const types = new Map(
      (['orders', 'acceptances'] as const).map((topic) => {
        const schema = JSON.parse(readFileSync(new URL(`../../../schemas/${topic}.avsc`, import.meta.url), 'utf8'))
        return [topic, avro.Type.forSchema(schema, { wrapUnions: false })]
      }),
    )
    const wrong = lived.filter(({ topic, event, key }) => !types.get(topic)?.isValid(event) || key !== event.orderId)
    expect(wrong).toEqual([])
    const [first] = lived as [CityEvent]
    const type = types.get(first.topic) as avro.Type
    expect(type.fromBuffer(type.toBuffer(first.event))).toMatchObject(first.event)
  })

  it('lets every order live in causal order, from creation to an end', () => {
    const before: Record<string, string[]> = {
      'store-accepted': ['created'],
      'courier-accepted': ['store-accepted'],
      picked: ['store-accepted', 'courier-accepted'],
      delivered: ['picked'],
      cancelled: ['created'],
    }
    const wrong: string[] = []
    for (const [id, events] of byOrder(lived)) {
      const at = new Map(events.map((event) => [told(event).eventId.slice(id.length + 1), told(event).occurredAt]))
      const end = at.get('delivered') ?? at.get('cancelled') ?? Number.NaN
      const causal = [...at].every(([step, time]) =>
        (before[step] ?? []).every((cause) => (at.get(cause) as number) < time),
      )
      const ends = at.has('delivered') !== at.has('cancelled') && events.every((event) => told(event).occurredAt <= end)
      const last = Math.max(...events.map((event) => event.timestamp))
      const soon = last - (at.get('created') as number) < LONGEST_LIFE_MS
      if (!(causal && ends && soon)) wrong.push(id)
    }
    expect(wrong).toEqual([])
  })

  it('says how long things took, as they took', () => {
    const seconds = (from: Told, to: Told) => (to.occurredAt - from.occurredAt) / 1000
    const wrong = [...byOrder(lived).values()].filter((events) => {
      const all = events.map(told)
      const created = all.find((event) => event.type === 'ORDER_CREATED') as Told
      const picked = all.find((event) => event.type === 'ORDER_PICKED')
      const store = all.find((event) => event.by === 'STORE')
      const courier = all.find((event) => event.by === 'COURIER')
      const right =
        created.courierId === null &&
        (!picked || (picked.prepSeconds === seconds(created, picked) && picked.courierId === courier?.courierId)) &&
        (!store || store.secondsToAccept === seconds(created, store)) &&
        (!courier || courier.secondsToAccept === seconds(store as Told, courier))
      return !right
    })
    expect(wrong).toEqual([])
  })

  it('has a few events late, a few by fast clocks, and cancels about six orders in a hundred', () => {
    const events = lived
    const delays = events.map((event) => event.timestamp - told(event).occurredAt)
    const share = (of: (delay: number) => boolean) => delays.filter(of).length / delays.length
    expect(share((delay) => delay >= 5000)).toBeGreaterThan(0.02)
    expect(share((delay) => delay >= 5000)).toBeLessThan(0.04)
    expect(share((delay) => delay < 0)).toBeGreaterThan(0.003)
    expect(delays.filter((delay) => delay < -2000 || delay > 240_000)).toEqual([])
    const orders = byOrder(events)
    const cancelled = events.filter((event) => told(event).type === 'ORDER_CANCELLED').length / orders.size
    expect(cancelled).toBeGreaterThan(0.045)
    expect(cancelled).toBeLessThan(0.075)
    expect(Math.abs(events.length / orders.size - EVENTS_PER_ORDER)).toBeLessThan(0.05)
  })

  it('sends as many events as asked in the mean over a day, more at dinner than at night', () => {
    const city = make({ startAt: NOON - 2 * HOUR, eventsPerSecond: 2 })
    city.next(NOON)
    const perHour = Array.from({ length: 24 }, (_, i) => city.next(NOON + (i + 1) * HOUR).length)
    const mean = perHour.reduce((sum, count) => sum + count) / (24 * 3600)
    expect(mean).toBeGreaterThan(1.9)
    expect(mean).toBeLessThan(2.1)
    const [dinner, night] = [perHour[20 - 12], perHour[12 + 4]] as [number, number]
    expect(dinner / night).toBeGreaterThan(3)
  })

  it('has stores that differ in popularity and in speed', () => {
    const prep = new Map<string, number[]>()
    for (const event of lived.map(told))
      if (event.type === 'ORDER_PICKED')
        prep.set(event.storeId, (prep.get(event.storeId) ?? []).concat(event.prepSeconds as number))
    const means = [...prep.values()]
      .filter((all) => all.length > 50)
      .map((all) => all.reduce((a, b) => a + b) / all.length)
    expect(Math.max(...means) / Math.min(...means)).toBeGreaterThan(1.5)
    const counts = [...prep.values()].map((all) => all.length).sort((a, b) => a - b)
    expect((counts.at(-1) as number) / (counts[0] as number)).toBeGreaterThan(3)
    expect(prep.size).toBe(40)
    expect(prep.has('store-1')).toBe(true)
  })

  it('goes on after a stop as if there had been none', () => {
    const whole = make().next(NOON + 2 * HOUR)
    const first = make()
    const begun = first.next(NOON + HOUR)
    const past = JSON.parse(JSON.stringify(first.memory()))
    const second = make({ startAt: NOON + HOUR, past })
    const rest = second.next(NOON + 2 * HOUR)
    const text = (events: CityEvent[]) => events.map((event) => JSON.stringify(event)).sort()
    expect(text([...begun, ...rest])).toEqual(text(whole))
  })

  it('after a pause ends the orders in flight and takes none of those that came meanwhile', () => {
    const first = make()
    const begun = first.next(NOON + HOUR)
    const again = NOON + 30 * HOUR
    const second = make({ startAt: again, past: first.memory() })
    const orders = byOrder([...begun, ...second.next(again + HOUR)])
    const wrong = [...orders].filter(([, events]) => {
      const types = events.map((event) => told(event).type)
      const created = Math.min(...events.map((event) => told(event).occurredAt))
      if (created <= NOON + HOUR) return !types.includes('ORDER_CREATED') || !hasEnded(types)
      // the news of the last minutes' orders may be late
      return created < again || (created < again + HOUR / 2 && !types.includes('ORDER_CREATED'))
    })
    expect(wrong).toEqual([])
  })

  it('takes no orders while it rests', () => {
    const city = make()
    city.next(NOON + HOUR)
    city.rest(NOON + 5 * HOUR)
    const created = city
      .next(NOON + 6 * HOUR)
      .filter((event) => told(event).type === 'ORDER_CREATED')
      .map(told)
    expect(created.filter((event) => event.occurredAt > NOON + HOUR && event.occurredAt < NOON + 5 * HOUR)).toEqual([])
    expect(created.some((event) => event.occurredAt >= NOON + 5 * HOUR)).toBe(true)
  })

  it('never shares an order id with a city founded at another time', () => {
    const ids = (startAt: number) =>
      new Set(
        make({ startAt })
          .next(startAt + HOUR)
          .map((event) => event.key),
      )
    const [one, other] = [ids(NOON), ids(NOON + 1000)]
    expect([...one].filter((id) => other.has(id))).toEqual([])
  })
})

const hasEnded = (types: (string | undefined)[]) =>
  types.includes('ORDER_DELIVERED') || types.includes('ORDER_CANCELLED')

function drain(city: City, until: number, limit: number): CityEvent[] {
  const all: CityEvent[] = []
  for (;;) {
    const events = city.next(until, limit)
    all.push(...events)
    if (events.length < limit) return all
  }
}

describe('what is known of the stores', () => {
  it('is of those that get orders, with the city of their orders, and fits its schema', () => {
    const type = avro.Type.forSchema(JSON.parse(readFileSync('schemas/stores.avsc', 'utf8')))
    const known = new Map(storesOf({ seed: 7 }).map(({ key, event }) => [key, event]))
    for (const event of known.values()) type.toBuffer(event)
    const orders = lived.filter(({ topic }) => topic === 'orders').map(told)
    for (const { storeId, city } of orders) if (city !== 'TEST') expect(known.get(storeId)?.city).toBe(city)
    expect(known.size).toBe(40)
  })
})
