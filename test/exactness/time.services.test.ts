import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { type OrderEvent, orderEvent } from '../../bench/orders.ts'
import { orderEncoder, type RunningWorker } from '../../bench/w1.ts'
import { describeWith } from '../services/index.ts'
import { until } from './probe.ts'
import { type Addresses, Deployment, PARTITIONS } from './world.ts'

const PATIENCE = { timeout: 180_000 }
const DAY = 86_400_000

interface Value {
  readonly value: number | null
  readonly asOf: string | null
}

/** A feature as the API gives it. */
async function feature({ url }: RunningWorker, store: string, name: string): Promise<Value> {
  const response = await fetch(`${url}/v1/features/store/${store}?features=${name}`)
  const { features } = (await response.json()) as { features: Record<string, Value> }
  return features[name] as Value
}

const untilValue = (worker: RunningWorker, wanted: number) =>
  until(
    'events_10m',
    () => feature(worker, 'store-1', 'events_10m'),
    ({ value }) => value === wanted,
  )

/** A deployment whose `events_10m` counts over `window`, and how to write events to it. */
async function deploy(services: Addresses, window: string) {
  const engine = { idle: '500ms', heartbeat: '200ms' }
  const topology = (yaml: string) => yaml.replace('window: 10m', `window: ${window}`)
  const { deployment, transport, schemaId } = await Deployment.onServers(services, { engine, topology })
  const encode = await orderEncoder(schemaId)
  const send = (events: readonly OrderEvent[]) =>
    transport.write(
      events.map((event, i) => ({
        topic: deployment.name,
        partition: i % PARTITIONS,
        key: event.orderId,
        value: encode(event),
        timestamp: event.occurredAt,
      })),
    )
  return { deployment, send }
}

const event = (storeId: string, occurredAt: number, n = 0): OrderEvent => ({
  ...(orderEvent(4 * n, 1) as OrderEvent),
  storeId,
  occurredAt,
})

describeWith(['kafka', 'registry', 'redis'], 'time on real services', (services) => {
  test('a window with one event returns to 0 by itself', PATIENCE, async () => {
    const { deployment, send } = await deploy(services, '3s')
    const worker = await deployment.startWorker()
    const at = Date.now()
    await send([event('store-1', at)])
    await untilValue(worker, 1)
    const { asOf } = await untilValue(worker, 0)
    expect(Date.parse(asOf as string)).toBeGreaterThanOrEqual(at + 3_000)
    expect((await feature(worker, 'store-1', 'prep_mean_50')).value).not.toBeNull()
  })

  test('a window with one event returns to 0 after a restart that spanned it', PATIENCE, async () => {
    const { deployment, send } = await deploy(services, '15s')
    const first = await deployment.startWorker()
    const at = Date.now()
    await send([event('store-1', at)])
    await untilValue(first, 1)
    await deployment.stopWorker(first)
    const [stored] = await deployment.store.read(await deployment.namespace(), ['store-1'])
    expect(stored?.values.events_10m).toBe(1)
    await sleep(Math.max(0, at + 16_000 - Date.now()))
    const second = await deployment.startWorker()
    const { asOf } = await untilValue(second, 0)
    expect(Date.parse(asOf as string)).toBeGreaterThanOrEqual(at + 15_000)
  })

  test("a replay of last month computes last month's windows", PATIENCE, async () => {
    const { deployment, send } = await deploy(services, '10m')
    const end = Date.now() - 30 * DAY
    const minutes = (count: number) => count * 60_000
    const lastAt = { 'store-1': end, 'store-2': end - minutes(60), 'store-3': end - minutes(5) }
    const events = Object.entries(lastAt).flatMap(([store, last], s) =>
      Array.from({ length: 720 }, (_, i) => event(store, last - i * 10_000, s * 720 + i)),
    )
    for (const one of events) deployment.oracle.add(one)
    await send(events.sort((a, b) => a.occurredAt - b.occurredAt))
    const worker = await deployment.startWorker()
    await deployment.expectExact()
    expect((await feature(worker, 'store-2', 'events_10m')).value).toBe(0)
    for (const [store, least] of [
      ['store-1', 30],
      ['store-3', 10],
    ] as const) {
      const { value, asOf } = await feature(worker, store, 'events_10m')
      expect(value).toBeGreaterThan(least)
      expect(Date.parse(asOf as string)).toBeLessThan(end + minutes(5))
    }
  })
})
