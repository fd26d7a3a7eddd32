import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { orderSchema, type Produce, type RunningWorker } from '../../bench/w1.ts'
import type { Draft, InputRecord, Transport } from '../../src/core/model.ts'
import { describeWith, uniqueName } from '../services/index.ts'
import { start as startKafka } from '../services/kafka.ts'
import type { Service } from '../services/recipe.ts'
import { start as startRedis } from '../services/redis.ts'
import { start as startRegistry } from '../services/registry.ts'
import { metric, readiness, unready, until } from './probe.ts'
import { type Addresses, Deployment, PARTITIONS } from './world.ts'

const PATIENCE = { timeout: 300_000 }
/** Events per stage of an outage: before, during, after. */
const STAGE = 3_000
const STORES = 50

async function owned<S extends Service>(starting: Promise<S>): Promise<S> {
  const service = await starting
  onTestFinished(() => service.stop())
  return service
}

/** A deployment with one worker that has computed the first stage; `more` produces another. */
async function running(services: Addresses) {
  const world = await Deployment.onServers(services, { stores: STORES, engine: { idle: '500ms', heartbeat: '200ms' } })
  const { deployment, transport, schemaId } = world
  const partitionOf = (event: { orderId: string }) => Number(event.orderId.slice(1)) % PARTITIONS
  const more = (options: Partial<Produce> = {}) =>
    deployment.produce({ transport, schemaId, partitionOf, count: STAGE, ...options })
  await more()
  const worker = await deployment.startWorker()
  await deployment.expectExact()
  expect(await unready(worker)).toBe('')
  return { ...world, worker, more }
}

/** SIGTERM ends a worker in 10 s with exit code 0, whatever is down. */
async function stopInTime(deployment: Deployment, worker: RunningWorker): Promise<void> {
  const before = Date.now()
  await deployment.stopWorker(worker)
  expect(Date.now() - before).toBeLessThan(10_000)
}

const saysWaiting = (worker: RunningWorker, reason: RegExp) =>
  until(
    'readiness',
    () => unready(worker),
    (said) => reason.test(said),
  )

const saysReady = (worker: RunningWorker) =>
  until(
    'readiness',
    () => unready(worker),
    (said) => said === '',
  )

/** Everything a topic holds now. */
async function readAll(transport: Transport, topic: string): Promise<InputRecord[]> {
  const records: InputRecord[] = []
  const ends = (await transport.ranges(topic)).map(({ end }) => end)
  const left = new Set(ends.flatMap((end, partition) => (end > 0 ? [partition] : [])))
  const { promise, resolve } = Promise.withResolvers<void>()
  if (left.size === 0) resolve()
  const membership = await transport.join(uniqueName('reader'), [topic], {
    opened: async () => 0,
    closed: () => undefined,
    batch: async (batch) => {
      records.push(...batch.records)
      if (batch.next >= (ends[batch.partition] ?? 0)) left.delete(batch.partition)
      if (left.size === 0) resolve()
    },
  })
  await promise
  await membership.leave()
  return records
}

describeWith(['kafka', 'registry', 'redis'], 'outages of real services', (services) => {
  test('Redis killed and started again: the worker waits, says so, and goes on', PATIENCE, async () => {
    const redis = await owned(startRedis({ appendonly: true }))
    const { deployment, worker, more } = await running({ ...services, redis })
    const other = await deployment.startWorker()
    await redis.kill9()
    await more()
    await saysWaiting(worker, /^w1: .*Redis/)
    expect((await readiness(worker)).code).toBe(503)
    expect((await fetch(`${worker.url}/health/live`)).status).toBe(200)
    expect((await fetch(`${worker.url}/v1/features/store/store-0`)).status).toBe(503)
    await until(
      'tasks that run',
      () => metric(worker, 'millrace_tasks', 'condition="running"'),
      (count) => count === 0,
    )
    await stopInTime(deployment, other)
    await redis.restart()
    await more()
    await deployment.expectExact()
    await saysReady(worker)
    await deployment.stopWorker(worker)
  })

  test('registry down when a new schema id comes first: its task waits, says so, and goes on', PATIENCE, async () => {
    const registry = await owned(startRegistry())
    const { deployment, schemas, schemaId, worker, more } = await running({ ...services, registry })
    const { fields, ...record } = (await orderSchema()) as { fields: object[] }
    const note = { name: 'note', type: ['null', 'string'], default: null }
    const newer = { ...record, fields: [...fields, note] }
    const id = await schemas.register(`${deployment.name}-value`, newer)
    expect(id).not.toBe(schemaId)
    // the registry's own database writes half a second later what it has acknowledged
    await sleep(2_000)
    await registry.kill9()
    await more({ schemaId: id, schema: newer })
    await saysWaiting(worker, /^w1: map\/.*fetching schemas/)
    await registry.restart()
    await more({ schemaId: id, schema: newer })
    await deployment.expectExact()
    await saysReady(worker)
    expect(await metric(worker, 'millrace_dead_letters_total')).toBe(0)
    await deployment.stopWorker(worker)
  })

  test('broker killed and started again: the worker waits, says so, and goes on', PATIENCE, async () => {
    const kafka = await owned(startKafka())
    const { deployment, worker, more } = await running({ ...services, kafka })
    const other = await deployment.startWorker()
    await more()
    await kafka.kill9()
    await saysWaiting(worker, /^worker: out of the group: /)
    expect((await fetch(`${worker.url}/v1/features/store/store-0`)).status).toBe(200)
    await stopInTime(deployment, other)
    await kafka.restart()
    await more()
    await deployment.expectExact()
    await saysReady(worker)
    await deployment.stopWorker(worker)
  })

  test('records that can never be processed are dead letters, once each; the others count', PATIENCE, async () => {
    const { deployment, transport, worker, more } = await running(services)
    const unknownId = Buffer.from([0, 0x7f, 0xff, 0xff, 0xff, 1, 2, 3])
    const poison = Array.from({ length: 200 }, (_, i): Draft => {
      const value = i % 2 === 0 ? Buffer.concat([Buffer.from([9]), randomBytes(20)]) : unknownId
      return { topic: deployment.name, partition: i % PARTITIONS, key: `poison-${i}`, value, timestamp: 1 }
    })
    await transport.write(poison.slice(0, 100))
    await more()
    await transport.write(poison.slice(100))
    await deployment.killWorker(worker)
    await deployment.startWorker()
    await more()
    await deployment.expectExact()
    const letters = await readAll(transport, `${deployment.name}-dead-letters`)
    const byId = new Map(letters.map((letter) => [String(letter.headers['millrace-id']), letter]))
    expect(byId.size).toBe(poison.length)
    const found = [...byId.values()].map(({ key, value, headers }) => ({
      key: String(key),
      value,
      code: String(headers['millrace-error-code']),
    }))
    const wanted = poison.map(({ key, value }, i) => ({
      key,
      value,
      code: i % 2 === 0 ? 'record-malformed' : 'schema-unknown',
    }))
    const byKey = (a: { key: unknown }, b: { key: unknown }) => (String(a.key) < String(b.key) ? -1 : 1)
    expect(found.sort(byKey)).toEqual(wanted.sort(byKey))
  })

  test('SIGTERM under load ends within 10 s with exit code 0, and loses nothing', PATIENCE, async () => {
    const { deployment, worker, more } = await running(services)
    const producing = more({ count: 60_000 })
    await until(
      'records in',
      () => metric(worker, 'millrace_records_in_total'),
      (count) => count > STAGE + 5_000,
    )
    await stopInTime(deployment, worker)
    await producing
    await deployment.startWorker()
    await deployment.expectExact()
  })
})
