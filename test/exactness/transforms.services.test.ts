import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { seeded } from '../../bench/orders.ts'
import { avroDecoder, avroEncoder } from '../../src/codecs/avro/index.ts'
import type { Batch, Transport } from '../../src/core/model.ts'
import { SILENT } from '../../src/core/part.ts'
import { describeWith } from '../services/index.ts'
import { Deployment, EVENTS, PARTITIONS } from './world.ts'

const PATIENCE = { timeout: 900_000 }
const COUNT = Math.min(EVENTS, 600_000)

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

async function* batchesOf(transport: Transport, topic: string): AsyncIterable<Batch> {
  for (const [partition, { start, end }] of (await transport.ranges(topic)).entries())
    for (let position = start; position < end; ) {
      const batch = await transport.read({ topic, partition }, position)
      yield batch
      position = batch.next
    }
}

/** How many records stand in a topic, and how many names they have. */
async function namesIn(transport: Transport, topic: string): Promise<{ records: number; names: number }> {
  const names = new Set<string>()
  let count = 0
  for await (const { records } of batchesOf(transport, topic)) {
    for (const { headers } of records) names.add(String(headers['millrace-id']))
    count += records.length
  }
  return { records: count, names: names.size }
}

const PLACE = { type: 'record', name: 'Place', fields: [{ name: 'region', type: 'string' }] }

describeWith(
  ['kafka', 'registry', 'redis'],
  `${COUNT} events through a transform into features, on Kafka, registry and Redis, equal the oracle`,
  (services) => {
    const partitionOf = (event: { orderId: string }) => Number(event.orderId.slice(1)) % PARTITIONS

    test('with kill -9 of workers at eight random moments; each is made under one name', PATIENCE, async () => {
      const { deployment, transport, schemaId } = await Deployment.onServers(services, { through })
      const random = seeded(Number(process.env.W1_SEED ?? 11))
      for (let i = 0; i < 3; i++) await deployment.startWorker()
      const pieces = 8 * 6
      for (let piece = 1; piece <= pieces; piece++) {
        const count = Math.floor((COUNT * piece) / pieces) - Math.floor((COUNT * (piece - 1)) / pieces)
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
      expect(names).toBe(COUNT)
      expect(records).toBeGreaterThan(COUNT)
    })

    test('every worker finds in a compacted topic what was known when it began', PATIENCE, async () => {
      const { deployment, transport, schemas, schemaId } = await Deployment.onServers(services, {
        stores: 50,
        through: (from, to) => `topology: through
kind: transform
from: ${from}
tables: { place: { topic: ${from}-places, key: event.storeId } }
keep: all
map: { region: place.region }
to: ${to}
`,
      })
      const { directory, name } = deployment
      const places = `${name}-places`
      await writeFile(join(directory, 'schemas', `${places}.avsc`), JSON.stringify(PLACE))
      await transport.create({ name: places, partitions: 3, retentionMs: -1, compacted: true })
      const encoder = avroEncoder({ schema: PLACE, id: await schemas.register(`${places}-value`, PLACE) })
      for (const round of ['old', 'new'])
        await transport.write(
          Array.from({ length: 50 }, (_, store) => ({
            topic: places,
            key: `store-${store}`,
            value: encoder.encode({ region: `${round} store-${store}` }),
          })),
        )
      for (let i = 0; i < 3; i++) await deployment.startWorker()
      await deployment.produce({ transport, schemaId, partitionOf, count: 10_000 })
      await deployment.expectExact()
      const subject = await schemas.latest(`${name}-made-value`)
      const fields = [['storeId'], ['region']]
      const decoder = avroDecoder({ registry: schemas, schema: subject?.schema, fields, log: SILENT })
      const found = new Map<unknown, unknown>()
      for await (const { records } of batchesOf(transport, `${name}-made`)) {
        await decoder.prepare(records)
        for (const record of records) {
          const { storeId: store, region } = decoder.record(record)
          expect(region).toBe(`new ${store}`)
          found.set(store, region)
        }
      }
      expect(found.size).toBeGreaterThan(40)
    })
  },
)
