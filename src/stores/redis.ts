import type { z } from 'zod'
import {
  connectRedis,
  luaScript,
  type Primary,
  type RedisConnection,
  redisConfig,
  type Texts,
} from '../connections/redis/index.ts'
import { MillraceError } from '../core/errors.ts'
import type {
  FeatureJson,
  FeatureRecord,
  FeatureStore,
  FeatureValue,
  FeatureWrite,
  Millis,
  TaskId,
  Version,
} from '../core/model.ts'
import type { Part } from '../core/part.ts'
import { storable } from '../core/values.ts'

const part: Part<z.infer<typeof redisConfig>, FeatureStore> = {
  summary: 'Features in Redis: one hash per topology and entity, which any language reads with one HGETALL.',
  config: redisConfig,
  example: 'store:\n  kind: redis\n  url: redis://localhost:6379\n',
  notes: `Needs Redis 6.2 or later: one server, the primary that sentinels name, or a cluster (where a batch takes one call
per slot, and is written in one step per primary and not as a whole). The layout is docs/redis-layout.md. A value is JSON: a number as its shortest decimal text, so that it comes back exactly; a number
that is not finite counts as null.`,
  open: async (config, context) =>
    new RedisFeatureStore(await connectRedis(await import('ioredis'), config, context, 'features')),
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

/** Of a task, the mark is the first key, and refuses all where it is behind; with no task, all keys are entities. */
const WRITE = luaScript(`${LESS}
local task, version, said, seconds, features = ARGV[1], ARGV[2], ARGV[3], ARGV[5], tonumber(ARGV[6])
local first, mark = 1, false
if task ~= '' then
  first, mark = 2, redis.call('HGET', KEYS[1], task)
  if said ~= '' and (not mark or less(mark, said)) then return 0 end
end
local at = 7 + features
for i = first, #KEYS do
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

  async write(write: FeatureWrite): Promise<'written' | 'behind'> {
    const calls = callsOf(write)
    const keys = write.batch.emissions.map(({ key }) => this.key('features', write.namespace, key))
    const mark = (tag: string) => this.markKey(write.namespace, tag)
    if (this.redis.isSpread) {
      // as long as one primary has gone back, nothing is written anywhere
      const looks = await this.redis.each([], ({ client, tag }) => WRITE(client, [mark(tag)], calls.look))
      if (looks.includes(0)) return 'behind'
    }
    const answers = await this.redis.each(keys, ({ client, tag, groups }) => {
      const whole = this.redis.isSpread ? undefined : [...keys.keys()]
      if (whole) return WRITE(client, [mark(tag), ...keys], calls.of(whole, true))
      /*
       * In one pipeline, the mark last: who has the mark has the entities, also a replica that takes over. The script is there since the
       * look; were it not, all of it would fail.
       */
      const pipeline = client.pipeline()
      for (const group of groups)
        add(
          pipeline,
          group.map((index) => keys[index] as string),
          calls.of(group, false),
        )
      add(pipeline, [mark(tag)], calls.of([], true))
      return lastOf(pipeline)
    })
    return answers.includes(0) ? 'behind' : 'written'
  }

  async mark(namespace: string, task: TaskId): Promise<Version | undefined> {
    const texts = await this.redis.each([], ({ client, tag }) => client.hget(this.markKey(namespace, tag), task))
    const versions = texts.map((text) => (text ? versionFrom(text) : undefined))
    // what one primary has not, the store has not
    return versions.reduce((lowest, each) => lowest && each && (isLess(each, lowest) ? each : lowest))
  }

  async read(namespace: string, ids: readonly string[]): Promise<(FeatureRecord | undefined)[]> {
    return this.hashes(namespace, ids, recordFrom)
  }

  async readJson(
    namespace: string,
    ids: readonly string[],
    names: readonly string[],
  ): Promise<(FeatureJson | undefined)[]> {
    return this.hashes(namespace, ids, (fields) => jsonFrom(fields, names))
  }

  private hashes<T>(namespace: string, ids: readonly string[], take: (fields: Texts) => T): Promise<T[]> {
    const prefix = this.key('features', namespace, '')
    return ids.length === 0
      ? Promise.resolve([])
      : this.redis.hashes(
          ids.map((id) => prefix + id),
          take,
        )
  }

  async alias(topology: string): Promise<string | undefined> {
    const key = this.key('alias', topology)
    return (await this.redis.run(key, (client) => client.hget(key, 'namespace'))) ?? undefined
  }

  async moveAlias(topology: string, namespace: string, generation: number): Promise<void> {
    const key = this.key('alias', topology)
    await this.redis.run(key, (client) => MOVE_ALIAS(client, [key], [namespace, String(generation)]))
  }

  async forget(namespace: string): Promise<void> {
    const [topology = ''] = namespace.split('@')
    const alias = this.key('alias', topology)
    await this.redis.run(alias, (client) => DROP_ALIAS(client, [alias], [namespace]))
    await this.drop(`${escaped(this.key('features', namespace))}:*`)
    // of a cluster whose slots were moved, there may be marks of primaries that are no more
    if (this.redis.isSpread) await this.drop(`${escaped(this.key('marks', namespace))}:{*}`)
    else await this.redis.each([], ({ client, tag }) => client.unlink(this.markKey(namespace, tag)))
  }

  /** Deletes what has such a name, on every primary. */
  private async drop(match: string): Promise<void> {
    await this.redis.each([], async ({ client }) => {
      let cursor = '0'
      do {
        const [next, keys] = await client.scan(cursor, 'MATCH', match, 'COUNT', SCANNED)
        const pipeline = client.pipeline()
        for (const key of keys) pipeline.unlink(key)
        for (const [error] of (await pipeline.exec()) ?? []) if (error) throw error
        cursor = next
      } while (cursor !== '0')
    })
  }

  /** One mark on every primary, since each may go back by itself. */
  private markKey(namespace: string, tag: string): string {
    return tag === '' ? this.key('marks', namespace) : this.key('marks', namespace, `{${tag}}`)
  }

  close(): Promise<void> {
    return this.redis.close()
  }

  private key(...parts: string[]): string {
    return [this.redis.prefix, ...parts].join(':')
  }
}

type Pipeline = ReturnType<Primary['client']['pipeline']>

function add(pipeline: Pipeline, keys: readonly string[], args: readonly string[]): void {
  pipeline.call('EVALSHA', WRITE.digest, keys.length, ...keys, ...args)
}

/** The answer of the last call. Rejects where one failed. */
async function lastOf(pipeline: Pipeline): Promise<unknown> {
  const answers = (await pipeline.exec()) ?? []
  for (const [error] of answers) if (error) throw error
  return answers.at(-1)?.[1]
}

/** Arguments of `WRITE` for a batch. */
function callsOf({ names, batch }: FeatureWrite) {
  const { task, version, said, partial, emissions } = batch
  const head = (of: string, move: string) => [
    of,
    textOf(version),
    said ? textOf(said) : '',
    move,
    String(FORGOTTEN_SECONDS),
  ]
  return {
    /** The mark alone, left as it is. */
    look: [...head(task, 'keep'), '0'],
    /** The emissions at those places; `marked`: with the mark. */
    of(indexes: readonly number[], marked: boolean): string[] {
      const args = [...head(marked ? task : '', marked && !partial ? 'move' : 'keep'), String(names.length), ...names]
      for (const index of indexes) {
        const { at, values } = emissions[index] as (typeof emissions)[number]
        if (!values) args.push('')
        else {
          args.push(String(at))
          for (let i = 0; i < names.length; i++) args.push(jsonOf(values[i]))
        }
      }
      return args
    },
  }
}

function isLess(a: Version, b: Version): boolean {
  return (a.generation - b.generation || a.epoch - b.epoch || a.step - b.step) < 0
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

function recordFrom({ bytes, count, spans }: Texts): FeatureRecord | undefined {
  const text = (i: number) => bytes.toString('utf8', spans[2 * i], spans[2 * i + 1])
  const fields = new Map(Array.from({ length: count / 2 }, (_, i) => [text(2 * i), text(2 * i + 1)]))
  const [at, version] = [fields.get('@at'), versionFrom(fields.get('@v') ?? '')]
  if (at === undefined || !version) return undefined
  fields.delete('@at')
  fields.delete('@v')
  const values = Object.fromEntries([...fields].map(([name, json]) => [name, JSON.parse(json)]))
  return { at: Number(at), version, values }
}

/** What is not of `names` is passed over. Fields mostly stand in the order of `names`, some of which may be missing. */
function jsonFrom({ bytes, count, spans }: Texts, names: readonly string[]): FeatureJson | undefined {
  let at: Millis | undefined
  const { texts, places } = knownOf(names)
  const found = new Array<number>(2 * names.length).fill(0)
  for (let i = 0, place = 0; i < 2 * count; i += 4) {
    const [from, to] = [spans[i + 2] as number, spans[i + 3] as number]
    if (
      place >= names.length ||
      !isText(bytes, spans[i] as number, spans[i + 1] as number, texts[place] as Uint8Array)
    ) {
      const name = bytes.toString('utf8', spans[i], spans[i + 1])
      if (name === '@at') at = Number(bytes.toString('latin1', from, to))
      const other = places.get(name)
      if (other === undefined) continue
      place = other
    }
    if (!isPlainNumber(bytes, from, to)) requireOwn(bytes, from, to)
    found[2 * place] = isMinusZero(bytes, from, to) ? from + 1 : from
    found[2 * place + 1] = to
    place++
  }
  if (at === undefined) return undefined
  if (!Number.isFinite(at)) throw foreign()
  return { at, bytes, spans: found }
}

/** Names as bytes, and where they stand. */
interface Names {
  readonly texts: readonly Uint8Array[]
  readonly places: ReadonlyMap<string, number>
}
const knownNames = new WeakMap<readonly string[], Names>()

function knownOf(names: readonly string[]): Names {
  let known = knownNames.get(names)
  if (!known) {
    const places = new Map(names.map((name, place) => [name, place]))
    known = { texts: names.map((name) => Buffer.from(name)), places }
    knownNames.set(names, known)
  }
  return known
}

const [MINUS, DOT, ZERO, NINE] = [0x2d, 0x2e, 0x30, 0x39]

/** A JSON number without an exponent. */
function isPlainNumber(bytes: Buffer, from: number, to: number): boolean {
  const start = bytes[from] === MINUS ? from + 1 : from
  if (bytes[start] === ZERO && start + 1 < to && bytes[start + 1] !== DOT) return false
  let dots = 0
  for (let i = start; i < to; i++) {
    const byte = bytes[i] as number
    const isDigit = byte >= ZERO && byte <= NINE
    if (!isDigit && !(byte === DOT && ++dots === 1 && i > start && i + 1 < to)) return false
  }
  return to > start
}

/** It goes into answers as it is: one line of JSON, as `jsonOf` makes it. Empty: null. Throws for what somebody else has written otherwise. */
function requireOwn(bytes: Buffer, from: number, to: number): void {
  if (to === from) return
  const written = bytes.subarray(from, to)
  try {
    if (Buffer.from(JSON.stringify(JSON.parse(written.toString()))).equals(written)) return
  } catch {
    // said below
  }
  throw foreign()
}

const foreign = () => new MillraceError('store-failed', 'Redis: features of an entity are not as Millrace writes them')

function isMinusZero(bytes: Buffer, from: number, to: number): boolean {
  return to - from === 2 && bytes[from] === MINUS && bytes[from + 1] === ZERO
}

function isText(bytes: Uint8Array, from: number, to: number, text: Uint8Array): boolean {
  if (to - from !== text.length) return false
  for (let i = 0; i < text.length; i++) if (bytes[from + i] !== text[i]) return false
  return true
}
