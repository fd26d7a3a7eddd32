/** Connections to Redis, as the state and feature stores need them: they come back for ever, and never repeat a call. */
import type * as Ioredis from 'ioredis'
import type { Redis } from 'ioredis'
import { MillraceError } from '../../core/errors.ts'
import type { PartContext } from '../../core/part.ts'
import { readTls, type TlsFiles } from '../../core/tls.ts'
import { hostAndPort, type RedisConfig, redactor } from './config.ts'
import { type Texts, useOwnDecoder } from './decoder.ts'
import { hashReader } from './hashes.ts'
import { clusterServers, oneServer, type Primary, type Servers } from './servers.ts'

export { type RedisConfig, redisConfig } from './config.ts'
export type { Texts } from './decoder.ts'
export { type Argument, send } from './request.ts'
export { luaScript } from './script.ts'
export type { Primary } from './servers.ts'

export interface RedisConnection {
  /** What every key begins with, without the colon. */
  readonly prefix: string
  /** Are keys spread over the primaries of a cluster? One call may then touch keys of one slot only. */
  readonly isSpread: boolean
  /**
   * Sends what `call` sends to the server that holds `key`, once the connection stands. Every failure is `store-failed`, and comes in
   * bounded time: up to `timeout` for the connection and as much for the answer. A call that was sent and failed may have been
   * applied, or may still be; it is never sent again, but where a node of a cluster answered that it has not the keys.
   */
  run<T>(key: string, call: (client: Redis) => Promise<T>): Promise<T>
  /** The same at every primary at once, with those of `keys` that it holds. Fails when one does. */
  each<T>(keys: readonly string[], call: (primary: Primary) => Promise<T>): Promise<T[]>
  /** Of the hashes of `keys`, in their order, what `take` makes of their names and values in turns; what is not there has none. */
  hashes<T>(keys: readonly string[], take: (fields: Texts) => T): Promise<T[]>
  close(): Promise<void>
}

/**
 * Starts to connect and goes on trying for ever; does not wait for it. `ioredis` is the module, which only the parts
 * that use it load; `name` tells what the connection is for, in logs and in Redis' list of clients. Throws `config-invalid` for
 * files of TLS.
 */
export async function connectRedis(
  ioredis: typeof Ioredis,
  config: RedisConfig,
  context: PartContext,
  name: string,
): Promise<RedisConnection> {
  useOwnDecoder()
  const read = hashReader(ioredis)
  const redacted = redactor(config)
  let reason = 'not connected yet'
  const tls = await readTls(config.tls, context.directory)
  const { client, servers } = connect(ioredis, config, tls, `millrace-${name}`, () => reason)
  const failed = (error: Error) => {
    const said = redacted(error.message || String((error as NodeJS.ErrnoException).code))
    if (said !== reason) context.log.warn({ connection: name, reason: said }, 'no connection to Redis; trying again')
    reason = said
  }
  client.on('error', failed)
  client.on('node error', failed)
  client.on('ready', () => {
    reason = 'the connection was lost'
    context.log.debug({ connection: name }, 'connected to Redis')
  })

  /** The client's own error holds the command with its arguments: it goes no further. */
  const told = (error: unknown) =>
    error instanceof MillraceError ? error : new MillraceError('store-failed', redacted(messageOf(error)))
  const made = async <T>(call: () => Promise<T>): Promise<T> => {
    try {
      return await call()
    } catch (error) {
      if (error instanceof MillraceError || !(error instanceof Error) || !(await servers.moved(error)))
        throw told(error)
      return call().catch((again: unknown) => {
        throw told(again)
      })
    }
  }
  return {
    prefix: config.prefix ?? context.deployment,
    isSpread: config.cluster !== undefined,
    run: (key, call) => made(async () => call(inOnePiece(await servers.primaryOf(key)))),
    each: (keys, call) =>
      made(async () => {
        const primaries = await servers.primaries(keys)
        return Promise.all(primaries.map((primary) => call({ ...primary, client: inOnePiece(primary.client) })))
      }),
    hashes: <T>(keys: readonly string[], take: (fields: Texts) => T) =>
      made(async () => {
        if (keys.length === 1) return read(await servers.primaryOf(keys[0] as string), keys, take)
        const found: T[] = []
        const from = async ({ client, groups }: Primary) => {
          const indexes = groups.flat()
          if (indexes.length === 0) return
          const theirs = await read(
            client,
            indexes.map((index) => keys[index] as string),
            take,
          )
          for (const [i, index] of indexes.entries()) found[index] = theirs[i] as T
        }
        await Promise.all((await servers.primaries(keys)).map(from))
        return found
      }),
    close: () => servers.close(),
  }
}

function connect(
  { Redis, Cluster }: typeof Ioredis,
  { url, cluster, sentinel, username, password, timeout }: RedisConfig,
  tls: TlsFiles | undefined,
  connectionName: string,
  reason: () => string,
): { client: { on(event: string, listener: (error: Error) => void): unknown }; servers: Servers } {
  const retry = (times: number) => Math.min(50 * 2 ** Math.min(times, 6), 2000)
  const shared = {
    connectionName,
    protocol: 2 as const,
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(tls && { tls: { ...tls } }),
    connectTimeout: timeout,
    commandTimeout: timeout,
    // a peer that went away without a word is noticed, and the next call finds a new connection
    socketTimeout: timeout,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
  }
  if (cluster) {
    // nodes do not come back by themselves: that they are missing makes the slots be asked for again
    const client = new Cluster(cluster.map(hostAndPort), {
      redisOptions: shared,
      clusterRetryStrategy: retry,
      enableOfflineQueue: false,
      slotsRefreshTimeout: timeout,
      slotsRefreshInterval: SLOTS_EVERY_MS,
    })
    return { client, servers: clusterServers(client, timeout, reason) }
  }
  const options = {
    ...shared,
    // nothing waits in the client's own queues: whatever is under way when the connection breaks fails at once
    enableOfflineQueue: false,
    retryStrategy: retry,
    // a demoted primary, or a replica: look the address up again
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
  }
  const client = sentinel
    ? new Redis({
        ...options,
        sentinels: sentinel.nodes.map(hostAndPort),
        name: sentinel.name,
        ...(sentinel.username !== undefined && { sentinelUsername: sentinel.username }),
        ...(sentinel.password !== undefined && { sentinelPassword: sentinel.password }),
        ...(tls && { sentinelTLS: { ...tls }, enableTLSForSentinelMode: true }),
        sentinelRetryStrategy: retry,
        sentinelCommandTimeout: timeout,
        // whoever still holds on to the old primary is told of the new one
        failoverDetector: true,
      })
    : new Redis(url as string, options)
  return { client, servers: oneServer(client, timeout, reason) }
}

/** What many tasks send in one turn of the event loop goes out as one piece, at the end of the turn. */
function inOnePiece(client: Redis): Redis {
  const { stream } = client
  if (stream && stream.writableCorked === 0) {
    stream.cork()
    setImmediate(() => stream.uncork())
  }
  return client
}

/** A cluster that has changed is noticed at the latest then; by a call that fails, at once. */
const SLOTS_EVERY_MS = 5_000

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return `Redis: ${error}`
  if (error.name === 'MaxRetriesPerRequestError') return 'Redis: the connection was lost before the answer came'
  // said when the connection breaks between being ready and the call: nothing was sent
  return `Redis: ${error.message.startsWith("Stream isn't writeable") ? 'there is no connection' : error.message}`
}
