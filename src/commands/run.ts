import { resolve } from 'node:path'
import { pino } from 'pino'
import { checkProject, renderProblems } from '../features/check.ts'
import { createRuntime, openServices } from '../runtime.ts'
import { explain, type Terminal } from './console.ts'

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
  const { problems, project } = await checkProject(resolve(directory), { environment: terminal.environment })
  if (!project || problems.length > 0) {
    terminal.error(renderProblems(problems))
    return 1
  }
  const config = port === undefined ? project.config : { ...project.config, http: { ...project.config.http, port } }
  try {
    const services = await openServices({ ...project, config }, log)
    try {
      const runtime = await createRuntime({ ...project, config }, services, log)
      const stopped = new Promise<void>((done) =>
        terminal.stopSignal.addEventListener('abort', () => done(), { once: true }),
      )
      try {
        const url = await runtime.start()
        log.info({ url, topologies: project.topologies.map(({ name }) => name) }, 'serving')
        if (!terminal.stopSignal.aborted) await stopped
        log.info({}, 'stopping')
      } finally {
        await runtime.stop(GRACE_MS)
      }
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
