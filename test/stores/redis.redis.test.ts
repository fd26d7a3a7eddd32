import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { FeatureWrite } from '../../src/core/model.ts'
import type { PartContext } from '../../src/core/part.ts'
import redis from '../../src/stores/redis.ts'
import { featureStoreSuite } from '../../src/testing/store.ts'
import { describeWith, uniqueName } from '../services/index.ts'
import { start } from '../services/redis.ts'

const ignore = () => undefined
const log = { debug: ignore, info: ignore, warn: ignore, error: ignore }
const context: PartContext = { directory: '.', deployment: 'shop', log }
const open = async (url: string, prefix?: string, timeout = 5000) =>
  redis.open({ url, timeout, ...(prefix && { prefix }) }, context)

const write = (step: number, entities: Record<string, number[] | null>, said?: number): FeatureWrite => ({
  namespace: 'store-load@5d1f',
  names: ['orders_10m', 'prep mean'],
  batch: {
    task: 'reduce/store-load@5d1f/3',
    version: { generation: 1, epoch: 1_790_000_000_000, step },
    upto: 1,
    said: said === undefined ? undefined : { generation: 1, epoch: 1_790_000_000_000, step: said },
    emissions: Object.entries(entities).map(([key, values]) => ({ key, at: 1_789_999_999_123, values, cause: '1' })),
  },
})

describeWith(['redis'], 'features on Redis', ({ redis: { url } }) => {
  featureStoreSuite({
    name: 'redis',
    async open() {
      const prefix = uniqueName('features')
      const store = await open(url, prefix)
      return { store, another: async () => open(url, prefix), close: () => store.close() }
    },
  })

  describe('the layout', () => {
    it('is what docs/redis-layout.md says', async () => {
      const own = await start()
      const { Redis } = await import('ioredis')
      const client = new Redis(own.url)
      const store = await open(own.url)
      try {
        await store.write(write(1, { 'S-17': [12, -0], gone: [1, 1] }))
        await store.write(write(2, { gone: null }))
        await store.moveAlias('store-load', 'store-load@5d1f', 1_700_000_000_000)
        expect((await client.keys('*')).sort()).toEqual([
          'shop:alias:store-load',
          'shop:features:store-load@5d1f:S-17',
          'shop:features:store-load@5d1f:gone',
          'shop:marks:store-load@5d1f',
        ])
        expect(await client.hgetall('shop:features:store-load@5d1f:S-17')).toEqual({
          '@v': '1.1790000000000.1',
          '@at': '1789999999123',
          orders_10m: '12',
          'prep mean': '-0',
        })
        expect(await client.hgetall('shop:features:store-load@5d1f:gone')).toEqual({ '@v': '1.1790000000000.2' })
        expect(await client.hgetall('shop:marks:store-load@5d1f')).toEqual({
          'reduce/store-load@5d1f/3': '1.1790000000000.2',
        })
        expect(await client.hgetall('shop:alias:store-load')).toEqual({
          namespace: 'store-load@5d1f',
          generation: '1700000000000',
        })
      } finally {
        client.disconnect()
        await store.close()
        await own.stop()
      }
    })

    it('keeps the version of a forgotten entity for a day, and everything else for ever', async () => {
      const prefix = uniqueName('features')
      const { Redis } = await import('ioredis')
      const client = new Redis(url)
      const store = await open(url, prefix)
      const key = `${prefix}:features:store-load@5d1f:a`
      try {
        await store.write(write(1, { a: null }))
        expect(await client.ttl(key)).toBeGreaterThan(86_000)
        expect(await client.ttl(key)).toBeLessThanOrEqual(86_400)
        await store.write(write(2, { a: [1, 2] }))
        expect(await client.ttl(key)).toBe(-1)
        expect(await client.ttl(`${prefix}:marks:store-load@5d1f`)).toBe(-1)
      } finally {
        client.disconnect()
        await store.close()
      }
    })
  })

  it('what cannot be read fails whoever asked for it, and nobody who asks in the same turn', async () => {
    const prefix = uniqueName('features')
    const { Redis } = await import('ioredis')
    const client = new Redis(url)
    const store = await open(url, prefix)
    const key = (id: string) => `${prefix}:features:store-load@5d1f:${id}`
    try {
      await store.write(write(1, { a: [1, 2], b: [3, 4] }))
      await client.set(key('text'), 'no hash')
      await client.hset(key('odd'), '@v', '1.1.1', '@at', '1', 'orders_10m', '{')
      const read = (...ids: string[]) => store.read('store-load@5d1f', ids)
      const answers = await Promise.allSettled([read('a', 'text', 'b'), read('b', 'a'), read('odd', 'a'), read('a')])
      expect(answers.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected', 'fulfilled'])
      expect(await read('b', 'a')).toEqual((answers[1] as PromiseFulfilledResult<unknown>).value)
      expect(answers[0]).toMatchObject({
        reason: { code: 'store-failed', message: expect.stringContaining('WRONGTYPE') },
      })
    } finally {
      client.disconnect()
      await store.close()
    }
  })

  it('what is read as JSON is one line of it, as it was written; what somebody else wrote otherwise is refused', async () => {
    const prefix = uniqueName('features')
    const { Redis } = await import('ioredis')
    const client = new Redis(url)
    const store = await open(url, prefix)
    const reads = async (json: string | Buffer, at = '1') => {
      await client.hset(`${prefix}:features:n@1:a`, '@v', '1.1.1', '@at', at, 'f', json)
      const [found] = await store.readJson('n@1', ['a'], ['f'])
      return found?.bytes.subarray(found.spans[0], found.spans[1]).toString()
    }
    try {
      for (const json of ['', '0', '7', '-7', '0.5', '12.25', '1e-7', '-1e+30', 'null', 'true', '"é"', '[1,"x",null]'])
        expect(await reads(json)).toBe(json)
      expect(await reads('-0')).toBe('0')
      const refused = { code: 'store-failed', message: 'Redis: features of an entity are not as Millrace writes them' }
      for (const json of ['{', '-', '01', '-01', '1.', '.5', '-.5', '1.2.3', '1-2', '+1', '1 2', 'nul', '"a', '"a"b"'])
        await expect(reads(json)).rejects.toMatchObject(refused)
      for (const json of ['[1,\n2]', '"a" ', Buffer.from([0x22, 0xff, 0x22])])
        await expect(reads(json)).rejects.toMatchObject(refused)
      for (const at of ['soon', '-1e999']) await expect(reads('7', at)).rejects.toMatchObject(refused)
    } finally {
      client.disconnect()
      await store.close()
    }
  })

  describe('a Redis that fails', () => {
    it('fails calls in bounded time while it is down, and serves again by itself', async () => {
      const own = await start({ appendonly: true, settings: { appendfsync: 'always' } })
      const store = await open(own.url, 'down', 300)
      try {
        await store.write(write(1, { a: [1, 2] }))
        await own.kill9()
        await expect(store.write(write(2, { a: [3, 4] }))).rejects.toMatchObject({ code: 'store-failed' })
        await expect(store.read('store-load@5d1f', ['a', 'b'])).rejects.toMatchObject({ code: 'store-failed' })
        await own.restart()
        const read = async () => (await store.read('store-load@5d1f', ['a']))[0]?.values
        expect(await until(read)).toEqual({ orders_10m: 1, 'prep mean': 2 })
        expect(await store.write(write(2, { a: [3, 4] }, 1))).toBe('written')
      } finally {
        await store.close()
        await own.stop()
      }
    })

    it('that lost everything answers behind', async () => {
      const own = await start()
      const { Redis } = await import('ioredis')
      const client = new Redis(own.url)
      const store = await open(own.url)
      try {
        await store.write(write(1, { a: [1, 2] }))
        await client.flushall()
        expect(await store.write(write(2, { a: [3, 4] }, 1))).toBe('behind')
        expect(await client.dbsize()).toBe(0)
      } finally {
        client.disconnect()
        await store.close()
        await own.stop()
      }
    })
  })
})

async function until<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call()
    } catch {
      await sleep(10)
    }
  }
}
