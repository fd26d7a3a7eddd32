/** State and features on several Redis servers: the same suites as on one. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { slotOf, tagOf } from '../../../src/connections/redis/slot.ts'
import type { FeatureWrite } from '../../../src/core/model.ts'
import type { PartContext } from '../../../src/core/part.ts'
import stateInRedis from '../../../src/state/redis.ts'
import storeInRedis from '../../../src/stores/redis.ts'
import { stateSuite } from '../../../src/testing/state.ts'
import { featureStoreSuite } from '../../../src/testing/store.ts'
import { describeWith, uniqueName } from '../../services/index.ts'
import { type RedisCluster, type RedisWatched, startCluster, startWatched } from '../../services/redis-groups.ts'
import { until } from './until.ts'

const ignore = () => undefined
const context: PartContext = {
  directory: '.',
  deployment: 'shop',
  log: { debug: ignore, info: ignore, warn: ignore, error: ignore },
}

type Settings = Readonly<Record<string, unknown>>
const openState = (settings: Settings) => stateInRedis.open(stateInRedis.config.parse(settings), context)
const openStore = (settings: Settings) => storeInRedis.open(storeInRedis.config.parse(settings), context)

/** The suites of state and store; `wipe` deletes all keys with a prefix. */
function suites(name: string, where: () => Settings, wipe: (prefix: string) => Promise<void>): void {
  stateSuite({
    name,
    async open() {
      const settings = { ...where(), prefix: uniqueName('state') }
      const state = await openState(settings)
      return {
        state,
        another: () => Promise.resolve(openState(settings)),
        async wipe() {
          await wipe(settings.prefix)
          return state
        },
        close: () => state.close(),
      }
    },
  })
  featureStoreSuite({
    name,
    async open() {
      const settings = { ...where(), prefix: uniqueName('features') }
      const store = await openStore(settings)
      return { store, another: () => Promise.resolve(openStore(settings)), close: () => store.close() }
    },
  })
}

const NAMESPACE = 'load@1'
const TASK = 'reduce/load@1/0'
const version = (step: number) => ({ generation: 1, epoch: 1, step })

function write(step: number, ids: readonly string[], said?: number): FeatureWrite {
  const emissions = ids.map((key) => ({ key, at: step, values: [step], cause: '1' }))
  const batch = { task: TASK, version: version(step), upto: 1, said: said === undefined ? undefined : version(said) }
  return { namespace: NAMESPACE, names: ['n'], batch: { ...batch, emissions } }
}

const IDS = Array.from({ length: 500 }, (_, i) => `e{${i % 7}}${i}`)

describeWith(['redis'], 'a cluster of three primaries', () => {
  let cluster: RedisCluster
  beforeAll(async () => {
    cluster = await startCluster(3)
  })
  afterAll(() => cluster.stop())
  const where = () => ({ cluster: cluster.nodes.slice(0, 1) })

  suites('redis cluster', where, async (prefix) => {
    for (const client of cluster.clients) for (const key of await client.keys(`${prefix}:*`)) await client.del(key)
  })

  it('places keys as the servers do', async () => {
    const [client] = cluster.clients
    for (const key of [
      '',
      'a',
      'ünï',
      'a{b}c',
      'a{}c',
      '{x',
      'a}b{c',
      '{{x}}',
      'shop:state:{reduce/a@1/0}:keys',
      '123456789',
    ])
      expect(slotOf(key), key).toBe(Number(await client?.call('CLUSTER', 'KEYSLOT', key)))
    for (const slot of [0, 5461, 16383]) expect(slotOf(`x:{${tagOf(slot)}}`)).toBe(slot)
  })

  it('has a batch, the tasks and a mark each spread over all of them', async () => {
    const prefix = uniqueName('spread')
    const [state, store] = [await openState({ ...where(), prefix }), await openStore({ ...where(), prefix })]
    try {
      for (let i = 0; i < 30; i++) await state.open(`reduce/x@1/${i}`)
      expect(await store.write(write(1, IDS))).toBe('written')
      expect((await store.read(NAMESPACE, IDS)).map((found) => found?.values.n)).toEqual(IDS.map(() => 1))
      for (const client of cluster.clients) {
        expect((await client.keys(`${prefix}:features:*`)).length).toBeGreaterThan(50)
        expect((await client.keys(`${prefix}:state:*`)).length).toBeGreaterThan(3)
        expect(await client.keys(`${prefix}:marks:*`)).toHaveLength(1)
      }
      await store.forget(NAMESPACE)
      for (const client of cluster.clients) {
        expect(await client.keys(`${prefix}:features:*`)).toEqual([])
        expect(await client.keys(`${prefix}:marks:*`)).toEqual([])
      }
    } finally {
      await state.close()
      await store.close()
    }
  })

  it.each([0, 1, 2])('answers behind when primary %i alone lost what it had, and is written to again', async (lost) => {
    const prefix = uniqueName('lost')
    const store = await openStore({ ...where(), prefix })
    const client = cluster.clients[lost]
    try {
      await store.write(write(1, IDS))
      expect(await store.write(write(2, IDS.slice(0, 10), 1))).toBe('written')
      expect(await store.mark(NAMESPACE, TASK)).toEqual(version(2))
      for (const key of (await client?.keys(`${prefix}:*`)) ?? []) await client?.del(key)
      expect(await store.mark(NAMESPACE, TASK)).toBeUndefined()
      expect(await store.write(write(3, IDS.slice(0, 3), 2))).toBe('behind')
      const stands = await store.read(NAMESPACE, IDS.slice(0, 3))
      expect(stands.every((found) => found === undefined || found.values.n === 2)).toBe(true)
      expect(await store.write(write(3, IDS))).toBe('written')
      expect((await store.read(NAMESPACE, IDS)).map((found) => found?.values.n)).toEqual(IDS.map(() => 3))
      expect(await store.write(write(4, IDS.slice(0, 3), 3))).toBe('written')
    } finally {
      await store.close()
    }
  })

  it('is followed when slots move to another primary', async () => {
    const prefix = uniqueName('moved')
    const [state, store] = [await openState({ ...where(), prefix }), await openStore({ ...where(), prefix })]
    const task = 'reduce/moved@1/0'
    const slot = slotOf(`{${task}}`)
    try {
      const claim = await state.open(task)
      await state.commit(claim, { position: 1, meta: Buffer.alloc(0), keys: new Map([['a', Buffer.from('1')]]) })
      await store.write(write(1, IDS))
      await moveSlot(cluster, slot)
      await state.commit(claim, { position: 2, meta: Buffer.alloc(0), keys: new Map([['b', Buffer.from('2')]]) })
      expect((await state.read(claim, ['a', 'b'])).map(String)).toEqual(['1', '2'])
      expect(await store.write(write(2, IDS, 1))).toBe('written')
      expect((await store.read(NAMESPACE, IDS)).map((found) => found?.values.n)).toEqual(IDS.map(() => 2))
    } finally {
      await state.close()
      await store.close()
    }
  })

  it('forgot its scripts, and is given them again', async () => {
    const store = await openStore({ ...where(), prefix: uniqueName('scripts') })
    try {
      await store.write(write(1, IDS))
      for (const client of cluster.clients) await client.script('FLUSH')
      expect(await store.write(write(2, IDS, 1))).toBe('written')
    } finally {
      await store.close()
    }
  })

  it('fails in bounded time while a primary is down', async () => {
    const own = await startCluster(3)
    const store = await openStore({ cluster: own.nodes, prefix: 'down', timeout: '500ms' })
    try {
      await store.write(write(1, IDS))
      await own.servers[1]?.kill9()
      await expect(store.write(write(2, IDS, 1))).rejects.toMatchObject({ code: 'store-failed' })
      await expect(store.read(NAMESPACE, IDS)).rejects.toMatchObject({ code: 'store-failed' })
      await own.servers[1]?.restart()
      // it comes back with its slots, and without its data
      expect(await until(() => store.write(write(3, IDS, 1)))).toBe('behind')
    } finally {
      await store.close()
      await own.stop()
    }
  })
})

describeWith(['redis'], 'a primary that sentinels name', () => {
  const PASSWORD = 'only-for-tests/€'
  let watched: RedisWatched
  beforeAll(async () => {
    watched = await startWatched(encodeURIComponent(PASSWORD))
  })
  afterAll(() => watched.stop())
  const password = encodeURIComponent(PASSWORD)
  const where = () => ({ sentinel: { nodes: [watched.sentinel], name: 'shop', password }, password, timeout: '1s' })

  suites('redis sentinel', where, async (prefix) => {
    const { Redis } = await import('ioredis')
    const client = new Redis(watched.primary.url, { password })
    for (const key of await client.keys(`${prefix}:*`)) await client.del(key)
    client.disconnect()
  })

  it('is followed through a failover: what was replicated is there, and work goes on', {
    timeout: 60_000,
  }, async () => {
    const prefix = uniqueName('failover')
    const [state, store] = [await openState({ ...where(), prefix }), await openStore({ ...where(), prefix })]
    try {
      const claim = await state.open(TASK)
      await state.commit(claim, { position: 1, meta: Buffer.alloc(0), keys: new Map([['a', Buffer.from('1')]]) })
      await store.write(write(1, IDS))
      await watched.replicated()
      await watched.primary.kill9()
      await expect(state.read(claim, ['a'])).rejects.toMatchObject({ code: 'store-failed' })
      const [found] = await until(() => state.read(claim, ['a']))
      expect(String(found)).toBe('1')
      await state.commit(claim, { position: 2, meta: Buffer.alloc(0), keys: new Map([['a', Buffer.from('2')]]) })
      expect(await until(() => store.write(write(2, IDS, 1)))).toBe('written')
      expect((await store.read(NAMESPACE, IDS)).map((each) => each?.values.n)).toEqual(IDS.map(() => 2))
    } finally {
      await state.close()
      await store.close()
    }
  })
})

/** As `redis-cli --cluster reshard` does it, to the primary after the one that has it. */
async function moveSlot({ clients, nodes }: RedisCluster, slot: number): Promise<void> {
  const ids = await Promise.all(clients.map(async (client) => String(await client.call('CLUSTER', 'MYID'))))
  const from = Math.floor((slot * clients.length) / 16_384)
  const to = (from + 1) % clients.length
  const [source, target] = [clients[from], clients[to]] as const
  await target?.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', ids[from] as string)
  await source?.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', ids[to] as string)
  const keys = (await source?.call('CLUSTER', 'GETKEYSINSLOT', slot, 1000)) as string[]
  const [host = '', port = ''] = (nodes[to] as string).split(':')
  for (const key of keys) await source?.migrate(host, port, key, 0, 5000)
  for (const client of [target, source]) await client?.call('CLUSTER', 'SETSLOT', slot, 'NODE', ids[to] as string)
}
