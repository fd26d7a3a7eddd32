/**
 * One topology in a world of its own: the real compiler, engine, codec and parts, on a log, a state and a feature store in
 * memory, and a clock that only the test moves. No broker, no disk, no waiting.
 */
import { avroDecoder, registeredEncoder, topicEncoder } from '../codecs/avro/index.ts'
import { parseDuration } from '../core/duration.ts'
import { MillraceError, RecordError } from '../core/errors.ts'
import type { Decoder, Encoder, Flow, InputRecord, Millis, Sink, SinkContext } from '../core/model.ts'
import { SILENT } from '../core/part.ts'
import { renderProblems } from '../core/problem.ts'
import { nearest } from '../core/suggest.ts'
import { createMetrics } from '../engine/metrics.ts'
import { Worker } from '../engine/worker.ts'
import type { FeatureTopology } from '../features/compile.ts'
import { sinkContext } from '../features/sinks.ts'
import { checkProject, type Project } from '../project/check.ts'
import type { AnyTopology } from '../project/kinds.ts'
import { readingOf } from '../project/reading.ts'
import type { TransformTopology } from '../transforms/compile.ts'
import { openWrites } from '../transforms/writes.ts'
import { VirtualClock } from './clock.ts'
import { type EventFault, prepareEvent } from './event.ts'
import { MemoryRegistry } from './memory-registry.ts'
import { MemoryState } from './memory-state.ts'
import { MemoryStore } from './memory-store.ts'
import { MemoryTransport } from './memory-transport.ts'
import { absoluteMoment, MOMENT_EXPECTED } from './moment.ts'

/** When the clock stands where nothing else is said: 2026-01-01T00:00:00Z. */
export const DEFAULT_START: Millis = Date.UTC(2026, 0, 1)

/** Which topology of which project is tested, and from which time on. */
export interface TopologyTestOptions {
  /** Folder of `millrace.yaml` and `topologies/`. */
  readonly directory: string
  readonly topology: string
  /** Where the clock begins and offsets count from: ISO 8601 or milliseconds; 2026-01-01T00:00:00Z when left out. */
  readonly start?: string | Millis
  /** For `${NAME}` in `millrace.yaml`. */
  readonly environment?: Readonly<Record<string, string | undefined>>
}

/** What the feature store has of one entity. */
export interface TestedFeatures {
  /** The values were last computed at this time; nothing in them has changed since. */
  readonly at: Millis
  /** Every feature of the topology; a default where there is no value. */
  readonly values: Readonly<Record<string, unknown>>
}

/** A record that the topology wrote to a topic; `value` is null for an entity that was forgotten. */
export interface TestedOutput {
  readonly key: string | null
  readonly value: Readonly<Record<string, unknown>> | null
}

/** A record that could not be processed. */
export interface TestedDeadLetter {
  readonly code: string
  readonly reason: string
  readonly topic: string
}

/**
 * Opens a topology of a project for a test. Throws `config-invalid` with all faults of the project, or when there is no
 * such topology. Close it at the end.
 */
export async function testTopology(options: TopologyTestOptions): Promise<TopologyTest> {
  const { directory, topology, environment = {} } = options
  const start = options.start === undefined ? DEFAULT_START : absoluteMoment(options.start)
  if (start === undefined) throw new RangeError(`start is no time; expected ${MOMENT_EXPECTED}`)
  const { problems, project } = await checkProject(directory, { environment })
  if (!project) throw new MillraceError('config-invalid', `the project is wrong\n${renderProblems(problems)}`)
  return openTopologyTest(project, topology, start)
}

/** As `testTopology`, for a project that is checked. */
export async function openTopologyTest(project: Project, name: string, start: Millis): Promise<TopologyTest> {
  const { topologies } = project
  const topology = topologies.find((each) => each.name === name)
  if (!topology) {
    const names = topologies.map((each) => each.name)
    const near = nearest(name, names)
    const hint = near === undefined ? '' : `; did you mean '${near}'?`
    throw new MillraceError('config-invalid', `no topology '${name}', there are ${names.join(', ')}${hint}`)
  }
  const test = new TopologyTest(project, topology, start)
  await test.open()
  return test
}

const DEAD_LETTERS = 'dead-letters'
/** Time before the start in which the topology gets ready. */
const PRIMING: Millis = 1_000
/** Exact steps from timer to timer in one move of the clock; then hundredths of what is left. */
const EXACT_STEPS = 1_000
const MOST_RESTS = 200
/** Tables are looked at this often. */
const TABLE_LOOK: Millis = 500

/** Every task ticks at every move of the clock, and silence is told at once; a key's state is written and read again at every step. */
const SETTINGS = {
  idle: 0,
  heartbeat: 1,
  linger: 0,
  near: 1_000,
  holdUp: 1_000,
  waitingFrames: 256,
  waitingRecords: 4_096,
  maxRecords: 1_000,
  maxRows: 1_000,
  maxKeys: 500,
  maxKeysBehind: 500,
  cacheKeys: 0,
  tableBytes: 1 << 20,
  retryMin: 1,
  retryMax: 10,
}

/** A topology that runs in memory: give it events, move its clock on, ask for what came of it. */
export class TopologyTest {
  readonly start: Millis
  readonly topology: AnyTopology
  private readonly project: Project
  private readonly clock: VirtualClock
  private readonly transport: MemoryTransport
  private readonly state: MemoryState
  private readonly store = new MemoryStore()
  private readonly registry = new MemoryRegistry()
  private readonly encoders = new Map<string, Encoder>()
  private readonly sinks: Sink[] = []
  /** Records per topic that were asked for already. */
  private readonly read = new Map<string, number>()
  private worker: Worker | undefined
  private flow: Flow | undefined
  private sent = 0

  /** Use `testTopology`. */
  constructor(project: Project, topology: AnyTopology, start: Millis) {
    this.project = project
    this.topology = topology
    this.start = start
    this.clock = new VirtualClock(start - PRIMING)
    this.transport = new MemoryTransport(() => this.clock.now())
    this.state = new MemoryState(() => this.clock.now())
  }

  /** Called once, by `testTopology`. */
  async open(): Promise<void> {
    const { topology, transport } = this
    for (const { name, schema } of [...topology.sources, ...topology.tables]) {
      this.encoders.set(name, await this.encoder(`${name}-value`, schema))
      await transport.create({ name, partitions: 1, retentionMs: -1 })
    }
    this.flow = topology.kind === 'transform' ? await this.transformFlow(topology) : await this.featureFlow(topology)
    this.worker = new Worker({
      deployment: 'test',
      flows: [this.flow],
      transport,
      state: this.state,
      decoder: (topic) => this.decoder(topic),
      deadLetters: { topic: DEAD_LETTERS, partitions: 1 },
      shuffleRetention: -1,
      settings: { ...SETTINGS, skew: this.project.config.engine.skew },
      clock: this.clock,
      metrics: createMetrics(),
      log: SILENT,
    })
    await this.worker.start()
    await this.settle()
    await this.clock.jump(PRIMING / 2)
    await this.clock.jump(this.start - this.clock.now())
    await this.settle()
  }

  /** Where the clock stands. */
  get now(): Millis {
    return this.clock.now()
  }

  /**
   * An event arrives at `at`, and has that event time where the event does not say another: the clock moves on to it first.
   * Without `at` it arrives at its own event time, or now where that has passed. `at` and timestamp fields may be offsets from the
   * start (`+5m`), ISO 8601 or milliseconds. Fields that have a default, may be null, or are not read by the topology may be left
   * out. `key`: of the record, for topics that are looked up as tables; what stands in a table is found half a second later, so the
   * clock moves on by that. Sinks of your own are not called. Resolves when all that follows from the event is done. Throws
   * `value-unfit` with all that is wrong with it.
   */
  async send(
    topic: string,
    event: Readonly<Record<string, unknown>>,
    { at, key }: { readonly at?: string | Millis | undefined; readonly key?: string | undefined } = {},
  ): Promise<void> {
    const faults: EventFault[] = []
    const topics = [...this.topology.sources, ...this.topology.tables]
    const source = topics.find(({ name }) => name === topic)
    if (!source || !this.flow) {
      const names = topics.map(({ name }) => name)
      const message = `${this.topology.name} does not read '${topic}', it reads ${names.join(', ')}`
      throw new MillraceError('topic-missing', message)
    }
    const { start, now, flow } = this
    const prepared = prepareEvent(event, { source, flow, start, now, at, id: `event-${++this.sent}` }, faults)
    if (faults.length > 0) {
      const lines = faults.map(({ fault }) => `${fault.message}; expected ${fault.expected}`)
      throw new RecordError('value-unfit', `${topic}: ${lines.join('; ')}`)
    }
    if (prepared.arrives > now) await this.advanceTo(prepared.arrives)
    const value = this.encoders.get(topic)?.encode(prepared.event) ?? null
    await this.transport.write([{ topic, partition: 0, key: key ?? null, value, timestamp: this.now }])
    if (this.topology.tables.includes(source)) await this.clock.jump(TABLE_LOOK)
    await this.settle()
  }

  /** Moves the clock on by a duration (`10m`, or milliseconds), and lets all happen that it causes. */
  async advance(duration: string | Millis): Promise<void> {
    await this.advanceTo(this.now + (typeof duration === 'string' ? parseDuration(duration) : duration))
  }

  /** From timer to timer, so that each is met at its own time. */
  async advanceTo(until: Millis): Promise<void> {
    let pause = 1
    for (let steps = 0; this.now < until; steps++) {
      const due = this.state.nextDue()
      // a topology whose events are older than the clock meets its timers later: look for them in growing steps
      pause = due > this.now ? 1 : pause * 2
      const least = steps < EXACT_STEPS ? pause : Math.max(pause, Math.ceil((until - this.now) / 100))
      await this.clock.jump(Math.min(until, Math.max(due, this.now + least)) - this.now)
      await this.settle()
    }
  }

  /** The features of an entity; undefined when nothing is known of it, or not any more. */
  async features(id: string): Promise<TestedFeatures | undefined> {
    if (this.topology.kind !== 'features') return undefined
    const { name, generation, features } = this.topology
    const [record] = await this.store.read(`${name}@${generation}`, [id])
    if (!record) return undefined
    const values = features.map((feature) => [feature.name, record.values[feature.name] ?? feature.default] as const)
    return { at: record.at, values: Object.fromEntries(values) }
  }

  /** Records written to an output topic since they were last asked for, in the order of writing. */
  async outputs(topic: string): Promise<readonly TestedOutput[]> {
    const records = this.unread(topic)
    if (this.topology.writes.some(({ name, format }) => name === topic && format === 'json'))
      return records.map(({ key, value }) => ({ key: key?.toString() ?? null, value: value && JSON.parse(`${value}`) }))
    const latest = await this.registry.latest(`${topic}-value`)
    if (!latest || records.length === 0) return []
    const { fields } = latest.schema as { fields: readonly { name: string }[] }
    const names = fields.map(({ name }) => [name])
    const decoder = avroDecoder({ registry: this.registry, schema: latest.schema, fields: names, log: SILENT })
    await decoder.prepare(records)
    return records.map((record) => ({
      key: record.key?.toString() ?? null,
      value: record.value === null ? null : decoder.record(record),
    }))
  }

  /** Dead letters written since they were last asked for. */
  deadLetters(): readonly TestedDeadLetter[] {
    return this.unread(DEAD_LETTERS).map(({ headers }) => ({
      code: String(headers['millrace-error-code']),
      reason: String(headers['millrace-error-reason']),
      topic: String(headers['millrace-source-topic']),
    }))
  }

  /** Stops it. Nothing is kept. */
  async close(): Promise<void> {
    const stopped = this.worker?.stop()
    await this.clock.rest()
    await this.clock.jump(10_000)
    await stopped
    for (const sink of this.sinks.reverse()) await sink.close()
    await this.transport.close()
  }

  private readonly encoder: SinkContext['encoder'] = (subject, schema) =>
    registeredEncoder(this.registry, subject, schema)

  private unread(topic: string): readonly InputRecord[] {
    const records = this.transport.records(topic)
    const from = this.read.get(topic) ?? 0
    this.read.set(topic, records.length)
    return records.slice(from)
  }

  /** Lets all run that waits for no clock, until what was written is computed. Throws when the topology has stopped. */
  private async settle(): Promise<void> {
    for (let rests = 0; rests < MOST_RESTS; rests++) {
      await this.clock.rest()
      const blocked = this.worker?.status().find(({ condition }) => condition === 'blocked')
      if (blocked) throw new Error(`${this.topology.name} has stopped: ${blocked.reason}`)
      if (await this.worker?.caughtUp()) return
      if (rests >= MOST_RESTS / 2) await this.clock.jump(1)
    }
    const waiting = this.worker?.status().find(({ condition }) => condition !== 'running')
    throw new Error(`${this.topology.name} does not come to rest${waiting ? `: ${waiting.reason}` : ''}`)
  }

  private decoder(topic: string): Decoder {
    const reading = readingOf(topic, this.flow ? [this.flow] : [], [this.topology])
    return avroDecoder({ registry: this.registry, ...reading, log: SILENT, clock: this.clock })
  }

  /** One partition each, so that what is written has one order. */
  private async featureFlow(topology: FeatureTopology): Promise<Flow> {
    const flow = topology.flow(await this.openSinks(topology))
    return { ...flow, start: 'earliest', ...(flow.shuffle === undefined ? { direct: 1 } : { shuffle: 1 }) }
  }

  private async transformFlow(topology: TransformTopology): Promise<Flow> {
    const writes = topology.writes.map((topic) => ({ ...topic, partitions: 1 }))
    const encoders = await openWrites(writes, this.transport, (topic) => topicEncoder(this.registry, topic))
    return { ...topology.flow(encoders), start: 'earliest' }
  }

  private async openSinks(topology: FeatureTopology): Promise<readonly Sink[]> {
    const { store, transport, encoder, project } = this
    const context = sinkContext(topology, { partitions: 1, store, transport, encoder })
    for (const { part, settings } of topology.outputs) {
      if (part.own) continue
      const open = await part.open(settings, { directory: project.directory, deployment: 'test', log: SILENT })
      this.sinks.push(await open(context))
    }
    return this.sinks
  }
}
