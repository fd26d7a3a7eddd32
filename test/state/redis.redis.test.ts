import { describe, expect, it, vi } from 'vitest'
import { ClearStop, Fenced } from '../../src/core/errors.ts'
import type { PartContext } from '../../src/core/part.ts'
import redis from '../../src/state/redis.ts'
import { stateSuite } from '../../src/testing/state.ts'
import { until } from '../connections/redis/until.ts'
import { describeWith, uniqueName } from '../services/index.ts'
import { start } from '../services/redis.ts'

const ignore = () => undefined

/** A context that keeps what is logged. */
function context(): PartContext & { readonly said: string[] } {
  const said: string[] = []
  const note = (fields: object, message: string) => {
    said.push(`${JSON.stringify(fields)} ${message}`)
  }
  return { directory: '.', deployment: 'test', log: { debug: note, info: note, warn: note, error: note }, said }
}

const open = (url: string, prefix = uniqueName('state'), timeout = 5000) =>
  redis.open({ url, prefix, timeout }, context())

const change = (position: number, value: string) => ({
  position,
  meta: Buffer.from('meta'),
  keys: new Map([['a', Buffer.from(value)]]),
})

describeWith(['redis'], 'state on Redis', ({ redis: { url } }) => {
  stateSuite({
    name: 'redis',
    async open() {
      const prefix = uniqueName('state')
      const handles = [await open(url, prefix)]
      return {
        state: handles[0]!,
        another: async () => open(url, prefix),
        async wipe() {
          const { Redis } = await import('ioredis')
          const client = new Redis(url)
          const keys = await client.keys(`${prefix}:*`)
          if (keys.length > 0) await client.del(keys)
          client.disconnect()
          return handles[0]!
        },
        async close() {
          for (const handle of handles) await handle.close()
        },
      }
    },
  })

  describe('keys', () => {
    it('of a task begin with the prefix and share one hash slot', async () => {
      const { Redis } = await import('ioredis')
      const client = new Redis(url)
      const prefix = uniqueName('state')
      const state = await open(url, prefix)
      try {
        const claim = await state.open('reduce/x@1/0')
        await state.commit(claim, { ...change(1, 'x'), timers: new Map([['a', 5]]) })
        const keys = (await client.keys(`${prefix}:*`)).sort()
        const base = `${prefix}:state:{reduce/x@1/0}`
        expect(keys).toEqual([`${base}:keys`, `${base}:meta`, `${base}:timers`])
        expect(await client.hgetall(`${base}:keys`)).toEqual({ a: 'x' })
        expect(await client.zrange(`${base}:timers`, '0', '-1', 'WITHSCORES')).toEqual(['a', '5'])
      } finally {
        client.disconnect()
        await state.close()
      }
    })
  })

  it.each([
    ['epoch', 'garbage'],
    ['commits', '1.5'],
    ['position', '-3'],
  ])('that holds what nobody writes as %s is a clear stop that names it', async (field, garbage) => {
    const { Redis } = await import('ioredis')
    const client = new Redis(url)
    const prefix = uniqueName('state')
    const state = await open(url, prefix)
    try {
      await state.commit(await state.open('t'), change(1, 'x'))
      await client.hset(`${prefix}:state:{t}:meta`, field, garbage)
      const stop = await state.open('t').catch((error: unknown) => error)
      expect(stop).toBeInstanceOf(ClearStop)
      expect(stop).toMatchObject({
        code: 'state-unreadable',
        message: `field '${field}' of the hash ${prefix}:state:{t}:meta in Redis is no whole number`,
      })
    } finally {
      client.disconnect()
      await state.close()
    }
  })

  describe('a Redis that fails', () => {
    it('fails calls in bounded time while it is down, and serves again by itself', async () => {
      const own = await start({ appendonly: true, settings: { appendfsync: 'always' } })
      const state = await open(own.url, 'down', 300)
      try {
        const claim = await state.open('t')
        await state.commit(claim, change(1, 'kept'))
        await own.kill9()
        await expect(state.commit(claim, change(2, 'lost'))).rejects.toMatchObject({ code: 'store-failed' })
        await expect(state.read(claim, ['a'])).rejects.toMatchObject({ code: 'store-failed' })
        await expect(state.open('t')).rejects.toMatchObject({ code: 'store-failed' })
        await own.restart()
        // as the task does: asks again until it is answered
        const found = await until(() => state.read(claim, ['a']))
        expect(found.map((one) => String(one))).toEqual(['kept'])
        await state.commit(claim, change(2, 'after'))
        expect((await state.open('t')).commits).toBe(2)
      } finally {
        await state.close()
        await own.stop()
      }
    })

    it('fails a call that is under way when it dies', async () => {
      const own = await start({ appendonly: true, settings: { appendfsync: 'always' } })
      const state = await open(own.url, 'dies')
      try {
        const claim = await state.open('t')
        process.kill(own.pid!, 'SIGSTOP')
        const commit = state.commit(claim, change(1, 'x'))
        const failed = expect(commit).rejects.toMatchObject({ code: 'store-failed' })
        await own.kill9()
        await failed
        await own.restart()
        expect(await until(() => state.open('t'))).toMatchObject({ commits: 0, position: undefined })
      } finally {
        await state.close()
        await own.stop()
      }
    })

    it('is not sent a call again after the connection broke', async () => {
      const own = await start()
      const state = await open(own.url, 'again')
      const { Redis } = await import('ioredis')
      const client = new Redis(own.url)
      try {
        const claim = await state.open('t')
        await state.commit(claim, change(1, 'x'))
        await client.call('CLIENT', 'PAUSE', '60000', 'WRITE')
        const failed = expect(state.commit(claim, change(2, 'y'))).rejects.toMatchObject({ code: 'store-failed' })
        await vi.waitFor(async () => expect(await client.client('LIST')).toMatch(/millrace-state .*cmd=evalsha/))
        await client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
        await failed
        await client.client('UNPAUSE')
        await until(() => state.check(claim))
        expect(await state.open('t')).toMatchObject({ commits: 1, position: 1 })
      } finally {
        client.disconnect()
        await state.close()
        await own.stop()
      }
    })

    it('gives up a call that is not answered, which may still be applied later', async () => {
      const own = await start()
      const state = await open(own.url, 'slow', 200)
      const { Redis } = await import('ioredis')
      const client = new Redis(own.url)
      try {
        const claim = await state.open('t')
        await state.commit(claim, change(1, 'in time'))
        process.kill(own.pid!, 'SIGSTOP')
        await expect(state.commit(claim, change(2, 'late'))).rejects.toMatchObject({ code: 'store-failed' })
        process.kill(own.pid!, 'SIGCONT')
        await until(async () => expect(await client.hget('slow:state:{t}:meta', 'position')).toBe('2'))
        await expect(until(() => state.commit(claim, change(2, 'again')))).rejects.toThrow(Fenced)
        const again = await state.open('t')
        expect(again).toMatchObject({ commits: 2, position: 2 })
        expect((await state.read(again, ['a'])).map((one) => String(one))).toEqual(['late'])
      } finally {
        client.disconnect()
        await state.close()
        await own.stop()
      }
    })

    it('that lost everything refuses the open claim and never goes on silently', async () => {
      const own = await start()
      const state = await open(own.url, 'flushed')
      const { Redis } = await import('ioredis')
      const client = new Redis(own.url)
      try {
        const claim = await state.open('t')
        await state.commit(claim, { ...change(1, 'x'), timers: new Map([['a', 5]]) })
        await client.flushall()
        await expect(state.read(claim, ['a'])).rejects.toThrow(Fenced)
        await expect(state.commit(claim, change(2, 'y'))).rejects.toThrow(Fenced)
        await expect(state.due(claim, 10, 10)).rejects.toThrow(Fenced)
        await expect(state.check(claim)).rejects.toThrow(Fenced)
        await expect(state.scan(claim)[Symbol.asyncIterator]().next()).rejects.toThrow(Fenced)
        expect(await client.dbsize()).toBe(0)
      } finally {
        client.disconnect()
        await state.close()
        await own.stop()
      }
    })

    it('that may evict state is warned of', async () => {
      const own = await start({ settings: { maxmemory: '100mb', 'maxmemory-policy': 'allkeys-lru' } })
      const told = context()
      const state = await redis.open({ url: own.url, timeout: 5000 }, told)
      try {
        await vi.waitFor(() => expect(told.said.join()).toContain('may evict state'))
      } finally {
        await state.close()
        await own.stop()
      }
    })

    it('that forgot its scripts is given them again', async () => {
      const own = await start()
      const state = await open(own.url, 'scripts')
      const { Redis } = await import('ioredis')
      const client = new Redis(own.url)
      try {
        const claim = await state.open('t')
        await client.script('FLUSH')
        await state.commit(claim, change(1, 'x'))
        expect(claim.commits).toBe(1)
      } finally {
        client.disconnect()
        await state.close()
        await own.stop()
      }
    })

    it('that is full refuses a commit as a whole', async () => {
      const own = await start({ settings: { maxmemory: '4mb', 'maxmemory-policy': 'noeviction' } })
      const state = await open(own.url, 'full')
      try {
        const claim = await state.open('t')
        const fill = async () => {
          for (let i = 0; i < 100; i++) {
            const keys = new Map([[`k${i}`, Buffer.alloc(100_000)]])
            await state.commit(claim, { position: i, meta: Buffer.alloc(0), keys, timers: new Map([[`k${i}`, i]]) })
          }
        }
        await expect(fill()).rejects.toMatchObject({ code: 'store-failed', message: expect.stringContaining('OOM') })
        await state.check(claim)
        const names = []
        for await (const page of state.scan(claim)) names.push(...page.map(([key]) => key))
        expect(names).toHaveLength(claim.commits)
        expect(await state.due(claim, 1000, 1000)).toHaveLength(claim.commits)
      } finally {
        await state.close()
        await own.stop()
      }
    })
  })

  describe('a password', () => {
    it('opens the door, and is shown in no error and no log', async () => {
      const own = await start()
      const { Redis } = await import('ioredis')
      const client = new Redis(own.url)
      await client.config('SET', 'requirepass', 's3cret/word')
      client.disconnect()
      const address = new URL(own.url).host
      const right = await open(`redis://:${encodeURIComponent('s3cret/word')}@${address}`)
      const told = context()
      const url = `redis://:wr0ng-word@${address}`
      const wrong = await redis.open({ url, prefix: 'x', timeout: 300 }, told)
      try {
        expect((await right.open('t')).commits).toBe(0)
        const error = await wrong.open('t').then(ignore, (reason: unknown) => reason)
        expect(error).toMatchObject({ code: 'store-failed', message: expect.stringContaining('WRONGPASS') })
        const shown = JSON.stringify([told.said, error, String(error), (error as Error).stack, (error as Error).cause])
        expect(told.said.length).toBeGreaterThan(0)
        expect(shown).not.toContain('wr0ng-word')
      } finally {
        await right.close()
        await wrong.close()
        await own.stop()
      }
    })
  })
})
