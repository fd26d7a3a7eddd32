/** One connection to Redis, as the state and feature stores need it: it comes back for ever, and never repeats a call. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type * as Ioredis from 'ioredis'
import type { Redis } from 'ioredis'
import { z } from 'zod'
import { duration } from '../core/duration.ts'
import { MillraceError } from '../core/errors.ts'
import type { PartContext } from '../core/part.ts'

export const redisConfig = z.strictObject({
  url: z
    .string()
    .refine(isAddress, 'expected redis://[user:password@]host:port[/database], percent-encoded, with nothing after it')
    .describe('`redis://[user:password@]host:port[/database]`; `rediss://` for TLS. Never shown in logs or errors.'),
  prefix: z
    .string()
    .regex(/^[\w.-]+$/, 'may hold letters, digits, _ . and -')
    .optional()
    .describe('What every key begins with. Without it, the name of the deployment.'),
  tls: z
    .strictObject({
      ca: z.string().optional().describe('PEM file with the authorities to trust; without it, those of Node.'),
    })
    .optional()
    .describe('Use TLS, also where the URL says `redis://`.'),
  timeout: duration
    .refine((ms) => ms >= 100, 'at least 100ms')
    .default(5000)
    .describe('How long one call may wait for the connection, and again as long for its answer; then it is given up.'),
})
export type RedisConfig = z.infer<typeof redisConfig>

export interface RedisConnection {
  /** What every key begins with, without the colon. */
  readonly prefix: string
  /**
   * Sends what `call` sends, once the connection stands. Every failure is `store-failed`, and comes in bounded time:
   * up to `timeout` for the connection and as much for the answer. A call that was sent and failed may have been
   * applied, or may still be; it is never sent again.
   */
  run<T>(call: (client: Redis) => Promise<T>): Promise<T>
  close(): Promise<void>
}

/**
 * Starts to connect and goes on trying for ever; does not wait for it. `ioredis` is the module, which only the parts
 * that use it load; `name` tells what the connection is for, in logs and in Redis' list of clients.
 */
export function connectRedis(
  ioredis: typeof Ioredis,
  config: RedisConfig,
  context: PartContext,
  name: string,
): RedisConnection {
  const { timeout } = config
  const ca = config.tls?.ca && readFileSync(resolve(context.directory, config.tls.ca))
  const client = new ioredis.Redis(config.url, {
    connectionName: `millrace-${name}`,
    protocol: 2,
    ...(config.tls && { tls: ca ? { ca } : {} }),
    connectTimeout: timeout,
    commandTimeout: timeout,
    // a peer that went away without a word is noticed, and the next call finds a new connection
    socketTimeout: timeout,
    // nothing waits in the client's own queues: whatever is under way when the connection breaks fails at once
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 6), 2000),
    // a demoted primary, or a replica: look the address up again
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
  })
  const redacted = redactor(config.url)
  let reason = 'not connected yet'
  client.on('error', (error: Error) => {
    const said = redacted(error.message || String((error as NodeJS.ErrnoException).code))
    if (said !== reason) context.log.warn({ connection: name, reason: said }, 'no connection to Redis; trying again')
    reason = said
  })
  client.on('ready', () => {
    reason = 'the connection was lost'
    context.log.debug({ connection: name }, 'connected to Redis')
  })

  return {
    prefix: config.prefix ?? context.deployment,
    async run(call) {
      if (client.status !== 'ready') await ready(client, timeout, () => reason)
      try {
        return await call(client)
      } catch (error) {
        // the client's own error holds the command with its arguments: it goes no further
        throw error instanceof MillraceError ? error : new MillraceError('store-failed', redacted(messageOf(error)))
      }
    },
    async close() {
      if (client.status === 'ready') await client.quit().catch(() => undefined)
      client.disconnect()
    },
  }
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return `Redis: ${error}`
  if (error.name === 'MaxRetriesPerRequestError') return 'Redis: the connection was lost before the answer came'
  // said when the connection breaks between being ready and the call: nothing was sent
  return `Redis: ${error.message.startsWith("Stream isn't writeable") ? 'there is no connection' : error.message}`
}

/** The client takes any setting from a query, a password too; and its error for what is no URL holds all of it. */
function isAddress(text: string): boolean {
  const url = URL.parse(text)
  if (url === null || !/^rediss?:$/.test(url.protocol) || url.search !== '' || url.hash !== '') return false
  try {
    decodeURIComponent(`${url.username}${url.password}${url.pathname}`)
    return true
  } catch (error) {
    if (error instanceof URIError) return false
    throw error
  }
}

/** Some servers repeat a refused command, and with it the password; a lone user name may be a token. */
function redactor(url: string): (text: string) => string {
  const { username, password } = new URL(url)
  const secret = password || username
  if (!secret) return (text) => text
  return (text) => text.replaceAll(decodeURIComponent(secret), '***').replaceAll(secret, '***')
}

function ready(client: Redis, timeoutMs: number, reason: () => string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const failed = () => reject(new MillraceError('store-failed', `Redis: ${reason()}`))
  const timer = setTimeout(failed, timeoutMs)
  client.once('ready', resolve)
  client.once('end', failed)
  return promise.finally(() => {
    clearTimeout(timer)
    client.off('ready', resolve)
    client.off('end', failed)
  })
}

/** A Lua script, sent by its digest and in full where the server does not know it. Arguments and answers are bytes. */
export function luaScript(source: string) {
  const digest = createHash('sha1').update(source).digest('hex')
  return async (client: Redis, keys: readonly string[], args: readonly (string | Buffer | number)[]) => {
    try {
      return await client.callBuffer('EVALSHA', [digest, keys.length, ...keys, ...args])
    } catch (error) {
      // the server has not run it, so sending it again repeats nothing
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
      return await client.callBuffer('EVAL', [source, keys.length, ...keys, ...args])
    }
  }
}
