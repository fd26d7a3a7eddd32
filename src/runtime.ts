/** Opens the parts that a project names and puts them together: what `run` and `dev` share. Closing retraces opening. */

import type { EntityCatalog, TopologyEntry } from './api/catalog.ts'
import { liveTopics, liveTopologies } from './api/inventory.ts'
import { createHttpMetrics } from './api/metrics.ts'
import { type ApiServer, createServer } from './api/server.ts'
import { avroDecoder, avroEncoder } from './codecs/avro/index.ts'
import { systemClock } from './core/clock.ts'
import type { Config, PartChoice } from './core/config.ts'
import { MillraceError } from './core/errors.ts'
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
import { createMetrics, type Metrics } from './engine/metrics.ts'
import type { EngineSettings } from './engine/task.ts'
import { Worker } from './engine/worker.ts'
import { type FeatureTopology, outputSchema } from './features/compile.ts'
import { loadFeatureParts } from './features/parts.ts'
import { withRebuild } from './features/rebuild.ts'
import type { Project } from './project/check.ts'

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

export function sourceTopics({ topologies }: Project): string[] {
  return [...new Set(topologies.flatMap(({ sources }) => sources.map(({ name }) => name)))]
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
  for (const name of names) {
    if (known.has(name)) continue
    const { partitions = EMBEDDED_PARTITIONS, retention = EMBEDDED_RETENTION_MS } = project.config.topics[name] ?? {}
    await transport.create({ name, partitions, retentionMs: retentionMs ?? retention })
  }
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
  readonly topologies: readonly FeatureTopology[]
  /** Listens first, so that probes are answered while the group settles. Answers the base URL. */
  start(): Promise<string>
  /** Finishes and commits, leaves the group, answers the requests in flight; at most about `graceMs`. */
  stop(graceMs: number): Promise<void>
}

export async function createRuntime(project: Project, services: Services, log: Log): Promise<Runtime> {
  const { config } = project
  const { transport, registry, state, store } = services
  const topologies = await Promise.all(project.topologies.map((topology) => withRebuild(topology, state)))
  const metrics = createMetrics()
  const sinks: Sink[] = []
  const flows: Flow[] = []
  const worker = new Worker({
    deployment: config.deployment,
    flows,
    transport,
    state,
    decoder: decoders(flows, project, registry, log),
    deadLetters: config.engine.deadLetters,
    shuffleRetention: config.engine.shuffleRetention,
    settings: settingsOf(config, topologies.length),
    clock: systemClock,
    metrics,
    log,
  })
  const catalog = catalogOf(topologies, store)
  let failure: string | undefined = 'starting'
  const api: ApiServer = createServer({
    catalog: () => catalog,
    topologies: () => liveTopologies(topologies, store, worker.status()),
    topics: () => liveTopics(topologies, transport, registry, [config.engine.deadLetters.topic]),
    store,
    http: createHttpMetrics(metrics.registry, () => api.watchers()),
    metrics: { contentType: metrics.registry.contentType, text: () => metrics.registry.metrics() },
    health: {
      live: () => true,
      ready: () => [
        failure === undefined ? { part: 'worker', ok: true } : { part: 'worker', ok: false, reason: failure },
        ...readiness(worker),
      ],
    },
    log,
  })
  return {
    worker,
    metrics,
    api,
    topologies,
    start: async () => {
      const { url } = await api.listen(config.http.host, config.http.port)
      try {
        for (const topology of topologies)
          flows.push(topology.flow(await openSinks(topology, project, services, sinks, log)))
        await worker.start()
      } catch (error) {
        failure = error instanceof Error ? error.message : String(error)
        throw error
      }
      failure = undefined
      return url
    },
    stop: async (graceMs) => {
      failure = 'stopping'
      await worker.stop()
      for (const sink of sinks.reverse()) await sink.close()
      await api.close(graceMs)
    },
  }
}

/** Positions between tasks of a partition from which on reading it twice costs less than reading it together. */
const NEAR = 100_000
const HOLD_UP_MS = 3_000

function settingsOf({ engine }: Config, topologies: number): EngineSettings {
  const LIVE_KEYS = 500
  const tasks = Math.max(1, topologies * engine.shufflePartitions)
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
    cacheKeys: Math.max(1, Math.floor(engine.cacheKeys / tasks)),
    retryMin: engine.retry.first,
    retryMax: engine.retry.most,
  }
}

/** One decoder a topic, for the fields that any flow uses. */
function decoders(
  flows: readonly Flow[],
  { topologies }: Project,
  registry: Registry,
  log: Log,
): (topic: string) => Decoder {
  const known = new Map<string, Decoder>()
  return (topic) => {
    const decoder = known.get(topic)
    if (decoder) return decoder
    const fields = flows.flatMap(({ sources }) =>
      sources.filter((source) => source.topic === topic).flatMap((source) => source.fields),
    )
    const made = avroDecoder({ registry, schema: schemaOf(topologies, topic), fields, log })
    known.set(topic, made)
    return made
  }
}

/** The schema that the topologies were checked against. */
function schemaOf(topologies: readonly FeatureTopology[], topic: string): unknown {
  return topologies.flatMap(({ sources }) => sources).find(({ name }) => name === topic)?.schema
}

async function openSinks(
  topology: FeatureTopology,
  project: Project,
  services: Services,
  opened: Sink[],
  log: Log,
): Promise<Sink[]> {
  const { store, transport, registry } = services
  const { sinks } = await loadFeatureParts()
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
  for (const { kind, settings } of topology.outputs) {
    const part = sinks.get(kind)
    if (!part) throw new MillraceError('part-unknown', `no sink '${kind}'`)
    const open = await part.open(settings, { directory: project.directory, deployment: project.config.deployment, log })
    const sink = await open(context)
    opened.push(sink)
    here.push(sink)
  }
  return here
}

/** Registers the schema and answers its encoder. */
async function encoderFor(registry: Registry, subject: string, schema: unknown): Promise<Encoder> {
  return avroEncoder({ schema, id: await registry.register(subject, schema) })
}

function catalogOf(topologies: readonly FeatureTopology[], store: FeatureStore): EntityCatalog[] {
  const byEntity = new Map<string, TopologyEntry[]>()
  for (const { entity, name, features } of topologies) {
    const entry = {
      topology: name,
      namespace: () => store.alias(name),
      features: features.map(({ name, type, default: fallback, description }) => ({
        name,
        type,
        default: fallback,
        ...(description === undefined ? {} : { description }),
      })),
    }
    byEntity.set(entity, [...(byEntity.get(entity) ?? []), entry])
  }
  return [...byEntity].map(([entity, entries]) => ({ entity, topologies: entries }))
}

/** A topology is ready when none of its tasks here is blocked or waits for a service. */
function readiness(worker: Worker): { part: string; ok: boolean; reason?: string }[] {
  const found = new Map<string, { part: string; ok: boolean; reason?: string }>()
  for (const { id, topology, condition, reason } of worker.status()) {
    const ok = condition === 'running' || condition === 'stopped'
    if (ok && found.has(topology)) continue
    if (found.get(topology)?.ok === false) continue
    found.set(
      topology,
      ok
        ? { part: topology, ok }
        : { part: topology, ok, reason: `${id} is ${condition}${reason ? `: ${reason}` : ''}` },
    )
  }
  return [...found.values()]
}
