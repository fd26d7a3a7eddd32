import { expect } from 'vitest'
import { ByteReader, ByteWriter } from '../../src/core/bytes.ts'
import { RecordError } from '../../src/core/errors.ts'
import type {
  Decoder,
  Draft,
  FeatureFlow,
  FeatureRecord,
  Flow,
  Reducer,
  Sink,
  State,
  Transport,
} from '../../src/core/model.ts'
import { type Log, SILENT } from '../../src/core/part.ts'
import { createMetrics } from '../../src/engine/metrics.ts'
import type { EngineSettings } from '../../src/engine/task.ts'
import { Worker } from '../../src/engine/worker.ts'
import { openStoreSink } from '../../src/sinks/store.ts'
import { VirtualClock } from '../../src/testing/clock.ts'
import { MemoryState } from '../../src/testing/memory-state.ts'
import { MemoryStore } from '../../src/testing/memory-store.ts'
import { MemoryTransport } from '../../src/testing/memory-transport.ts'
import { SETTINGS } from './settings.ts'

export const WINDOW = 60_000

export interface TestEvent {
  readonly key: string
  readonly at: number
  readonly value: number
}

/** Per key: count in the window, sum in the window, lifetime count. Naive on purpose: the engine is under test. */
interface KeyEvents {
  newest: number
  total: number
  window: [number, number][]
}

export function windowReducer(slots: readonly string[]): Reducer<KeyEvents> {
  const inside = (state: KeyEvents, now: number) => state.window.filter(([at]) => at > now - WINDOW)
  return {
    slots: slots.length > 0 ? slots : ['events'],
    create: () => ({ newest: Number.NEGATIVE_INFINITY, total: 0, window: [] }),
    apply: (rows) => {
      const values = rows.columns.get('value') as Float64Array
      return (state, row, clock) => {
        const at = rows.time[row] as number
        state.newest = Math.max(state.newest, at)
        state.total++
        if (at > clock - WINDOW) state.window.push([at, values[row] as number])
      }
    },
    newest: (state) => state.newest,
    expire: (state, clock) => {
      state.window = inside(state, clock)
    },
    nextDue: (state, now) => Math.min(...inside(state, now).map(([at]) => at + WINDOW)),
    isSpent: () => false,
    evaluate: (state, now) => [
      inside(state, now).length,
      inside(state, now).reduce((sum, [, value]) => sum + value, 0),
      state.total,
    ],
    encode: (state) => {
      const to = new ByteWriter()
      to.double(state.newest)
      to.varint(state.total)
      to.varint(state.window.length)
      for (const [at, value] of state.window) {
        to.double(at)
        to.double(value)
      }
      return { main: to.take(), segments: [] }
    },
    decode: (main) => {
      const from = new ByteReader(main)
      return {
        newest: from.double(),
        total: from.varint(),
        window: Array.from({ length: from.varint() }, () => [from.double(), from.double()]),
      }
    },
    isWhole: () => true,
    missing: () => [],
    attach: () => undefined,
  }
}

export const FEATURES = ['count', 'sum', 'total']

export interface WorldOptions {
  readonly topics?: Readonly<Record<string, number>>
  readonly shuffle?: number | undefined
  readonly settings?: Partial<EngineSettings>
  readonly transport?: (real: MemoryTransport) => Transport
  readonly state?: (real: MemoryState) => State
  readonly sink?: (real: Sink) => Sink
  readonly flow?: Partial<FeatureFlow>
  readonly log?: Log
}

/** Everything one deployment needs, in memory, on a clock that the test moves. Events are JSON. */
export class World {
  readonly clock = new VirtualClock()
  readonly transport = new MemoryTransport(() => this.clock.now())
  readonly state = new MemoryState(() => this.clock.now())
  readonly store = new MemoryStore()
  readonly metrics = createMetrics()
  readonly flow: FeatureFlow
  readonly sent: TestEvent[] = []
  private readonly options: WorldOptions
  private readonly topics: Readonly<Record<string, number>>

  private constructor(options: WorldOptions, sink: Sink) {
    this.options = options
    this.topics = options.topics ?? { events: 3 }
    const plan = {
      columns: [
        { id: 'value', kind: 'number' as const, fill: (event: Record<string, unknown>) => event.value as number },
      ],
      where: () => true,
      key: (event: Record<string, unknown>) => event.key as string | null,
      time: (event: Record<string, unknown>) => event.at as number,
      id: undefined,
    }
    this.flow = {
      name: 'load',
      generation: 'g1',
      definition: 'd1',
      declaredAt: 1,
      sources: Object.keys(this.topics).map((topic) => ({ topic, fields: [], plan })),
      shuffle: 'shuffle' in options ? options.shuffle : 2,
      direct: Object.values(this.topics)[0],
      start: 'earliest',
      reducer: windowReducer as FeatureFlow['reducer'],
      features: FEATURES,
      sinks: [options.sink?.(sink) ?? sink],
      ...options.flow,
    }
  }

  static async create(options: WorldOptions = {}): Promise<World> {
    const opened: { sink?: Sink } = {}
    const later: Sink = {
      write: (batch) => (opened.sink as Sink).write(batch),
      mark: async (task) => opened.sink?.mark?.(task),
      caughtUp: async (...args) => opened.sink?.caughtUp?.(...args),
      close: async () => undefined,
    }
    const world = new World(options, later)
    opened.sink = await openStoreSink({
      topology: 'load',
      namespace: 'load@g1',
      keyFields: ['key'],
      features: FEATURES,
      schema: {},
      partitions: 1,
      store: world.store,
      transport: world.transport,
      encoder: () => Promise.reject(new Error('not used')),
    })
    for (const [name, partitions] of Object.entries(world.topics))
      await world.transport.create({ name, partitions, retentionMs: -1 })
    return world
  }

  /** Another topology, or another generation of one, over the same topics; its values stand under `<name>@<generation>`. */
  async topology(name: string, changes: Partial<FeatureFlow> = {}): Promise<FeatureFlow> {
    const flow = { ...this.flow, name, ...changes }
    const sink = await openStoreSink({
      topology: name,
      namespace: `${name}@${flow.generation}`,
      keyFields: ['key'],
      features: FEATURES,
      schema: {},
      partitions: 1,
      store: this.store,
      transport: this.transport,
      encoder: () => Promise.reject(new Error('not used')),
    })
    return { ...flow, sinks: [this.options.sink?.(sink) ?? sink] }
  }

  worker(tag?: string, ...flows: readonly Flow[]): Worker {
    return new Worker({
      deployment: 'test',
      ...(tag === undefined ? {} : { tag }),
      flows: flows.length > 0 ? flows : [this.flow],
      transport: this.options.transport?.(this.transport) ?? this.transport,
      state: this.options.state?.(this.state) ?? this.state,
      decoder: () => json,
      deadLetters: { topic: 'test.dead-letters', partitions: 1 },
      shuffleRetention: -1,
      settings: { ...SETTINGS, ...this.options.settings },
      clock: this.clock,
      metrics: this.metrics,
      log: this.options.log ?? SILENT,
    })
  }

  async send(topic: string, partition: number, ...events: TestEvent[]): Promise<void> {
    this.sent.push(...events)
    await this.write(
      events.map((event) => ({
        topic,
        partition,
        key: null,
        value: Buffer.from(JSON.stringify(event)),
        timestamp: this.clock.now(),
      })),
    )
  }

  write(drafts: readonly Draft[]): Promise<void> {
    return this.transport.write(drafts)
  }

  /** Moves the clock on until nothing is left to read, at most `ms`. Answers whether that was reached. */
  async settle(worker: Worker, ms = 60_000): Promise<boolean> {
    for (let passed = 0; passed < ms; passed += 500) {
      await this.clock.advance(500)
      if (
        worker.lag() === 0 &&
        worker.status().every(({ condition }) => condition === 'running') &&
        worker.status().length > 0
      ) {
        await this.clock.advance(500)
        if (worker.lag() === 0) return true
      }
    }
    return false
  }

  /** What the store says of a key. */
  async features(key: string, namespace = 'load@g1'): Promise<FeatureRecord | undefined> {
    return (await this.store.read(namespace, [key]))[0]
  }

  /** Holds every key against what it should be. */
  async expectExact(namespace = 'load@g1'): Promise<void> {
    for (const key of new Set(this.sent.map((event) => event.key))) {
      const found = await this.features(key, namespace)
      expect({ namespace, key, ...found?.values }).toEqual({ namespace, key, ...this.expected(key, found?.at ?? 0) })
    }
  }

  /** What it should say, by the set of events up to then. */
  expected(key: string, at: number): Record<string, number> {
    const mine = this.sent.filter((event) => event.key === key && event.at <= at)
    const recent = mine.filter((event) => event.at > at - WINDOW)
    return { count: recent.length, sum: recent.reduce((sum, { value }) => sum + value, 0), total: mine.length }
  }
}

/** Values are JSON; what does not parse is a dead letter. */
const json: Decoder = {
  prepare: async () => undefined,
  record: ({ value }) => {
    try {
      return JSON.parse(String(value)) as Record<string, unknown>
    } catch {
      throw new RecordError('record-malformed', 'not JSON')
    }
  },
}
