import { randomUUID } from 'node:crypto'
import type { z } from 'zod'
import {
  type Argument,
  connectRedis,
  luaScript,
  type RedisConnection,
  redisConfig,
  send,
} from '../connections/redis/index.ts'
import { ClearStop, Fenced } from '../core/errors.ts'
import type { Millis, OpenState, State, StateChange, TaskId } from '../core/model.ts'
import type { Log, Part } from '../core/part.ts'

const part: Part<z.infer<typeof redisConfig>, State> = {
  summary: 'State in Redis, for workers on several machines: one atomic call per commit.',
  config: redisConfig,
  example: 'state:\n  kind: redis\n  url: redis://localhost:6379\n',
  notes: `Needs Redis 6.2 or later: one server, the primary that sentinels name, or a cluster. Each task has three keys in one
hash slot, so tasks spread over a cluster (docs/redis-layout.md). A commit is one
Lua call; it is as durable as Redis is told to be: with \`appendfsync everysec\` a power cut may take the last second,
and the tasks then compute it again from their own position. Use \`maxmemory-policy noeviction\`: an evicted key is
lost state. One large commit delays other calls (5,000 keys of 450 B: about 16 ms).`,
  async open(config, context) {
    const redis = await connectRedis(await import('ioredis'), config, context, 'state')
    void warnOfEviction(redis, context.log)
    return new RedisState(redis)
  },
}
export default part

/** Says it at the start, and does not wait for it: a server may refuse to tell. */
async function warnOfEviction(redis: RedisConnection, log: Log): Promise<void> {
  const [info = ''] = await redis.each([], ({ client }) => client.info('memory')).catch(() => [])
  const policy = /^maxmemory_policy:(allkeys-\S+)/m.exec(info)?.[1]
  if (!policy || /^maxmemory:0\s/m.test(info)) return
  log.warn({ policy }, 'Redis may evict state when its memory is full; use maxmemory-policy noeviction')
}

/*
 * Numbers stay text in Lua wherever they could be printed: its doubles show 14 digits.
 * `unpack` fails at 8,000 values, so that long lists are given in pieces.
 */
const OPEN = luaScript(`
local stands = redis.call('HGET', KEYS[1], 'epoch') or '0'
local last = tonumber(stands)
if not last then return {stands} end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local epoch = string.format('%.0f', math.max(last + 1, now))
redis.call('HSET', KEYS[1], 'epoch', epoch, 'token', ARGV[1])
local held = redis.call('HMGET', KEYS[1], 'commits', 'position', 'meta')
local first = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
return {epoch, held[1], held[2], held[3], first[2] or false}
`)

const COMMIT = luaScript(`
local held = redis.call('HMGET', KEYS[1], 'token', 'commits')
if held[1] ~= ARGV[1] or (held[2] or '0') ~= ARGV[2] then return false end
local at = 9
local function give(command, key, count)
  local stop = at + count
  while at < stop do
    local last = math.min(at + 4000, stop) - 1
    redis.call(command, key, unpack(ARGV, at, last))
    at = last + 1
  end
end
give('HSET', KEYS[2], tonumber(ARGV[5]))
give('HDEL', KEYS[2], tonumber(ARGV[6]))
give('ZADD', KEYS[3], tonumber(ARGV[7]))
give('ZREM', KEYS[3], tonumber(ARGV[8]))
redis.call('HSET', KEYS[1], 'position', ARGV[3], 'meta', ARGV[4])
redis.call('HINCRBY', KEYS[1], 'commits', 1)
return redis.call('ZRANGE', KEYS[3], 0, 0, 'WITHSCORES')
`)

/** Asked of one HSCAN step; what comes in a step varies. */
const SCAN_PAGE = 500

class RedisState implements State {
  private readonly redis: RedisConnection

  constructor(redis: RedisConnection) {
    this.redis = redis
  }

  private keysOf(task: TaskId) {
    const base = `${this.redis.prefix}:state:{${task}}`
    return { meta: `${base}:meta`, keys: `${base}:keys`, timers: `${base}:timers` }
  }

  async open(task: TaskId): Promise<OpenState> {
    const at = this.keysOf(task)
    const token = randomUUID()
    const answer = await this.redis.run(at.meta, (client) => OPEN(client, [at.meta, at.timers], [token]))
    const [epoch, commits, position, meta, due] = answer as (Buffer | null)[]
    return {
      task,
      epoch: counted(at.meta, 'epoch', epoch),
      token,
      commits: counted(at.meta, 'commits', commits),
      position: position ? counted(at.meta, 'position', position) : undefined,
      meta: meta ?? Buffer.alloc(0),
      nextDue: due ? Number(due) : Number.POSITIVE_INFINITY,
    }
  }

  async read(open: OpenState, keys: readonly string[]): Promise<(Buffer | undefined)[]> {
    if (keys.length === 0) return []
    const at = this.keysOf(open.task)
    const values = await this.redis.run(at.meta, async (client) => {
      const asked = send(client, ['hmget', at.keys], keys) as Promise<(Buffer | null)[]>
      const [found, token] = await Promise.all([asked, client.hget(at.meta, 'token')])
      return held(open, token, found)
    })
    return values.map((value) => value ?? undefined)
  }

  async commit(open: OpenState, change: StateChange): Promise<void> {
    const at = this.keysOf(open.task)
    const args = commitArguments(open, change)
    const answer = await this.redis.run(at.meta, (client) => COMMIT(client, [at.meta, at.keys, at.timers], args))
    if (answer === null) throw new Fenced('another worker has taken this task over, or committed for it')
    const [, due] = answer as Buffer[]
    open.commits++
    open.position = change.position
    open.meta = change.meta
    open.nextDue = due ? Number(due) : Number.POSITIVE_INFINITY
  }

  async due(open: OpenState, until: Millis, limit: number): Promise<string[]> {
    const at = this.keysOf(open.task)
    return this.redis.run(at.meta, async (client) => {
      const range = client.zrangebyscore(at.timers, '-inf', until, 'LIMIT', 0, limit)
      const [keys, token] = await Promise.all([range, client.hget(at.meta, 'token')])
      return held(open, token, keys)
    })
  }

  async *scan(open: OpenState): AsyncGenerator<[string, Buffer][]> {
    const at = this.keysOf(open.task)
    let cursor = '0'
    do {
      const [next, flat] = await this.redis.run(at.meta, async (client) => {
        const step = client.hscanBuffer(at.keys, cursor, 'COUNT', SCAN_PAGE)
        const [page, token] = await Promise.all([step, client.hget(at.meta, 'token')])
        return held(open, token, page)
      })
      cursor = next.toString()
      if (flat.length > 0) yield inPairs(flat)
    } while (cursor !== '0')
  }

  async check(open: OpenState): Promise<void> {
    const { meta } = this.keysOf(open.task)
    const [token, commits] = await this.redis.run(meta, (client) => client.hmget(meta, 'token', 'commits'))
    held(open, token ?? null, undefined)
    if (Number(commits ?? 0) !== open.commits) throw new Fenced('somebody else committed')
  }

  async forget(task: TaskId): Promise<void> {
    const { meta, keys, timers } = this.keysOf(task)
    await this.redis.run(meta, (client) => client.unlink(meta, keys, timers))
  }

  close(): Promise<void> {
    return this.redis.close()
  }
}

/** A whole number that a hash of a task holds; 0 where it holds none. Nobody but a stranger writes anything else there. */
function counted(hash: string, field: string, text: Buffer | null | undefined): number {
  const number = Number(text ?? 0)
  if (Number.isSafeInteger(number) && number >= 0) return number
  throw new ClearStop('state-unreadable', `field '${field}' of the hash ${hash} in Redis is no whole number`)
}

/**
 * What was read, if the claim is still the newest. The token is read *after* the data and on the same connection, so a
 * token that matches was the newest when the data was read too.
 */
function held<T>(open: OpenState, token: string | null, data: T): T {
  if (token !== open.token) throw new Fenced()
  return data
}

/** In the order in which the script takes them: eight of its own, then pairs to set, keys to delete, timers. */
function commitArguments(open: OpenState, change: StateChange): Argument[] {
  const set: Argument[] = []
  const deleted: string[] = []
  for (const [key, value] of change.keys ?? []) {
    if (value) set.push(key, value)
    else deleted.push(key)
  }
  const due: string[] = []
  const undue: string[] = []
  for (const [key, at] of change.timers ?? []) {
    if (at === Number.POSITIVE_INFINITY) undue.push(key)
    else due.push(String(at), key)
  }
  const lists = [set, deleted, due, undue]
  const own = [open.token, String(open.commits), String(change.position), change.meta]
  return [...own, ...lists.map((list) => String(list.length)), ...lists.flat()]
}

function inPairs(flat: readonly Buffer[]): [string, Buffer][] {
  const pairs: [string, Buffer][] = []
  for (let i = 0; i < flat.length; i += 2) pairs.push([(flat[i] as Buffer).toString(), flat[i + 1] as Buffer])
  return pairs
}
