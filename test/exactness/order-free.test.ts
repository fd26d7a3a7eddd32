import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { hash53 } from '../../src/core/key.ts'
import type { Decoder, FeatureValue, Sink, Value } from '../../src/core/model.ts'
import { SILENT } from '../../src/core/part.ts'
import { createMetrics } from '../../src/engine/metrics.ts'
import { Worker } from '../../src/engine/worker.ts'
import type { FeatureTopology } from '../../src/features/compile.ts'
import { checkProject } from '../../src/project/check.ts'
import { openStoreSink } from '../../src/sinks/store.ts'
import { VirtualClock } from '../../src/testing/clock.ts'
import { MemoryState } from '../../src/testing/memory-state.ts'
import { MemoryStore } from '../../src/testing/memory-store.ts'
import { MemoryTransport } from '../../src/testing/memory-transport.ts'
import { NAIVE_OPERATORS } from '../../src/testing/naive-operators.ts'
import { naiveResult } from '../../src/testing/oracle.ts'
import { SETTINGS } from '../engine/settings.ts'

const HERE = new URL('./order-free/', import.meta.url)

interface Written {
  readonly key: string
  readonly at: number
  readonly kind: 'OPEN' | 'CLOSE' | 'OTHER'
  readonly thing: string
  readonly value: number | null
}
type TestEvent = Written & { readonly id: string }

/** What every feature of `order-free/topologies/all.yaml` is, by the set of a key's events up to a time. */
function expected(events: readonly TestEvent[], key: string, now: number): Record<string, FeatureValue> {
  const mine = events
    .filter((event) => event.key === key && event.at <= now)
    .sort((a, b) => a.at - b.at || (tieOf(a) < tieOf(b) ? -1 : 1))
  const values = (from: readonly TestEvent[]) => from.flatMap(({ value }) => (value === null ? [] : [value]))
  const sum = (numbers: readonly number[]) => numbers.reduce((total, value) => total + value, 0)
  const within = (ms: number) => mine.filter(({ at }) => at > now - ms)
  const last = values(mine.filter(({ value }) => value !== null)).slice(-3)
  const newest = new Map<string, TestEvent>()
  for (const event of mine) {
    const before = newest.get(event.thing)
    if (event.kind === 'OTHER') continue
    if (before && before.at === event.at && before.kind === 'CLOSE' && event.kind === 'OPEN') continue
    newest.set(event.thing, event)
  }
  const mean = (numbers: readonly number[]) => (numbers.length === 0 ? null : sum(numbers) / numbers.length)
  const naive = (
    as: string,
    from: readonly TestEvent[],
    pick: (event: TestEvent) => Value | null,
    settings?: object,
  ) => {
    const samples = from.flatMap((event) => {
      const value = pick(event)
      return value === null ? [] : [{ value, time: START + event.at, tie: tieOf(event) }]
    })
    return NAIVE_OPERATORS[as]?.(samples, settings, 60_000) ?? null
  }
  const minute = within(60_000)
  const closes = minute.filter(({ kind }) => kind === 'CLOSE').length
  const current = [...newest.values()].filter(({ kind, at }) => kind === 'OPEN' && at > now - 90_000)
  const numberOf = ({ value }: TestEvent) => value
  const kindOf = ({ kind }: TestEvent) => kind
  const thingOf = ({ thing }: TestEvent) => thing
  const spread = values(minute)
  const middle = mean(spread)
  return {
    count_30s: within(30_000).length,
    closes_60s: closes,
    variance_60s: middle === null ? null : sum(spread.map((value) => (value - middle) ** 2)) / spread.length,
    min_60s: spread.length === 0 ? null : Math.min(...spread),
    mean_last_3: mean(last),
    max_last_3: last.length === 0 ? null : Math.max(...last),
    open_things: current.length,
    total: mine.length,
    value_total: sum(values(mine)),
    median_60s: naive('percentile', minute, numberOf, { percentile: 50 }),
    values_60s: naive('distinct', minute, numberOf),
    kind_60s: naive('last', minute, kindOf),
    things_60s: naive('top', minute, thingOf, { top: 2 }),
    per_minute_60s: minute.length,
    kinds_last_3: naive('distinct', mine.slice(-3), kindOf),
    first_of_last_3: naive('first', mine.slice(-3), thingOf),
    kind: naive('last', mine, kindOf),
    first_thing: naive('first', mine, thingOf),
    top_things: naive('top', mine, thingOf, { top: 2 }),
    rolling: naive('ewma', mine, numberOf, { ewma: 20_000 }),
    rhythm: naive('spectral', mine, numberOf, { spectral: 5_000, points: 8 }),
    open_thing: naive('last', current, thingOf),
    share_of_closes: within(30_000).length === 0 ? -1 : closes / within(30_000).length,
  }
}
/** When the events' times begin. */
const START = new VirtualClock().now() - 120_000
const THINGS = { lifecycle: 'thing', opens: 'opens', closes: 'closes' }
/** What is left to the oracle, as the topology declares it. */
const ORACLE: Readonly<Record<string, Parameters<typeof naiveResult>[0]>> = {
  oldest_thing: {
    config: { ...THINGS, maxAge: 90_000, measure: 'age', every: 8_000 },
    columns: THINGS,
    as: 'max',
    settings: {},
  },
  things_took: {
    config: { ...THINGS, maxAge: 50_000, measure: 'duration' },
    columns: THINGS,
    as: 'mean',
    settings: {},
  },
  sum_60s_coarse: { config: { window: 60_000, resolution: 15_000 }, columns: { of: 'value' }, as: 'sum', settings: {} },
  count_30s_tumbling: { config: { tumbling: 30_000 }, columns: {}, as: 'count', settings: {} },
  sum_20s_tumbling: {
    config: { tumbling: 20_000, offset: 5_000 },
    columns: { of: 'value' },
    as: 'sum',
    settings: {},
  },
}

/** By the oracle, over what was not late for the feature. */
function byOracle(events: readonly TestEvent[], key: string, now: number, late: Late): Record<string, FeatureValue> {
  const mine = events.filter((event) => event.key === key && event.at <= now)
  const answers = Object.entries(ORACLE).map(([name, feature]) => {
    const inTime = mine.filter(({ id }) => !late.get(name)?.has(id))
    const seen = inTime.map((event) => ({
      time: event.at,
      tie: tieOf(event),
      values: { value: event.value, thing: event.thing, opens: event.kind === 'OPEN', closes: event.kind === 'CLOSE' },
    }))
    return [name, naiveResult(feature, seen, now)] as const
  })
  return Object.fromEntries(answers)
}

/** Ids of events that the dead letters say were late, by feature. */
type Late = ReadonlyMap<string, ReadonlySet<string>>

async function lateFrom(transport: MemoryTransport, idAt: ReadonlyMap<string, string>): Promise<Late> {
  const late = new Map<string, Set<string>>()
  const { records } = await transport.read({ topic: 'dead', partition: 0 }, 0)
  for (const { headers, value } of records) {
    expect(String(headers['millrace-error-code'])).toBe('late')
    const place = `${headers['millrace-source-partition']}/${headers['millrace-source-position']}`
    for (const feature of (JSON.parse(String(value)) as { features: string[] }).features) {
      const ids = late.get(feature) ?? new Set()
      late.set(feature, ids.add(idAt.get(place) as string))
    }
  }
  return late
}

/** Events of one time are ordered by a hash of their declared id: any fixed order would do. */
const tieOf = ({ id }: TestEvent) => hash53(id)
const named = (events: readonly Written[]): TestEvent[] => events.map((event, i) => ({ ...event, id: `e${i}` }))

const event = fc.record({
  key: fc.constantFrom('a', 'b', 'c'),
  at: fc.nat(120).map((seconds) => seconds * 1_000),
  kind: fc.constantFrom('OPEN' as const, 'CLOSE' as const, 'OTHER' as const),
  thing: fc.constantFrom('x', 'y', 'z'),
  value: fc.option(fc.integer({ min: -5, max: 5 })),
})

/** One way for the events to arrive: over how many partitions, in which order, with which pauses. */
const arrival = fc.record({
  partitions: fc.integer({ min: 1, max: 4 }),
  order: fc.infiniteStream(fc.nat(1_000_000)),
  pauses: fc.infiniteStream(fc.constantFrom(0, 0, 0, 300, 1_500, 4_000)),
})
type Arrival = typeof arrival extends fc.Arbitrary<infer A> ? A : never

let directory: string
const topologies = new Map<number, FeatureTopology>()

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'millrace-order-'))
  await cp(HERE, directory, { recursive: true })
  for (const shufflePartitions of [1, 2, 3]) {
    await writeFile(
      join(directory, 'millrace.yaml'),
      `topics: { things: { time: at, id: id } }\nengine: { shufflePartitions: ${shufflePartitions} }\n`,
    )
    const { project, problems } = await checkProject(directory)
    expect(problems).toEqual([])
    topologies.set(shufflePartitions, project?.topologies[0] as FeatureTopology)
  }
})
afterAll(() => rm(directory, { recursive: true, force: true }))

/** Runs the topology over the events as they arrive; answers every key's features and their as-of time. */
async function compute(
  events: readonly TestEvent[],
  topology: FeatureTopology,
  { partitions, order, pauses }: Arrival,
) {
  const clock = new VirtualClock()
  const start = clock.now()
  const transport = new MemoryTransport(() => clock.now())
  const store = new MemoryStore()
  await transport.create({ name: 'things', partitions, retentionMs: -1 })
  const namespace = `${topology.name}@${topology.generation}`
  const names = topology.features.map(({ name }) => name)
  const unused = () => Promise.reject(new Error('not used'))
  const sink: Sink = await openStoreSink({
    topology: topology.name,
    namespace,
    keyFields: ['key'],
    features: names,
    schema: {},
    partitions: 1,
    store,
    transport,
    encoder: unused,
  })
  const worker = new Worker({
    deployment: 'test',
    flows: [topology.flow([sink])],
    transport,
    state: new MemoryState(() => clock.now()),
    decoder: () => json,
    deadLetters: { topic: 'dead', partitions: 1 },
    shuffleRetention: -1,
    settings: SETTINGS,
    clock,
    metrics: createMetrics(),
    log: SILENT,
  })
  await worker.start()
  const shuffled = events.map((event) => [order.next().value as number, event] as const).sort((a, b) => a[0] - b[0])
  const idAt = new Map<string, string>()
  const sent = Array.from({ length: partitions }, () => 0)
  for (const [n, event] of shuffled) {
    const partition = n % partitions
    idAt.set(`${partition}/${sent[partition]}`, event.id)
    sent[partition] = (sent[partition] as number) + 1
    const value = Buffer.from(JSON.stringify({ ...event, at: start - 120_000 + event.at }))
    await transport.write([{ topic: 'things', partition, key: null, value, timestamp: clock.now() }])
    await clock.advance(pauses.next().value as number)
  }
  for (let i = 0; i < 20 && (i < 8 || worker.lag() > 0); i++) await clock.advance(1_000)
  await worker.stop()
  const late = await lateFrom(transport, idAt)
  const found = new Map<string, { at: number; values: Record<string, FeatureValue> }>()
  for (const key of new Set(events.map((event) => event.key))) {
    const record = (await store.read(namespace, [key]))[0]
    found.set(key, {
      at: (record?.at ?? Number.NaN) - start + 120_000,
      values: Object.fromEntries(names.map((name) => [name, record?.values[name] ?? null])),
    })
  }
  return { found, late }
}

const json: Decoder = {
  prepare: async () => undefined,
  record: ({ value }) => JSON.parse(String(value)) as Record<string, unknown>,
}

const rounded = (value: FeatureValue): unknown => {
  if (typeof value === 'number') return Math.round(value * 1e6) / 1e6
  return Array.isArray(value) ? value.map(rounded) : value
}

it('the same events in any order, over any partitions, end in the same features: those of their set', {
  timeout: 900_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(event, { minLength: 1, maxLength: 25 }),
      arrival,
      fc.constantFrom(1, 2, 3),
      async (written, how, shuffle) => {
        const events = named(written)
        const { found, late } = await compute(events, topologies.get(shuffle) as FeatureTopology, how)
        for (const [key, { at, values }] of found) {
          const wanted = { ...expected(events, key, at), ...byOracle(events, key, at, late) }
          expect(Object.keys(values).sort()).toEqual(Object.keys(wanted).sort())
          for (const [name, value] of Object.entries(wanted))
            expect([key, name, rounded(values[name] ?? null)]).toEqual([key, name, rounded(value)])
        }
      },
    ),
    { numRuns: 1_000 },
  )
})
