/** Puts the parts that a project names together: what `run` and `dev` share. Stopping retraces starting. */
import type { Authenticate } from '../api/auth.ts'
import { catalogOf, type EntityCatalog } from '../api/catalog.ts'
import { readyTopologies } from '../api/health.ts'
import { liveTopics, liveTopologies } from '../api/inventory.ts'
import { listen } from '../api/listen.ts'
import { createHttpMetrics, processMetrics } from '../api/metrics.ts'
import { createMetricsServer } from '../api/metrics-server.ts'
import { type ApiServer, createServer } from '../api/server.ts'
import type { TailOptions } from '../api/tail.ts'
import { systemClock } from '../core/clock.ts'
import type { Flow } from '../core/model.ts'
import type { Log } from '../core/part.ts'
import { createMetrics, type Metrics } from '../engine/metrics.ts'
import { Worker } from '../engine/worker.ts'
import type { Project } from '../project/check.ts'
import { type AnyTopology, featuresOf } from '../project/kinds.ts'
import { Running } from '../project/running.ts'
import { Decoders } from './decoders.ts'
import { openFlow } from './flows.ts'
import type { Services } from './services.ts'
import { settingsOf } from './settings.ts'

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
  /** Finishes and commits, leaves the group, answers the requests in flight; at most about `http.drain` and `graceMs`. */
  stop(graceMs: number): Promise<void>
}

export async function createRuntime(
  project: Project,
  services: Services,
  log: Log,
  { only, role = 'all', authenticate, tail }: RuntimeOptions = {},
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
  const exposition = {
    contentType: metrics.registry.contentType,
    text: () => {
      metrics.filesTakenUp.set(files() === undefined ? 1 : 0)
      return metrics.registry.metrics()
    },
  }
  const { host, port, metrics: apart, drain } = config.http
  const metricsServer = apart && createMetricsServer(exposition, log)
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
    metrics: metricsServer ? undefined : exposition,
    authenticate,
    health: {
      live: () => true,
      ready: () => [
        workerHealth(failure ?? worker.trouble),
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
      const { url } = await api.listen(host, port)
      try {
        if (metricsServer) {
          const at = await listen(metricsServer, apart.host ?? host, apart.port)
          log.info({ url: `${at.url}/metrics` }, 'serving metrics')
        }
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
      api.drain()
      const drained = systemClock.wait(drain)
      await running.end()
      await worker.stop()
      await drained
      await running.close()
      await api.close(graceMs)
      metricsServer?.close().closeAllConnections()
    },
  }
}

/** Which part of a deployment this process is. */
export interface RuntimeOptions {
  /** Computes the topologies with this tag alone, in a group of their own. */
  readonly only?: string | undefined
  /** `worker` serves no features, `api` computes none; both serve health and metrics. */
  readonly role?: 'worker' | 'api' | 'all' | undefined
  /** Whose requests are answered; anybody's without it. */
  readonly authenticate?: Authenticate | undefined
  /** Lets the API show records of topics; it does not without. */
  readonly tail?: TailOptions | undefined
}

const workerHealth = (trouble: string | undefined) => ({
  part: 'worker',
  ok: trouble === undefined,
  ...withReason(trouble),
})

const withReason = (reason: string | undefined) => (reason === undefined ? {} : { reason })
