import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { connectRedis, redisConfig } from '../../../src/connections/redis/index.ts'
import type { Log } from '../../../src/core/part.ts'
import { until } from './until.ts'

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

it('a failover that is announced while it connects does not end it', async () => {
  const array = (...texts: readonly string[]) =>
    `*${texts.length}\r\n${texts.map((text) => `$${text.length}\r\n${text}\r\n`).join('')}`
  let subscriber: Socket | undefined
  let announcements = 1
  /** Sentinel and primary in one. Asked for the primary while somebody listens, it first announces one. */
  const answer = (socket: Socket, command: string): string => {
    if (command.includes('get-master-addr-by-name')) {
      if (subscriber && announcements-- > 0) {
        subscriber.write(array('message', '+switch-master', 'shop'))
        setTimeout(() => socket.write(array('127.0.0.1', port)), 50)
        return ''
      }
      return array('127.0.0.1', port)
    }
    if (command.includes('subscribe')) {
      subscriber = socket
      return `*3\r\n$9\r\nsubscribe\r\n$14\r\n+switch-master\r\n:1\r\n`
    }
    if (command.includes('sentinels')) return '*0\r\n'
    if (command.includes('info')) return '$11\r\nrole:master\r\n'
    return '+OK\r\n'
  }
  const clients = new Set<Socket>()
  const server = createServer((socket) => {
    clients.add(socket)
    socket.on('error', () => undefined)
    socket.on('data', (bytes) => {
      for (const command of bytes
        .toString()
        .split(/^\*\d+\r\n/m)
        .slice(1))
        socket.write(answer(socket, command))
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const port = String((server.address() as AddressInfo).port)
  const said: unknown[] = []
  const say = (...what: unknown[]) => said.push(what)
  const log: Log = { debug: say, info: say, warn: say, error: say }
  const config = redisConfig.parse({ sentinel: { nodes: [`127.0.0.1:${port}`], name: 'shop' }, timeout: '500ms' })
  const redis = await connectRedis(await import('ioredis'), config, { directory: '/', deployment: 'd', log }, 'state')
  const get = () => redis.run('a', (client) => client.get('a'))
  try {
    expect(await until(get)).toBe('OK')
    await expect.poll(() => subscriber).toBeDefined()
    for (const client of clients) if (client !== subscriber) client.destroy()
    await expect.poll(() => announcements).toBe(0)
    await expect.poll(() => inspect(said, { depth: 9 })).toContain('Connection is closed')
    expect(await until(get)).toBe('OK')
  } finally {
    await redis.close()
    for (const client of clients) client.destroy()
    server.close()
  }
})
