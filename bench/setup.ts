/** The services of a run, the events in their topic, and what the results must be. All on this machine's loopback. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { InputRecord, Registry, Transport } from '../src/core/model.ts'
import { loadPart, type PartFolder } from '../src/core/part.ts'
import { starters } from '../test/services/catalog.ts'
import { Oracle } from './oracle.ts'
import { Taken } from './w0.ts'
import { orderNumber, orderSchema, produce } from './w1.ts'

export const TOPIC = 'orders'
export const PARTITIONS = 8
export const STORES = 10_000

export interface Setup {
  readonly events: number
  readonly brokers: string[]
  readonly registryUrl: string
  readonly redisUrl: string
  readonly transport: Transport
  readonly registry: Registry
  readonly schemaId: number
  /** Process ids, undefined for containers. */
  readonly pids: { readonly broker: number | undefined; readonly redis: number | undefined }
  /** For files; removed at the end. */
  readonly directory: string
  /** What W1 and W0 must have made of the events. */
  readonly oracle: Oracle
  readonly taken: Taken
  close(): Promise<void>
}

const silent = () => undefined
const log = { debug: silent, info: silent, warn: silent, error: silent }

export async function openPart<T>(folder: PartFolder, kind: string, settings: object): Promise<T> {
  const part = await loadPart<unknown, T>(folder, kind)
  return part.open(part.config.parse(settings), { directory: tmpdir(), deployment: 'bench', log })
}

export async function openSetup(events: number): Promise<Setup> {
  const closing: (() => Promise<unknown>)[] = []
  const close = async () => {
    for (const end of closing.splice(0).reverse()) await end()
  }
  try {
    const directory = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
    closing.push(() => rm(directory, { recursive: true, force: true }))
    const kafka = await starters.kafka()
    closing.push(() => kafka.stop())
    const registryService = await starters.registry()
    closing.push(() => registryService.stop())
    const registryUrl = registryService.url
    const redis = await starters.redis()
    closing.push(() => redis.stop())
    const { brokers } = kafka
    const transport = await openPart<Transport>('transports', 'kafka', { brokers })
    closing.push(() => transport.close())
    const registry = await openPart<Registry>('registries', 'confluent', { url: registryUrl })
    closing.push(() => registry.close())
    await transport.create({ name: TOPIC, partitions: PARTITIONS, retentionMs: -1 })
    const schemaId = await registry.register(`${TOPIC}-value`, await orderSchema())
    const oracle = new Oracle()
    const taken = new Taken()
    const partitionOf = (event: Parameters<typeof orderNumber>[0]) => orderNumber(event) % PARTITIONS
    const both = {
      add: (event: Parameters<Oracle['add']>[0]) => {
        oracle.add(event)
        taken.event(event)
      },
    }
    await produce({ transport, topic: TOPIC, schemaId, count: events, stores: STORES, partitionOf, oracle: both })
    const pids = { broker: kafka.pid, redis: redis.pid }
    const at = { brokers: [...brokers], registryUrl, redisUrl: redis.url }
    return { events, ...at, transport, registry, schemaId, pids, directory, oracle, taken, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** All records of a topic as it stands, partition after partition. */
export async function* recordsOf(transport: Transport, topic: string): AsyncGenerator<InputRecord> {
  for (const [partition, { start, end }] of (await transport.ranges(topic)).entries()) {
    let position = start
    while (position < end) {
      const batch = await transport.read({ topic, partition }, position)
      if (batch.next === position) break
      yield* batch.records
      position = batch.next
    }
  }
}
