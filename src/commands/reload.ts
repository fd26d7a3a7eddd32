/** Takes up files that have changed while the topologies run. A wrong edit is said, and what ran before goes on. */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '../core/config.ts'
import type { Log } from '../core/part.ts'
import { type Problem, renderProblems } from '../core/problem.ts'
import type { Project } from '../project/check.ts'
import type { Runtime } from '../runtime/index.ts'
import type { Terminal } from './console.ts'
import { readProject } from './project.ts'
import { watchFiles } from './watch.ts'

export interface ReloadOptions {
  /** As it was loaded: with the settings of its files, whatever became of them since. */
  readonly found: Project
  readonly runtime: Pick<Runtime, 'take' | 'refuse'>
  /** Makes sure that what the topologies read is there. */
  readonly prepare: (project: Project) => Promise<void>
  /** False: only at SIGHUP. */
  readonly watch: boolean
  readonly terminal: Terminal
  /** Given, schemas that no file holds are asked of the registry. */
  readonly registryLog?: Log
  readonly log: Log
  readonly signal: AbortSignal
}

const AGAIN_MS = 5_000

/** Until the signal. */
export async function reloading(options: ReloadOptions): Promise<void> {
  const { found, terminal, watch, signal } = options
  let turn = Promise.resolve()
  const reload = () => {
    turn = turn.then(() => take(options))
    return turn
  }
  terminal.onHangup?.(() => void reload())
  // what was edited while the process started may have been read before
  if (watch) await watchFiles(() => pathsOf(found), reload, signal, { since: performance.timeOrigin })
  await turn
}

/** What a project is read from, as its `millrace.yaml` said at the start. */
export function pathsOf({ directory, config }: Project): string[] {
  const schemas = Object.values(config.topics).flatMap(({ schema }) => schema ?? [])
  return ['millrace.yaml', config.topologies, 'schemas', 'parts', ...schemas].map((path) => join(directory, path))
}

/** Tries again as long as a service does not answer. */
async function take({ found, runtime, prepare, terminal, registryLog, log, signal }: ReloadOptions): Promise<void> {
  while (!signal.aborted) {
    try {
      const { problems, project } = await readProject(found.directory, terminal, registryLog)
      if (!project) return refuseProblems(problems, runtime, log)
      if (settingsOf(project.config) !== settingsOf(found.config)) {
        const reason = 'millrace.yaml has changed in more than topics: that takes a restart'
        log.error({ reason }, 'not taken up; what ran before goes on')
        return runtime.refuse(reason)
      }
      await prepare(project)
      await runtime.take(project)
      return log.info({ topologies: project.topologies.map(({ name }) => name) }, 'files taken up')
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      runtime.refuse(reason)
      log.error({ reason }, 'files not taken up; trying again')
      await sleep(AGAIN_MS, undefined, { signal }).catch(() => undefined)
    }
  }
}

function refuseProblems(problems: readonly Problem[], runtime: Pick<Runtime, 'refuse'>, log: Log): void {
  for (const problem of problems)
    log.error({ reason: renderProblems([problem]) }, 'wrong file; what ran before goes on')
  const [first] = problems
  const faults = problems.length === 1 ? '1 fault' : `${problems.length} faults, the first`
  runtime.refuse(`${faults} at ${first?.file}:${first?.line}:${first?.column}; what ran before goes on`)
}

/** What is only read at the start. */
function settingsOf({ topics: _, ...settings }: Config): string {
  return JSON.stringify(settings)
}
