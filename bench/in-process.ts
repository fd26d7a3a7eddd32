/**
 * W1 within this process, on a log, a state and a feature store in memory: what Millrace's own code costs, without services, sockets
 * and their noise.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Draft, OpenState, Registry, StateChange } from '../src/core/model.ts'
import { checkProject, type Project } from '../src/project/check.ts'
import { createRuntime } from '../src/runtime/index.ts'
import { MemoryState } from '../src/testing/memory-state.ts'
import { MemoryStore } from '../src/testing/memory-store.ts'
import { MemoryTransport } from '../src/testing/memory-transport.ts'
import { orderEvents } from './orders.ts'
import { PARTITIONS, STORES, TOPIC } from './setup.ts'
import { orderEncoder, orderNumber, orderSchema, writeProject } from './w1.ts'

const WRITE_BATCH = 4_000
const LOOK_EVERY_MS = 20

/** The events, encoded, and the project that computes on them. */
export interface Work {
  readonly drafts: readonly Draft[]
  readonly project: Project
  readonly registry: Registry
}

export async function openWork(events: number): Promise<Work> {
  const schema = await orderSchema()
  const registry: Registry = {
    schema: async () => schema,
    latest: async () => ({ id: 1, schema }),
    register: async () => 1,
    close: async () => undefined,
  }
  const encode = await orderEncoder(1)
  const drafts = [...orderEvents(events, STORES)].map((event): Draft => {
    const partition = orderNumber(event) % PARTITIONS
    return { topic: TOPIC, partition, key: event.orderId, value: encode(event), timestamp: event.occurredAt }
  })
  const directory = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  try {
    await writeProject(directory, { engine: { shufflePartitions: PARTITIONS }, http: { port: 0 } })
    const { project, problems } = await checkProject(directory)
    if (!project) throw new Error(problems.map(({ message }) => message).join('; '))
    return { drafts, project, registry }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** Keys stay in the tasks' caches, so the bytes committed of them are never read: copying them would be a cost of this state alone. */
class PositionsOnly extends MemoryState {
  override commit(open: OpenState, { position, meta }: StateChange): Promise<void> {
    return super.commit(open, { position, meta })
  }
}

/** CPU time of this process, user and system, in µs per event: from the start of the worker until every row is applied. */
export async function cpuPerEvent({ drafts, project, registry }: Work): Promise<number> {
  const transport = new MemoryTransport()
  await transport.create({ name: TOPIC, partitions: PARTITIONS, retentionMs: -1 })
  for (let at = 0; at < drafts.length; at += WRITE_BATCH) await transport.write(drafts.slice(at, at + WRITE_BATCH))
  const warn = (fields: object, message: string) => console.error(message, fields)
  const log = { debug: () => undefined, info: () => undefined, warn, error: warn }
  const services = {
    transport,
    registry,
    state: new PositionsOnly(),
    store: new MemoryStore(),
    close: async () => undefined,
  }
  const runtime = await createRuntime(project, services, log)
  const applied = async () =>
    (await runtime.metrics.rowsApplied.get()).values.reduce((sum, { value }) => sum + value, 0)
  const before = process.cpuUsage()
  await runtime.start()
  while ((await applied()) < drafts.length) await sleep(LOOK_EVERY_MS)
  const { user, system } = process.cpuUsage(before)
  await runtime.stop(5_000)
  return (user + system) / drafts.length
}
