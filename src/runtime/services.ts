import type { PartChoice } from '../core/config.ts'
import type { FeatureStore, Registry, State, Transport } from '../core/model.ts'
import { type Log, loadPart, type PartContext, type PartFolder } from '../core/part.ts'
import type { Project } from '../project/check.ts'

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
