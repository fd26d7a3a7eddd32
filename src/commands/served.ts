import type { Registry, Transport } from '../core/model.ts'
import { SILENT } from '../core/part.ts'
import type { Project } from '../project/check.ts'
import { openPart } from '../runtime/services.ts'
import { ApiError, type ApiPlace, apiAddress } from './api.ts'
import type { Terminal } from './console.ts'
import { loadProject } from './project.ts'

/**
 * What the API answers where its place is named, or where the log is embedded: that belongs to one process, which may be running.
 * Otherwise, and where none runs, what is read `here`. Undefined when the project is wrong, which has been said then.
 */
export async function servedOrHere<T>(
  options: ApiPlace,
  terminal: Terminal,
  served: (address: string) => Promise<T>,
  here: (project: Project) => Promise<T> | T,
): Promise<T | undefined> {
  const ask = async () => served(await apiAddress(options, terminal))
  if (options.url !== undefined || options.port !== undefined) return ask()
  const project = await loadProject(options.directory, terminal)
  if (!project) return undefined
  if (project.config.transport.kind === 'embedded') {
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== undefined) throw error
    }
  }
  return here(project)
}

export interface LogServices {
  readonly transport: Transport
  readonly registry: Registry
  close(): Promise<void>
}

/** Opens what topics are read by: the log and the schemas. */
export async function openLog(project: Project): Promise<LogServices> {
  const transport = await openPart<Transport>('transports', project.config.transport, project, SILENT)
  try {
    const registry = await openPart<Registry>('registries', project.config.registry, project, SILENT)
    const close = async () => {
      await registry.close()
      await transport.close()
    }
    return { transport, registry, close }
  } catch (error) {
    await transport.close()
    throw error
  }
}
