/**
 * How long from an event to its feature, at a fixed rate of events: from just before a batch is sent to the broker (its acknowledgement
 * included) until the value can be read from Redis. Sampled: one event of each batch is the first of a store of its own, which is
 * looked for all the time.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Draft, FeatureStore } from '../src/core/model.ts'
import { checkProject } from '../src/project/check.ts'
import { endsWithUs } from './children.ts'
import { configOf } from './millrace.ts'
import { orderEvents } from './orders.ts'
import { openPart, PARTITIONS, type Setup, STORES } from './setup.ts'
import { orderEncoder, orderNumber, startWorker, writeProject } from './w1.ts'

const TOPIC = 'orders-live'
const EVERY_MS = 10
const WARM_UP_MS = 5_000
const PATIENCE_MS = 30_000

export interface Delays {
  /** Asked for, and reached. */
  readonly rate: number
  readonly reached: number
  /** In milliseconds, sorted. */
  readonly samples: readonly number[]
}

export async function measureDelays(setup: Setup, rate: number, seconds: number): Promise<Delays> {
  const { transport, registry } = setup
  await transport.create({ name: TOPIC, partitions: PARTITIONS, retentionMs: -1 })
  const schemaId = await registry.register(`${TOPIC}-value`, (await registry.latest('orders-value'))?.schema)
  const encode = await orderEncoder(schemaId)
  const home = join(setup.directory, 'delay')
  const config = {
    ...configOf(setup, 'delay'),
    topics: { [TOPIC]: { time: 'occurredAt', schema: 'schemas/orders.avsc' } },
  }
  await writeProject(home, config, (yaml) => yaml.replace('from: orders', `from: ${TOPIC}`))
  const generation = (await checkProject(home)).project?.topologies[0]?.generation
  const store = await openPart<FeatureStore>('stores', 'redis', { url: setup.redisUrl, prefix: 'delay' })
  const worker = await startWorker(home)
  endsWithUs(worker.process)
  const waiting = new Map<string, number>()
  const samples: number[] = []
  let isSent = false
  const look = async () => {
    const deadline = Date.now() + WARM_UP_MS + seconds * 1_000 + PATIENCE_MS
    while (!isSent || waiting.size > 0) {
      if (Date.now() > deadline) throw new Error(`${waiting.size} values did not come`)
      const ids = [...waiting.keys()]
      const found = await store.read(`w1@${generation}`, ids)
      const now = performance.now()
      for (const [i, id] of ids.entries()) {
        if (!found[i]) continue
        samples.push(now - (waiting.get(id) as number))
        waiting.delete(id)
      }
      await sleep(1)
    }
  }
  const send = async () => {
    const perBatch = (rate * EVERY_MS) / 1_000
    const batches = ((WARM_UP_MS / 1_000 + seconds) * 1_000) / EVERY_MS
    const events = orderEvents(batches * perBatch, STORES)
    const warm = WARM_UP_MS / EVERY_MS
    const startedAt = performance.now()
    const writes: Promise<void>[] = []
    let measuredAt = startedAt
    for (let n = 0; n < batches; n++) {
      const wait = startedAt + n * EVERY_MS - performance.now()
      if (wait > 0) await sleep(wait)
      if (n === warm) measuredAt = performance.now()
      const now = Date.now()
      const drafts: Draft[] = []
      for (let i = 0; i < perBatch; i++) {
        const event = events.next().value
        if (!event) break
        const storeId = n >= warm && i === 0 ? `probe-${n}` : event.storeId
        const value = encode({ ...event, storeId, occurredAt: now })
        drafts.push({
          topic: TOPIC,
          partition: orderNumber(event) % PARTITIONS,
          key: event.orderId,
          value,
          timestamp: now,
        })
      }
      if (n >= warm) waiting.set(`probe-${n}`, performance.now())
      writes.push(transport.write(drafts))
    }
    const reached = ((batches - warm) * perBatch) / ((performance.now() - measuredAt) / 1_000)
    await Promise.all(writes)
    isSent = true
    return reached
  }
  try {
    const [reached] = await Promise.all([send(), look()])
    return { rate, reached, samples: samples.sort((a, b) => a - b) }
  } finally {
    isSent = true
    waiting.clear()
    await worker.stop()
    await store.close()
    for (const topic of [TOPIC, 'delay-dead-letters', `delay.w1.${generation}.shuffle`])
      await transport.deleteTopic(topic)
  }
}

/** `share` of 0.99: the sample that 99 % are not above. */
export const percentile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] as number
