import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { seeded } from '../../bench/orders.ts'
import type { Batch, Transport } from '../../src/core/model.ts'
import { describeWith } from '../services/index.ts'
import { Deployment, EVENTS, PARTITIONS } from './world.ts'

const PATIENCE = { timeout: 900_000 }

/** Every event under the key of its store, with a field more. */
const through = (from: string, to: string) => `topology: through
kind: transform
from: ${from}
let: { minutes: event.prepSeconds / 60.0 }
keep: all
map: { prepMinutes: minutes }
key: event.storeId
to: ${to}
`

/** How many records stand in a topic, and how many names they have. */
async function namesIn(transport: Transport, topic: string): Promise<{ records: number; names: number }> {
  const names = new Set<string>()
  let records = 0
  for (const [partition, { start, end }] of (await transport.ranges(topic)).entries())
    for (let position = start; position < end; ) {
      const batch: Batch = await transport.read({ topic, partition }, position)
      for (const { headers } of batch.records) names.add(String(headers['millrace-id']))
      records += batch.records.length
      position = batch.next
    }
  return { records, names: names.size }
}

describeWith(
  ['kafka', 'registry', 'redis'],
  `${EVENTS} events through a transform into features, on Kafka, registry and Redis, equal the oracle`,
  (services) => {
    const partitionOf = (event: { orderId: string }) => Number(event.orderId.slice(1)) % PARTITIONS

    test('with kill -9 of workers at eight random moments; each is made under one name', PATIENCE, async () => {
      const { deployment, transport, schemaId } = await Deployment.onServers(services, { through })
      const random = seeded(Number(process.env.W1_SEED ?? 11))
      for (let i = 0; i < 3; i++) await deployment.startWorker()
      const pieces = 8 * 6
      for (let piece = 1; piece <= pieces; piece++) {
        const count = Math.floor((EVENTS * piece) / pieces) - Math.floor((EVENTS * (piece - 1)) / pieces)
        await deployment.produce({ transport, schemaId, partitionOf, count })
        // in the middle of what is not committed yet
        await sleep(random() * 300)
        if (piece % 6 > 0) continue
        const victim = deployment.workers[Math.floor(random() * deployment.workers.length)]
        if (victim) await deployment.killWorker(victim)
        await deployment.startWorker()
      }
      await deployment.expectExact()
      const { records, names } = await namesIn(transport, `${deployment.name}-made`)
      expect(names).toBe(EVENTS)
      expect(records).toBeGreaterThan(EVENTS)
    })
  },
)
