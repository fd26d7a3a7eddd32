import type { z } from 'zod'
import { connectRedis, luaScript, type RedisConnection, redisConfig } from '../connections/redis.ts'
import type { FeatureRecord, FeatureStore, FeatureValue, FeatureWrite, TaskId, Version } from '../core/model.ts'
import type { Part } from '../core/part.ts'
import { storable } from '../core/values.ts'

const part: Part<z.infer<typeof redisConfig>, FeatureStore> = {
  summary: 'Features in Redis: one hash per topology and entity, which any language reads with one HGETALL.',
  config: redisConfig,
  example: 'store:\n  kind: redis\n  url: redis://localhost:6379\n',
  notes: `Needs Redis 6.2 or later, one primary (not Redis Cluster: one call writes many entities). The layout is
docs/redis-layout.md. A value is JSON: a number as its shortest decimal text, so that it comes back exactly; a number
that is not finite counts as null.`,
  open: async (config, context) =>
    new RedisFeatureStore(connectRedis(await import('ioredis'), config, context, 'features')),
}
export default part

/** How long the version of a forgotten entity stays, to refuse what an old worker may still say of it. */
const FORGOTTEN_SECONDS = 24 * 60 * 60

/** Versions are compared as three numbers, each below 2^53, and only ever printed as the text that came in. */
const LESS = `
local function less(a, b)
  local a1, a2, a3 = string.match(a, '^(%d+)%.(%d+)%.(%d+)$')
  local b1, b2, b3 = string.match(b, '^(%d+)%.(%d+)%.(%d+)$')
  if not a1 or not b1 then return not a1 end
  if a1 ~= b1 then return tonumber(a1) < tonumber(b1) end
  if a2 ~= b2 then return tonumber(a2) < tonumber(b2) end
  return tonumber(a3) < tonumber(b3)
end
`

const WRITE = luaScript(`${LESS}
local task, version, said, seconds, features = ARGV[1], ARGV[2], ARGV[3], ARGV[5], tonumber(ARGV[6])
local mark = redis.call('HGET', KEYS[1], task)
if said ~= '' and (not mark or less(mark, said)) then return 0 end
local at = 7 + features
for i = 2, #KEYS do
  local asOf = ARGV[at]
  at = at + 1
  local stands = redis.call('HGET', KEYS[i], '@v')
  local newer = not stands or not less(version, stands)
  if newer then redis.call('DEL', KEYS[i]) end
  if asOf == '' then
    if newer then
      redis.call('HSET', KEYS[i], '@v', version)
      redis.call('EXPIRE', KEYS[i], seconds)
    end
  else
    if newer then
      local fields = {'@v', version, '@at', asOf}
      for f = 0, features - 1 do
        if ARGV[at + f] ~= '' then
          fields[#fields + 1] = ARGV[7 + f]
          fields[#fields + 1] = ARGV[at + f]
        end
      end
      redis.call('HSET', KEYS[i], unpack(fields))
    end
    at = at + features
  end
end
if ARGV[4] == 'move' and (not mark or less(mark, version)) then
  redis.call('HSET', KEYS[1], task, version)
end
return 1
`)

const MOVE_ALIAS = luaScript(`
local stands = tonumber(redis.call('HGET', KEYS[1], 'generation') or '-1')
if stands < tonumber(ARGV[2]) then redis.call('HSET', KEYS[1], 'namespace', ARGV[1], 'generation', ARGV[2]) end
`)

const DROP_ALIAS = luaScript(`
if redis.call('HGET', KEYS[1], 'namespace') == ARGV[1] then redis.call('DEL', KEYS[1]) end
`)

/** Keys that one step of a scan looks at. */
const SCANNED = 1_000

/** What stands for itself in a pattern of Redis. */
const escaped = (text: string): string => text.replace(/[\\*?[\]^-]/g, '\\$&')

class RedisFeatureStore implements FeatureStore {
  private readonly redis: RedisConnection

  constructor(redis: RedisConnection) {
    this.redis = redis
  }

  async write({ namespace, names, batch }: FeatureWrite): Promise<'written' | 'behind'> {
    const keys = [this.key('marks', namespace)]
    const said = batch.said ? textOf(batch.said) : ''
    const mark = batch.partial ? 'keep' : 'move'
    const args = [batch.task, textOf(batch.version), said, mark, String(FORGOTTEN_SECONDS), String(names.length)]
    args.push(...names)
    for (const { key, at, values } of batch.emissions) {
      keys.push(this.key('features', namespace, key))
      if (!values) args.push('')
      else {
        args.push(String(at))
        for (let i = 0; i < names.length; i++) args.push(jsonOf(values[i]))
      }
    }
    return (await this.redis.run((client) => WRITE(client, keys, args))) === 1 ? 'written' : 'behind'
  }

  async mark(namespace: string, task: TaskId): Promise<Version | undefined> {
    const text = await this.redis.run((client) => client.hget(this.key('marks', namespace), task))
    return text ? versionFrom(text) : undefined
  }

  async read(namespace: string, ids: readonly string[]): Promise<(FeatureRecord | undefined)[]> {
    if (ids.length === 0) return []
    return this.redis.run(async (client) => {
      const pipeline = client.pipeline()
      for (const id of ids) pipeline.hgetall(this.key('features', namespace, id))
      const answers = (await pipeline.exec()) ?? []
      return answers.map(([error, hash]) => {
        if (error) throw error
        return recordFrom(hash as Record<string, string>)
      })
    })
  }

  async alias(topology: string): Promise<string | undefined> {
    return (await this.redis.run((client) => client.hget(this.key('alias', topology), 'namespace'))) ?? undefined
  }

  async moveAlias(topology: string, namespace: string, generation: number): Promise<void> {
    const keys = [this.key('alias', topology)]
    await this.redis.run((client) => MOVE_ALIAS(client, keys, [namespace, String(generation)]))
  }

  async forget(namespace: string): Promise<void> {
    const [topology = ''] = namespace.split('@')
    await this.redis.run((client) => DROP_ALIAS(client, [this.key('alias', topology)], [namespace]))
    const match = `${escaped(this.key('features', namespace))}:*`
    let cursor = '0'
    do {
      cursor = await this.redis.run(async (client) => {
        const [next, keys] = await client.scan(cursor, 'MATCH', match, 'COUNT', SCANNED)
        if (keys.length > 0) await client.unlink(...keys)
        return next
      })
    } while (cursor !== '0')
    await this.redis.run((client) => client.unlink(this.key('marks', namespace)))
  }

  close(): Promise<void> {
    return this.redis.close()
  }

  private key(...parts: string[]): string {
    return [this.redis.prefix, ...parts].join(':')
  }
}

function textOf({ generation, epoch, step }: Version): string {
  return `${generation}.${epoch}.${step}`
}

function versionFrom(text: string): Version | undefined {
  const [, generation, epoch, step] = /^(\d+)\.(\d+)\.(\d+)$/.exec(text) ?? []
  if (step === undefined) return undefined
  return { generation: Number(generation), epoch: Number(epoch), step: Number(step) }
}

/** JSON; of a number the shortest that reads back as the same double. Empty for null. */
function jsonOf(given: FeatureValue | undefined): string {
  const value = storable(given)
  if (value === undefined) return ''
  // JSON.stringify would lose the sign
  return Object.is(value, -0) ? '-0' : JSON.stringify(value)
}

function recordFrom(hash: Record<string, string>): FeatureRecord | undefined {
  const { '@at': at, '@v': text = '', ...features } = hash
  const version = versionFrom(text)
  if (at === undefined || !version) return undefined
  const values: Record<string, NonNullable<FeatureValue>> = {}
  for (const name in features) values[name] = JSON.parse(features[name] as string) as NonNullable<FeatureValue>
  return { at: Number(at), version, values }
}
