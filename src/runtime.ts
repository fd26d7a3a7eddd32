/** Opens the parts that a project names and puts them together: what `run` and `dev` share. Closing retraces opening. */
import { catalogOf, type EntityCatalog } from './api/catalog.ts'
import { readyTopologies } from './api/health.ts'
import { liveTopics, liveTopologies } from './api/inventory.ts'
import { createHttpMetrics, processMetrics } from './api/metrics.ts'
import { type ApiServer, createServer } from './api/server.ts'
import type { TailOptions } from './api/tail.ts'
import { avroDecoder, avroEncoder } from './codecs/avro/index.ts'
import { systemClock } from './core/clock.ts'
import type { Config, PartChoice } from './core/config.ts'
import type {
  Decoder,
  Encoder,
  FeatureStore,
  Flow,
  Millis,
  Registry,
  Sink,
  SinkContext,
  State,
  Transport,
} from './core/model.ts'
import { type Log, loadPart, type PartContext, type PartFolder } from './core/part.ts'
import { meteredSink } from './engine/metered-sink.ts'
import { createMetrics, type Metrics } from './engine/metrics.ts'
import { openOwnSink } from './engine/own-sink.ts'
import type { EngineSettings } from './engine/task.ts'
import { Worker } from './engine/worker.ts'
import { type FeatureTopology, outputSchema } from './features/compile.ts'
import type { Project } from './project/check.ts'
import { type AnyTopology, featuresOf } from './project/kinds.ts'
import { type OpenedFlow, Running } from './project/running.ts'
import type { TransformTopology } from './transforms/compile.ts'

export interface Services {
  readonly transport: Transport
  readonly registry: Registry
  readonly state: State
  readonly store: FeatureStore
  close(): Promise<void>
}

/** Opens transport, registry, state and feature store; closes what was opened when one fails. */
export async function openServices(project: Project, log: Log): Promise<Services> {
  const { config } = project
  const opened: { close(): Promise<void> }[] = []
  const close = async () => {
    for (const service of opened.splice(0).reverse()) await service.close()
  }
  const open = async <T extends { close(): Promise<void> }>(folder: PartFolder, choice: PartChoice): Promise<T> => {
    const service = await openPart<T>(folder, choice, project, log)
    opened.push(service)
    return service
  }
  try {
    const transport = await open<Transport>('transports', config.transport)
    const registry = await open<Registry>('registries', config.registry)
    const state = await open<State>('state', config.state)
    const store = await open<FeatureStore>('stores', config.store)
    return { transport, registry, state, store, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Opens the part that the configuration chose. */
export async function openPart<T>(
  folder: PartFolder,
  { kind, settings }: PartChoice,
  { directory, config: { deployment } }: Pick<Project, 'directory' | 'config'>,
  log: Log,
): Promise<T> {
  const context: PartContext = { directory, deployment, log }
  return (await loadPart<unknown, T>(folder, kind)).open(settings, context)
}

/** Topics that others write: those that topologies read, but for what topologies write themselves. */
export function sourceTopics({ topologies }: Project): string[] {
  const written = new Set(topologies.flatMap(({ writes }) => writes.map(({ name }) => name)))
  const read = topologies.flatMap(({ sources, tables }) => [...sources, ...tables].map(({ name }) => name))
  return [...new Set(read)].filter((name) => !written.has(name))
}

const EMBEDDED_PARTITIONS = 4
const EMBEDDED_RETENTION_MS = 7 * 86_400_000

/**
 * Makes the source topics that are missing: nobody else could make them in an embedded log. They keep records as the
 * configuration says, or for `retentionMs`.
 */
export async function createTopics(project: Project, transport: Transport, retentionMs?: Millis): Promise<void> {
  const names = sourceTopics(project)
  const known = await transport.topics(names)
  const tables = new Set(project.topologies.flatMap((topology) => topology.tables.map(({ name }) => name)))
  for (const name of names) {
    if (known.has(name)) continue
    const compacted = tables.has(name)
    const { partitions = EMBEDDED_PARTITIONS, retention = EMBEDDED_RETENTION_MS } = project.config.topics[name] ?? {}
    const kept = compacted ? { retentionMs: -1, compacted } : { retentionMs: retentionMs ?? retention }
    await transport.create({ name, partitions, ...kept })
  }
  // what is made of old records is as old
  for (const { schema: _, ...spec } of project.topologies.flatMap(({ writes }) => writes))
    if (retentionMs !== undefined && !(await transport.topics([spec.name])).has(spec.name))
      await transport.create({ ...spec, retentionMs })
}

/** Encoders for the source topics, by topic. Their schemas are then registered, wherever their files stand. */
export async function sourceEncoders(project: Project, registry: Registry): Promise<ReadonlyMap<string, Encoder>> {
  const encoders = sourceTopics(project).map(
    async (name) => [name, await encoderFor(registry, `${name}-value`, schemaOf(project.topologies, name))] as const,
  )
  return new Map(await Promise.all(encoders))
}

export interface Runtime {
  readonly worker: Worker
  readonly metrics: Metrics
  readonly api: ApiServer
  /** As they run here: rebuilt ones under their rebuild's generation. */
  readonly topologies: readonly AnyTopology[]
  /** Listens first, so that probes are answered while the group settles. Answers the base URL. */
  start(): Promise<string>
  /** Runs the topologies of this project from now on; its settings stay those of the start. See `Running.take`. */
  take(project: Project): Promise<void>
  /** Says in metrics and readiness that the files as they stand now are not taken up; what runs goes on. */
  refuse(reason: string): void
  /** Finishes and commits, leaves the group, answers the requests in flight; at most about `graceMs`. */
  stop(graceMs: number): Promise<void>
}

export async function createRuntime(
  project: Project,
  services: Services,
  log: Log,
  { only, role = 'all', tail }: RuntimeOptions = {},
): Promise<Runtime> {
  const { config } = project
  const { transport, registry, state, store } = services
  const metrics = createMetrics()
  processMetrics(metrics.registry)
  /** Topologies that the project declares, and those of them that run here. */
  let declared = project.topologies
  const mine = () => (role === 'api' ? [] : declared.filter(({ tags }) => only === undefined || tags.includes(only)))
  const decoders = new Decoders(registry, log)
  const settings = settingsOf(config, () => mine().length)
  const flows: Flow[] = []
  const worker: Worker = new Worker({
    deployment: config.deployment,
    ...(only === undefined ? {} : { tag: only }),
    flows,
    transport,
    state,
    about: (flow) => running.about(flow),
    decoder: (topic) => decoders.of(topic),
    deadLetters: config.engine.deadLetters,
    shuffleRetention: config.engine.shuffleRetention,
    settings,
    clock: systemClock,
    metrics,
    log,
  })
  const running: Running = new Running({
    worker,
    state,
    store,
    open: (topology) => openFlow(topology, project, services, metrics, log),
    changed: (all, topologies) => {
      decoders.use(all, topologies)
      catalog = undefined
    },
    clock: systemClock,
    log,
  })
  /** All that are declared, those that run here as they do. */
  const known = () => {
    const here = new Map(running.topologies.map((topology) => [topology.name, topology]))
    return declared.map((topology) => here.get(topology.name) ?? topology)
  }
  let failure: string | undefined = 'starting'
  let refused: string | undefined
  const files = () => refused ?? [...running.refused].map(([name, reason]) => `${name}: ${reason}`)[0]
  const served = role === 'worker' ? () => [] : known
  /** Kept while nothing changes: views of it are compiled once. */
  let catalog: readonly EntityCatalog[] | undefined
  const api: ApiServer = createServer({
    catalog: () => {
      catalog ??= catalogOf(featuresOf(served()), store)
      return catalog
    },
    topologies: () => liveTopologies(known(), store, worker.status()),
    topics: () => liveTopics(known(), transport, registry, [config.engine.deadLetters.topic]),
    store,
    tail,
    http: createHttpMetrics(metrics.registry, () => api.watchers()),
    metrics: {
      contentType: metrics.registry.contentType,
      text: () => {
        metrics.filesTakenUp.set(files() === undefined ? 1 : 0)
        return metrics.registry.metrics()
      },
    },
    health: {
      live: () => true,
      ready: () => [
        failure === undefined ? { part: 'worker', ok: true } : { part: 'worker', ok: false, reason: failure },
        { part: 'files', ok: true, ...withReason(files()) },
        ...readyTopologies(worker.status()),
      ],
    },
    log,
  })
  return {
    worker,
    metrics,
    api,
    get topologies() {
      return running.topologies
    },
    start: async () => {
      const { url } = await api.listen(config.http.host, config.http.port)
      try {
        if (role !== 'api') {
          flows.push(...(await running.begin(mine())))
          await worker.start()
        }
      } catch (error) {
        failure = error instanceof Error ? error.message : String(error)
        throw error
      }
      failure = undefined
      return url
    },
    take: async (next) => {
      refused = undefined
      declared = next.topologies
      catalog = undefined
      if (role !== 'api') await running.take(mine())
    },
    refuse: (reason) => {
      refused = reason
    },
    stop: async (graceMs) => {
      failure = 'stopping'
      await running.end()
      await worker.stop()
      await running.close()
      await api.close(graceMs)
    },
  }
}

/** Which part of a deployment this process is. */
export interface RuntimeOptions {
  /** Computes the topologies with this tag alone, in a group of their own. */
  readonly only?: string | undefined
  /** `worker` serves no features, `api` computes none; both serve health and metrics. */
  readonly role?: 'worker' | 'api' | 'all' | undefined
  /** Lets the API show records of topics; it does not without. */
  readonly tail?: TailOptions | undefined
}

const withReason = (reason: string | undefined) => (reason === undefined ? {} : { reason })

/** Positions between tasks of a partition from which on reading it twice costs less than reading it together. */
const NEAR = 100_000
const HOLD_UP_MS = 3_000

function settingsOf({ engine }: Config, topologies: () => number): EngineSettings {
  const LIVE_KEYS = 500
  return {
    idle: engine.idle,
    heartbeat: engine.heartbeat,
    skew: engine.skew,
    maxRecords: Math.min(4_096, engine.batch.maxRecords),
    maxRows: engine.batch.maxRecords,
    near: NEAR,
    holdUp: HOLD_UP_MS,
    linger: engine.batch.linger,
    maxKeys: Math.min(LIVE_KEYS, engine.batch.maxKeys),
    maxKeysBehind: engine.batch.maxKeys,
    get cacheKeys() {
      return Math.max(1, Math.floor(engine.cacheKeys / Math.max(1, topologies() * engine.shufflePartitions)))
    },
    tableBytes: engine.tableBytes,
    retryMin: engine.retry.first,
    retryMax: engine.retry.most,
  }
}

/** One decoder a topic, for the fields that any flow uses. */
class Decoders {
  private readonly registry: Registry
  private readonly log: Log
  private flows: readonly Flow[] = []
  private topologies: readonly AnyTopology[] = []
  private readonly known = new Map<string, Decoder>()

  constructor(registry: Registry, log: Log) {
    this.registry = registry
    this.log = log
  }

  /** From now on for these flows. */
  use(flows: readonly Flow[], topologies: readonly AnyTopology[]): void {
    this.flows = flows
    this.topologies = topologies
    this.known.clear()
  }

  of(topic: string): Decoder {
    const known = this.known.get(topic)
    if (known) return known
    const read = this.flows.flatMap((flow) => [...flow.sources, ...('tables' in flow ? flow.tables : [])])
    const fields = read.filter((source) => source.topic === topic).flatMap((source) => source.fields)
    const schema = schemaOf(this.topologies, topic)
    const decoder = avroDecoder({ registry: this.registry, schema, fields, log: this.log })
    this.known.set(topic, decoder)
    return decoder
  }
}

/** The schema that the topologies were checked against. */
function schemaOf(topologies: readonly AnyTopology[], topic: string): unknown {
  return topologies.flatMap(({ sources, tables }) => [...sources, ...tables]).find(({ name }) => name === topic)?.schema
}

async function openFlow(
  topology: AnyTopology,
  project: Project,
  services: Services,
  metrics: Metrics,
  log: Log,
): Promise<OpenedFlow> {
  const opened: Sink[] = []
  const close = async () => {
    for (const sink of opened.splice(0).reverse()) await sink.close()
  }
  try {
    if (topology.kind === 'transform') return { flow: topology.flow(await openWrites(topology, services)), close }
    return { flow: topology.flow(await openSinks(topology, project, services, metrics, opened, log)), close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Makes the topics that a transform appends to, where they are missing; answers the encoders of their values. */
async function openWrites(
  { writes }: TransformTopology,
  { transport, registry }: Services,
): Promise<ReadonlyMap<string, Encoder>> {
  const known = await transport.topics(writes.map(({ name }) => name))
  const encoders = new Map<string, Encoder>()
  for (const { schema, ...spec } of writes) {
    if (!known.has(spec.name)) await transport.create(spec)
    encoders.set(spec.name, await encoderFor(registry, `${spec.name}-value`, schema))
  }
  return encoders
}

async function openSinks(
  topology: FeatureTopology,
  project: Project,
  services: Services,
  metrics: Metrics,
  opened: Sink[],
  log: Log,
): Promise<Sink[]> {
  const { store, transport, registry } = services
  const context: SinkContext = {
    topology: topology.name,
    namespace: `${topology.name}@${topology.generation}`,
    keyFields: topology.keyFields,
    features: topology.features.map(({ name }) => name),
    schema: outputSchema(topology),
    partitions: project.config.engine.shufflePartitions,
    store,
    transport,
    encoder: (subject, schema) => encoderFor(registry, subject, schema),
  }
  const here: Sink[] = []
  for (const { kind, part, settings } of topology.outputs) {
    const { directory, config } = project
    const open = async () => (await part.open(settings, { directory, deployment: config.deployment, log }))(context)
    const sink = part.own ? await openOwnSink(part.own.path, open, config.ownParts, systemClock) : await open()
    opened.push(sink)
    const { topic = kind } = settings as { readonly topic?: string }
    here.push(meteredSink(sink, { topology: topology.name, to: topic }, metrics))
  }
  return here
}

/** Registers the schema and answers its encoder. */
async function encoderFor(registry: Registry, subject: string, schema: unknown): Promise<Encoder> {
  return avroEncoder({ schema, id: await registry.register(subject, schema) })
}
