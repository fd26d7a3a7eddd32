import { resolve } from 'node:path'
import type { Config } from '../core/config.ts'
import type { Registry } from '../core/model.ts'
import type { Log } from '../core/part.ts'
import { checkProject, type Project, renderProblems } from '../project/check.ts'
import { openPart } from '../runtime/services.ts'
import type { Terminal } from './console.ts'
import { reached } from './reach.ts'

/** The project of a directory; undefined when something is wrong with it, which has been said then. See `readProject`. */
export async function loadProject(directory: string, terminal: Terminal, log?: Log): Promise<Project | undefined> {
  const { problems, project } = await readProject(directory, terminal, log)
  if (!project) terminal.error(renderProblems(problems))
  return project
}

/**
 * The project of a directory, or what is wrong with it. With `log`, the registry is asked for the schemas that no file
 * holds; rejects when it can't be.
 */
export async function readProject(
  directory: string,
  { environment }: Pick<Terminal, 'environment'>,
  log?: Log,
): ReturnType<typeof checkProject> {
  const root = resolve(directory)
  let registry: Promise<Registry> | undefined
  const remoteSchema = async (topic: string, config: Config) => {
    if (!log || config.registry.settings === undefined) return undefined
    registry ??= openPart('registries', config.registry, { directory: root, config }, log)
    const opened = await registry
    return (await reached('registry', config.registry, () => opened.latest(`${topic}-value`)))?.schema
  }
  try {
    return await checkProject(root, { environment, remoteSchema })
  } finally {
    await (await registry)?.close()
  }
}
