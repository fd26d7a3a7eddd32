import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { connectRedis, redisConfig } from '../../../src/connections/redis/index.ts'
import type { Log } from '../../../src/core/part.ts'

describe('the address', () => {
  it.each(['redis://cache:6379', 'redis://me:p%2Fss@cache:6379/2', 'rediss://:secret@[::1]'])('may be %s', (url) => {
    expect(redisConfig.safeParse({ url }).success).toBe(true)
  })
  it.each([
    ['no address', 'redis://me:pa/ss@cache:6379'],
    ['an address with a space', 'redis://me:secret@my cache:6379'],
    ['a password that is not percent-encoded', 'redis://me:100%@cache'],
    ['a password beside the address', 'redis://cache?password=secret'],
    ['the rest of a password as a fragment', 'redis://1#secret@cache'],
    ['another protocol', 'http://cache:6379'],
  ])('is refused that is %s', (_, url) => {
    expect(redisConfig.safeParse({ url }).success).toBe(false)
  })
})

it.each(['me:hunter2', ':hunter2', 'hunter2'])(
  'a server that repeats what it got does not make %s known',
  async (who) => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.on('data', (bytes) => socket.write(`-ERR I got ${bytes.toString().replace(/\r\n/g, ' ')}\r\n`))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const said: unknown[] = []
    const say = (...what: unknown[]) => said.push(what)
    const log: Log = { debug: say, info: say, warn: say, error: say }
    const url = `redis://${who}@127.0.0.1:${(server.address() as AddressInfo).port}`
    const config = redisConfig.parse({ url, timeout: '500ms' })
    const redis = await connectRedis(await import('ioredis'), config, { directory: '/', deployment: 'd', log }, 'state')
    const error = await redis.run('a', (client) => client.get('a')).catch((reason: unknown) => reason)
    await redis.close()
    server.close()
    expect(error).toMatchObject({ code: 'store-failed', message: expect.stringContaining('***') })
    expect(inspect([error, said], { depth: 9 })).not.toContain('hunter2')
  },
)
