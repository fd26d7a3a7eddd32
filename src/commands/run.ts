import { setFlagsFromString } from 'node:v8'
import { type Authenticate, remembering } from '../api/auth.ts'
import { verifier } from '../api/tokens.ts'
import type { Config } from '../core/config.ts'
import { MillraceError } from '../core/errors.ts'
import type { Log } from '../core/part.ts'
import type { Project } from '../project/check.ts'
import { createRuntime } from '../runtime/index.ts'
import { openServices, type Services } from '../runtime/services.ts'
import { createTopics, sourceEncoders } from '../runtime/topics.ts'
import { explain, stopped, type Terminal } from './console.ts'
import { processLog } from './log.ts'
import { loadProject } from './project.ts'
import { reachServices, requireTopics } from './reach.ts'
import { reloading } from './reload.ts'
import { supervise, WORKER_NUMBER } from './supervise.ts'
import { shrinkYoung } from './young.ts'

/** Requests in flight at a stop are given this long; all of a stop stays below 10 s. */
const GRACE_MS = 3_000

export interface RunOptions {
  readonly directory: string
  readonly port?: number
  /** Takes up changed files; otherwise only SIGHUP does. */
  readonly watch: boolean
  readonly only?: string
  readonly role?: 'worker' | 'api' | 'all'
  readonly workers?: number
}

/**
 * What is made first in a worker are the states of keys that stay in memory. V8 would learn from it to make all states where only a full
 * collection looks, those too that are gone with their step.
 */
const NOTHING_IS_MADE_OLD = '--no-allocation-site-pretenuring'

export async function run(options: RunOptions, terminal: Terminal): Promise<number> {
  setFlagsFromString(NOTHING_IS_MADE_OLD)
  const { directory, port, only, workers } = options
  const worker = terminal.environment[WORKER_NUMBER]
  const log = processLog(terminal, worker === undefined ? {} : { worker: Number(worker) })
  try {
    const found = await loadProject(directory, terminal, log)
    if (!found) return 1
    requireTag(found, only)
    requireAuth(found.config)
    if (workers !== undefined) {
      requireShared(found.config)
      const code = await supervise(workers, { ...options, port: port ?? found.config.http.port }, terminal, log)
      log.info({}, 'stopped')
      return code
    }
    const project = {
      ...found,
      config: { ...found.config, http: placed(found.config.http, port, Number(worker ?? 1)) },
    }
    const authenticate = await authentication(project, log)
    const services = await openServices(project, log)
    try {
      await prepare(project, services)
      await work(project, found, services, { ...options, authenticate }, log, terminal)
    } finally {
      await services.close()
    }
  } catch (error) {
    terminal.error(`millrace run: ${explain(error)}`)
    return 1
  }
  log.info({}, 'stopped')
  return 0
}

function requireTag({ topologies }: Project, only: string | undefined): void {
  const tags = [...new Set(topologies.flatMap((topology) => topology.tags))].sort()
  if (only === undefined || tags.includes(only)) return
  const there = tags.length === 0 ? 'No topology has tags' : `There are: ${tags.join(', ')}`
  throw new MillraceError('config-invalid', `no topology has the tag '${only}'. ${there}`)
}

/** Throws `config-invalid` where nothing is said of it: that anybody is answered has to be asked for. */
function requireAuth({ http: { auth } }: Config): void {
  if (auth !== undefined) return
  throw new MillraceError(
    'config-invalid',
    `millrace.yaml does not say who may read over HTTP. Write which tokens are taken:
    http: { auth: { jwks: https://login.example.com/.well-known/jwks.json, issuer: https://login.example.com/, audience: millrace } }
  or, where only a gateway or this machine can reach it, that anybody is answered:
    http: { auth: none }
  docs/security.md says more`,
  )
}

async function authentication(project: Project, log: Log): Promise<Authenticate | undefined> {
  const { auth } = project.config.http
  if (auth !== undefined && auth !== 'none') return remembering(await verifier(auth, project.directory, log))
  log.warn({}, 'http.auth is none: the API answers anybody who can reach it')
  return undefined
}

/** Where this process listens: of `--workers`, each has ports of its own; `port` is then that of this one already. */
function placed(http: Config['http'], port: number | undefined, worker: number): Config['http'] {
  const { metrics } = http
  const moved = metrics && { ...metrics, port: metrics.port === 0 ? 0 : metrics.port + worker - 1 }
  return { ...http, ...(port === undefined ? {} : { port }), metrics: moved }
}

/** What is embedded belongs to one process. */
function requireShared(config: Config): void {
  const sections = (['transport', 'state', 'store'] as const).filter((section) => config[section].kind === 'embedded')
  if (sections.length === 0) return
  const which = sections.length === 1 ? `${sections[0]} is` : `${sections.join(', ')} are`
  throw new MillraceError(
    'config-invalid',
    `--workers needs services that processes share, and ${which} embedded: one process has all partitions there`,
  )
}

/** Makes sure that what the topologies read is there. What is embedded is nobody else's to prepare. */
async function prepare(project: Project, services: Services): Promise<void> {
  await reachServices(project, services)
  await prepareTopics(project, services)
  if (project.config.transport.kind !== 'embedded') await requireTopics(project, services)
}

async function prepareTopics(project: Project, services: Services): Promise<void> {
  const { transport, registry } = project.config
  if (transport.kind === 'embedded') await createTopics(project, services.transport)
  if (registry.kind === 'file') await sourceEncoders(project, services.registry)
}

async function work(
  project: Project,
  found: Project,
  services: Services,
  { only, role, watch, authenticate }: RunOptions & { readonly authenticate: Authenticate | undefined },
  log: Log,
  terminal: Terminal,
): Promise<void> {
  if (terminal.stopSignal.aborted) return
  const runtime = await createRuntime(project, services, log, { only, role, authenticate })
  const stop = new AbortController()
  let reloads: Promise<void> | undefined
  // all is loaded, and nothing has to be kept up with yet
  shrinkYoung()
  try {
    const url = await runtime.start()
    log.info({ url, topologies: runtime.topologies.map(({ name }) => name) }, 'serving')
    const again = (next: Project) =>
      prepareTopics({ ...next, config: { ...project.config, topics: next.config.topics } }, services)
    reloads = reloading({ found, runtime, prepare: again, watch, terminal, registryLog: log, log, signal: stop.signal })
    await stopped(terminal.stopSignal)
    log.info({}, 'stopping')
  } finally {
    stop.abort()
    await reloads
    await runtime.stop(GRACE_MS)
  }
}
