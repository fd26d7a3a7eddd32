import { pino } from 'pino'
import type { Log } from '../core/part.ts'
import type { Project } from '../project/check.ts'
import { createRuntime, createTopics, openServices, type Services, sourceEncoders } from '../runtime.ts'
import { explain, stopped, type Terminal } from './console.ts'
import { loadProject } from './project.ts'
import { reachServices, requireTopics } from './reach.ts'

/** Requests in flight at a stop are given this long; all of a stop stays below 10 s. */
const GRACE_MS = 3_000

export async function run(
  { directory, port }: { directory: string; port?: number },
  terminal: Terminal,
): Promise<number> {
  const log = pino({
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    level: terminal.environment.LOG_LEVEL ?? 'info',
  })
  try {
    const found = await loadProject(directory, terminal, log)
    if (!found) return 1
    const config = port === undefined ? found.config : { ...found.config, http: { ...found.config.http, port } }
    const project = { ...found, config }
    const services = await openServices(project, log)
    try {
      await prepare(project, services)
      await work(project, services, log, terminal.stopSignal)
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

/** Makes sure that what the topologies read is there. What is embedded is nobody else's to prepare. */
async function prepare(project: Project, services: Services): Promise<void> {
  const { transport, registry } = project.config
  await reachServices(project, services)
  if (transport.kind === 'embedded') await createTopics(project, services.transport)
  else await requireTopics(project, services)
  if (registry.kind === 'file') await sourceEncoders(project, services.registry)
}

async function work(project: Project, services: Services, log: Log, stopSignal: AbortSignal): Promise<void> {
  if (stopSignal.aborted) return
  const runtime = await createRuntime(project, services, log)
  try {
    const url = await runtime.start()
    log.info({ url, topologies: project.topologies.map(({ name }) => name) }, 'serving')
    await stopped(stopSignal)
    log.info({}, 'stopping')
  } finally {
    await runtime.stop(GRACE_MS)
  }
}
