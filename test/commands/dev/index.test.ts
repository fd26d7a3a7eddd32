import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { avroDecoder } from '../../../src/codecs/avro/index.ts'
import type { InputRecord } from '../../../src/core/model.ts'
import { SILENT } from '../../../src/core/part.ts'
import { checkProject, type Project } from '../../../src/project/check.ts'
import { createRuntime } from '../../../src/runtime/index.ts'
import { openServices, type Services } from '../../../src/runtime/services.ts'
import { call, exampleProject, type Running, start } from '../cli.ts'

const sh = promisify(execFile)

let folder: string
beforeEach(() => {
  folder = exampleProject()
})
afterEach(() => rmSync(folder, { recursive: true }))

const baseUrl = async (dev: Running) => (await dev.says(/^millrace dev at (\S+)$/m))[1] as string

async function read(url: string): Promise<Record<string, number | null>> {
  const { features } = (await (await fetch(url)).json()) as { features: Record<string, { value: number | null }> }
  return Object.fromEntries(Object.entries(features).map(([name, { value }]) => [name, value]))
}

it('shows live features, prints commands that work, stops cleanly and goes on where it was', {
  timeout: 90_000,
}, async () => {
  const dev = start('dev', '-d', folder, '--port', '0')
  const url = await baseUrl(dev)
  await dev.says(/^ {2}curl .*\n {2}curl .*\n {2}curl .*$/m)
  await dev.says(/lag 0 .*event to feature p50 .* store store-\d+: .*orders_5m=[1-9]/)
  const curls = dev.text().match(/^ {2}curl .*$/gm) as string[]
  expect(curls).toHaveLength(3)
  const [one, two, operations] = await Promise.all(curls.map(async (curl) => (await sh('sh', ['-c', curl])).stdout))
  expect(JSON.parse(one as string)).toMatchObject({
    entity: 'store',
    found: true,
    features: { orders_30m: { topology: 'store-load' } },
  })
  expect(JSON.parse(two as string).results).toMatchObject([{ found: true }, { found: true }])
  expect(operations).toContain('"status":"ready"')
  expect(operations).toContain('# TYPE millrace_records_in_total counter')

  const get = await call(
    'features',
    'get',
    'store',
    'store-1',
    '--url',
    url,
    '--feature',
    'orders_30m',
    'unpicked_orders',
  )
  expect(get).toMatchObject({ code: 0, error: '' })
  expect(get.out).toMatch(
    /^store store-1\n {2}unpicked_orders +\d+ .*store-backlog\n {2}orders_30m +[1-9]\d* .*store-load\n$/,
  )
  expect((await call('features', 'get', 'store', 'nowhere', '--url', url)).out).toMatch(
    /^store nowhere \(never seen: defaults\)\n/,
  )
  expect(await call('features', 'get', 'stoer', 'store-1', '--url', url)).toMatchObject({
    code: 1,
    error: expect.stringContaining("Did you mean 'store'?"),
  })
  const watch = start('features', 'watch', 'store', 'store-1', '--url', url, '--json')
  await watch.says(/(.*\n){2}/)
  watch.signal('SIGINT')
  expect(await watch.exit).toMatchObject({ code: 0 })
  const tail = await call(
    'tail',
    'orders',
    '-d',
    folder,
    '--url',
    url,
    '--limit',
    '1',
    '--where',
    'event.storeId != ""',
  )
  expect(tail).toMatchObject({ code: 0, error: '' })
  expect(JSON.parse(tail.out)).toMatchObject({ partition: expect.any(Number), value: { storeId: expect.any(String) } })

  const second = await call('dev', '-d', folder, '--port', '0')
  expect(second).toMatchObject({ code: 1, error: expect.stringContaining('[already-running]') })

  dev.signal('SIGINT')
  expect(await dev.exit).toMatchObject({ code: 0, error: '' })
  expect(dev.text().match(/^ {2}curl .*$/gm)).toEqual(curls)
  const delivered = await deliveredByCourier()

  const again = start('dev', '-d', folder, '--port', '0')
  const [courier, before] = [...delivered][0] as [string, number]
  const address = `${await baseUrl(again)}/v1/features/courier/${courier}`
  await again.says(/lag 0 .*event to feature/)
  expect((await read(address)).delivered_total).toBeGreaterThanOrEqual(before)
  again.signal('SIGTERM')
  expect(await again.exit).toMatchObject({ code: 0 })
  const total = (counts: ReadonlyMap<string, number>) => [...counts.values()].reduce((sum, n) => sum + n, 0)
  expect(total(await deliveredByCourier())).toBeGreaterThan(total(delivered))
})

/** Lets a worker read to the end what is in the log; every lifetime total is then what a count over the log says. */
async function deliveredByCourier(): Promise<ReadonlyMap<string, number>> {
  const { project } = await checkProject(folder)
  const services = await openServices(project as Project, SILENT)
  try {
    const counted = await countDeliveries(services, project as Project)
    const here = {
      ...(project as Project),
      config: { ...(project as Project).config, http: { host: '127.0.0.1', port: 0, drain: 0 } },
    }
    const runtime = await createRuntime(here, services, SILENT)
    await runtime.start()
    const { generation } = runtime.topologies.find(({ name }) => name === 'courier-deliveries') ?? {}
    const ids = [...counted.keys()]
    const totals = async () => {
      const records = await services.store.read(`courier-deliveries@${generation}`, ids)
      return new Map(ids.map((id, i) => [id, records[i]?.values.delivered_total]))
    }
    await expect.poll(totals, { timeout: 15_000 }).toEqual(counted)
    await runtime.stop(1_000)
    return counted
  } finally {
    await services.close()
  }
}

async function countDeliveries(
  { transport, registry }: Services,
  { topologies }: Project,
): Promise<Map<string, number>> {
  const schema = topologies.flatMap(({ sources }) => sources).find(({ name }) => name === 'orders')?.schema
  const decoder = avroDecoder({ registry, schema, fields: [['type'], ['courierId']], log: SILENT })
  const counts = new Map<string, number>()
  for (const record of await recordsOf(transport, 'orders')) {
    await decoder.prepare([record])
    const { type, courierId } = decoder.record(record) as { type: string; courierId: string | null }
    if (type === 'ORDER_DELIVERED' && courierId !== null) counts.set(courierId, (counts.get(courierId) ?? 0) + 1)
  }
  return counts
}

async function recordsOf(transport: Services['transport'], topic: string): Promise<InputRecord[]> {
  const ends = (await transport.ranges(topic)).map(({ end }) => end)
  const left = new Set(ends.keys())
  const records: InputRecord[] = []
  const { promise, resolve } = Promise.withResolvers<void>()
  const member = await transport.join('test-count', [topic], {
    opened: async () => 0,
    closed: () => undefined,
    batch: async (batch) => {
      records.push(...batch.records)
      if (batch.next >= (ends[batch.partition] as number)) left.delete(batch.partition)
      if (left.size === 0) resolve()
    },
  })
  await promise
  await member.leave()
  return records
}

const LAST_YEAR = Date.UTC(2025, 1, 3, 12)

function order(minute: number, more: object = {}) {
  const event = {
    eventId: `e${minute}`,
    type: 'ORDER_CREATED',
    orderId: `o${minute}`,
    storeId: 's',
    customerId: 'c',
    city: 'X',
  }
  return JSON.stringify({
    topic: 'orders',
    event: {
      ...event,
      courierId: null,
      occurredAt: LAST_YEAR + minute * 60_000,
      totalCents: 1,
      prepSeconds: null,
      waitingSeconds: null,
      ...more,
    },
  })
}

it('replays a file of old events into the windows of then, tells bad lines, and serves on until it is stopped', async () => {
  const file = join(folder, 'events.ndjson')
  writeFileSync(
    file,
    `${[order(0), order(21), 'nonsense', order(24), order(26), order(27, { totalCents: 'much' })].join('\n')}\n`,
  )
  const dev = start('dev', '-d', folder, '--port', '0', '--replay', file)
  const url = `${await baseUrl(dev)}/v1/features/store/s`
  await dev.says(/^replayed 4 events of .*; 2 lines are bad \(above\)$/m)
  expect(dev.text()).toMatch(/events\.ndjson:3: not JSON/)
  expect(dev.text()).toMatch(/events\.ndjson:6: .*totalCents/)
  expect(await read(url)).toMatchObject({ orders_5m: 2, orders_10m: 3, orders_30m: 4, unpicked_orders: 4 })
  // as npm and the terminal do it
  dev.signal('SIGINT')
  dev.signal('SIGINT')
  expect(await dev.exit).toMatchObject({ code: 0, error: '' })
  expect(readdirSync(join(folder, '.millrace'))).toEqual([])
})

it('ends quietly when nobody reads what it says, and a replay sweeps what killed ones left behind', async () => {
  const file = join(folder, 'events.ndjson')
  writeFileSync(file, `${order(0)}\n`)
  const left = join(folder, '.millrace/replay-4194305-left')
  mkdirSync(left, { recursive: true })
  const dev = start('dev', '-d', folder, '--port', '0', '--replay', file)
  await dev.says(/^millrace dev at/m)
  expect(existsSync(left)).toBe(false)
  dev.deafen()
  expect(await dev.exit).toMatchObject({ code: 0, error: '' })
  expect(readdirSync(join(folder, '.millrace'))).toEqual([])
})

it('fails when every line of the file is bad', async () => {
  const file = join(folder, 'events.ndjson')
  writeFileSync(file, 'a\nb\nc\nd\n')
  const { code, error } = await call('dev', '-d', folder, '--port', '0', '--replay', file)
  expect(code).toBe(1)
  expect(error).toMatch(/nothing was replayed of .*: 4 lines are bad \(one of each kind is below\)\n.*:1: not JSON/)
})

it('refuses a file that is not there before anything is started', async () => {
  const { code, error } = await call('dev', '-d', folder, '--replay', join(folder, 'none.ndjson'))
  expect(code).toBe(1)
  expect(error).toMatch(/cannot read .*none\.ndjson: ENOENT \[replay-unreadable\]/)
  expect(existsSync(join(folder, '.millrace'))).toBe(false)
})

it('says that its port is taken, and which option chooses another', async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const { port } = server.address() as AddressInfo
    const { code, error } = await call('dev', '-d', folder, '--port', String(port))
    expect(code).toBe(1)
    expect(error).toMatch(
      new RegExp(`cannot listen on 127\\.0\\.0\\.1:${port}: EADDRINUSE \\[port-unavailable\\]\\n.*--port`),
    )
  } finally {
    server.close()
  }
})

it('needs no service, whatever the project runs on elsewhere', async () => {
  writeFileSync(
    join(folder, 'millrace.yaml'),
    'transport: { kind: kafka, brokers: ["127.0.0.1:1"] }\nregistry: { kind: confluent, url: "http://127.0.0.1:1" }\n' +
      'state: { kind: redis, url: "redis://127.0.0.1:1" }\nstore: { kind: redis, url: "redis://127.0.0.1:1" }\n' +
      'topics: { orders: { time: occurredAt, partitions: 2 }, acceptances: { time: occurredAt } }\n',
  )
  const dev = start('dev', '-d', folder, '--port', '0', '--rate', '5')
  await dev.says(/^all is on this machine: transport, registry, state, store of millrace\.yaml are for run alone$/m)
  await dev.says(/store store-\d+: /)
  dev.signal('SIGINT')
  expect(await dev.exit).toMatchObject({ code: 0 })
})

it.each([
  ['--port', '1'],
  ['--url', '127.0.0.1:1'],
  ['--url', 'http://127.0.0.1:9/', '--port', '1'],
])('asks where %s %s says', async (...where) => {
  const { code, error } = await call('features', 'get', 'store', 'store-1', '-d', folder, ...where)
  expect(code).toBe(1)
  expect(error).toContain('nothing answers at http://127.0.0.1:1.')
})

it.each(['http://', 'ftp://127.0.0.1', 'a b'])('refuses --url %s', async (url) => {
  const { code, error } = await call('features', 'get', 'store', 'store-1', '--url', url)
  expect(code).toBe(1)
  expect(error).toContain(`--url is '${url}'; expected an address such as http://127.0.0.1:8080`)
})

it('tells where nothing answers', async () => {
  const { code, error } = await call('features', 'get', 'store', 'store-1', '--url', 'http://127.0.0.1:1')
  expect(code).toBe(1)
  expect(error).toMatch(/nothing answers at http:\/\/127\.0\.0\.1:1\. Is `millrace dev`/)
})
