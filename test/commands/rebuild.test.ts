import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SILENT } from '../../src/core/part.ts'
import { checkProject, type Project } from '../../src/project/check.ts'
import { createRuntime, type Runtime } from '../../src/runtime/index.ts'
import { openServices, type Services } from '../../src/runtime/services.ts'
import { createTopics, sourceEncoders } from '../../src/runtime/topics.ts'
import { freePort } from '../services/recipe.ts'
import { call, exampleProject, start } from './cli.ts'

const NOON = Date.UTC(2026, 0, 5, 12)
const POLL = { timeout: 20_000 }

let folder: string
beforeEach(() => {
  folder = exampleProject()
  writeFileSync(
    join(folder, 'millrace.yaml'),
    'topics: { orders: { time: occurredAt, id: eventId, retention: forever }, acceptances: { time: occurredAt } }\nhttp: { port: 0, auth: none }\nengine: { idle: 100ms, heartbeat: 100ms, shufflePartitions: 2 }\n',
  )
})
afterEach(() => rmSync(folder, { recursive: true }))

/** A worker of the project, for the time of `job`. */
async function running<T>(
  job: (runtime: Runtime, services: Services, project: Project, url: string) => Promise<T>,
): Promise<T> {
  const { project } = (await checkProject(folder)) as { project: Project }
  const services = await openServices(project, SILENT)
  try {
    await createTopics(project, services.transport)
    const runtime = await createRuntime(project, services, SILENT)
    const url = await runtime.start()
    try {
      return await job(runtime, services, project, url)
    } finally {
      await runtime.stop(1_000)
    }
  } finally {
    await services.close()
  }
}

async function deliver({ transport, registry }: Services, project: Project, from: number, to: number): Promise<void> {
  const encoder = (await sourceEncoders(project, registry)).get('orders')
  const drafts = Array.from({ length: to - from }, (_, i) => {
    const n = from + i
    const nothing = { prepSeconds: null, waitingSeconds: null, totalCents: 1, city: 'X' }
    const who = { orderId: `o${n}`, storeId: `store-${n % 3}`, customerId: 'c', courierId: `courier-${n % 7}` }
    const event = { eventId: `e${n}`, type: 'ORDER_DELIVERED', occurredAt: NOON + n, ...who, ...nothing }
    return { topic: 'orders', key: `o${n}`, timestamp: NOON + n, value: encoder?.encode(event) ?? null }
  })
  await transport.write(drafts)
}

/** As the API serves them. */
async function totals(url: string): Promise<(number | null)[]> {
  const ids = Array.from({ length: 7 }, (_, i) => `courier-${i}`)
  const body = JSON.stringify({ ids, features: ['delivered_total'] })
  const headers = { 'content-type': 'application/json' }
  const answer = await fetch(`${url}/v1/features/courier`, { method: 'POST', headers, body })
  const { results } = (await answer.json()) as {
    results: { features: { delivered_total: { value: number | null } } }[]
  }
  return results.map(({ features }) => features.delivered_total.value)
}

const blocked = (runtime: Runtime, topology: string) =>
  runtime.worker.status().filter((task) => task.topology === topology && task.condition === 'blocked')
const generationOf = (runtime: Runtime, topology: string) =>
  runtime.topologies.find(({ name }) => name === topology)?.generation

describe('rebuild', () => {
  it('computes features again from the log after the state was lost', { timeout: 60_000 }, async () => {
    await running(async (_, services, project, url) => {
      await deliver(services, project, 0, 700)
      await expect.poll(() => totals(url), POLL).toEqual(Array(7).fill(100))
      // the group is told the positions once a second; without them there is no sign that anything was lost
      await expect
        .poll(
          async () => (await services.transport.committed('millrace', 'orders')).every((p) => p !== undefined),
          POLL,
        )
        .toBe(true)
    })
    rmSync(join(folder, '.millrace/state'), { recursive: true })
    await running(async (runtime) => {
      await expect.poll(() => blocked(runtime, 'courier-deliveries').length, POLL).toBeGreaterThan(0)
      expect(blocked(runtime, 'courier-deliveries')[0]?.reason).toMatch(/^position-lost: .*millrace rebuild/)
      const busy = await call('rebuild', 'courier-deliveries', '-d', folder)
      expect(busy).toMatchObject({ code: 1, out: '', error: expect.stringContaining('[already-running]') })
    })
    const { code, out, error } = await call('rebuild', 'courier-deliveries', '-d', folder)
    expect({ code, error }).toEqual({ code: 0, error: '' })
    expect(out).toMatch(
      /courier-deliveries.* will be computed again from the start[\s\S]*Send the workers SIGHUP, or start them again/,
    )
    await running(async (runtime, services, project, url) => {
      await deliver(services, project, 700, 1_400)
      await expect.poll(() => totals(url), POLL).toEqual(Array(7).fill(200))
      expect(runtime.worker.status().filter(({ condition }) => condition === 'blocked')).toEqual([])
    })
  })

  it('of one topology leaves the others, begins at the earliest record and serves the old features until it is through', {
    timeout: 60_000,
  }, async () => {
    const generation = await running(async (runtime, services, project, url) => {
      await deliver(services, project, 0, 70)
      await expect.poll(() => totals(url), POLL).toEqual(Array(7).fill(10))
      return generationOf(runtime, 'courier-deliveries')
    })
    const before = await call('rebuild', 'courier-deliveries', '-d', folder)
    expect(before.out).toMatch(/^courier-deliveries will be computed again/)
    const rebuilt = await running(async (runtime, services, _, url) => {
      expect(await totals(url)).toEqual(Array(7).fill(10))
      const now = generationOf(runtime, 'courier-deliveries')
      await expect.poll(() => services.store.alias('courier-deliveries'), POLL).toBe(`courier-deliveries@${now}`)
      expect(await totals(url)).toEqual(Array(7).fill(10))
      expect(generationOf(runtime, 'store-load')).toMatch(/^[0-9a-f]{8}$/)
      return now
    })
    expect(rebuilt).toMatch(new RegExp(`^${generation}r`))
    await running(async (runtime) => expect(generationOf(runtime, 'courier-deliveries')).toBe(rebuilt))
  })

  it('waits, where it is told to, until the new features are served', async () => {
    const first = start('run', '-d', folder, '--port', '0')
    await first.says(/"msg":"serving"/)
    first.signal('SIGTERM')
    await first.exit
    const port = String(await freePort())
    const rebuild = start('rebuild', 'courier-deliveries', '-d', folder, '--port', port, '--wait')
    await rebuild.says(/courier-deliveries will be computed again/)
    const run = start('run', '-d', folder, '--port', port)
    const { code, out, error } = await rebuild.exit
    expect(code).toBe(0)
    expect(out).toMatch(/\nIt has caught up: the API serves the new features\.\n$/)
    expect(error).toMatch(/^nothing answers at \S+ yet; waiting\n/)
    run.signal('SIGTERM')
    await run.exit
  })

  it('refuses a topology that is not there, with the nearest name', async () => {
    const { code, error } = await call('rebuild', 'store-laod', '-d', folder)
    expect(code).toBe(1)
    expect(error).toMatch(
      /there is no topology 'store-laod'\. Did you mean 'store-load'\? There are: .*courier-acceptance, /,
    )
  })
})
