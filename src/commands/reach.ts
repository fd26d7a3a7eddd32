/** Are the services there? Asked before anything is started, so that a wrong address is said at once and by its name. */
import type { PartChoice } from '../core/config.ts'
import { MillraceError } from '../core/errors.ts'
import type { Project } from '../project/check.ts'
import type { Services } from '../runtime/services.ts'
import { sourceTopics } from '../runtime/topics.ts'

const PATIENCE_MS = 12_000

/** Asks every service one thing, all at once. Throws one error that names each that does not answer, and where it was looked for. */
export async function reachServices(project: Project, services: Services): Promise<void> {
  const { config, topologies } = project
  const [topic = ''] = sourceTopics(project)
  const [topology] = topologies
  const answers = await Promise.allSettled([
    reached('transport', config.transport, () => services.transport.topics(sourceTopics(project))),
    reached('registry', config.registry, () => services.registry.latest(`${topic}-value`)),
    reached('state', config.state, () => services.state.open('probe')),
    reached('store', config.store, () => services.store.alias(topology?.name ?? '')),
  ])
  const reasons = answers.flatMap((answer) => (answer.status === 'rejected' ? [String(answer.reason.message)] : []))
  if (reasons.length > 0) throw new Error(`not everything that millrace.yaml names answers\n  ${reasons.join('\n  ')}`)
}

/** Throws `topic-missing` that names all missing source topics. */
export async function requireTopics(project: Project, { transport }: Pick<Services, 'transport'>): Promise<void> {
  const names = sourceTopics(project)
  const known = await transport.topics(names)
  const missing = names.filter((name) => !known.has(name)).sort()
  if (missing.length === 0) return
  const which = missing.length === 1 ? `topic ${missing[0]} does` : `the topics ${missing.join(', ')} do`
  throw new MillraceError('topic-missing', `${which} not exist in ${placeOf('transport', project.config.transport)}`)
}

/** The answer of a service; what it throws, or its silence, says which service it was and where. */
export async function reached<T>(section: string, choice: PartChoice, call: () => Promise<T>): Promise<T> {
  const { promise: silence, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`no answer within ${PATIENCE_MS / 1000} s`)), PATIENCE_MS)
  try {
    return await Promise.race([call(), silence])
  } catch (error) {
    const code = error instanceof MillraceError ? ` [${error.code}]` : ''
    const message = error instanceof Error ? error.message : error
    throw new Error(`${placeOf(section, choice)}: ${message}${code}`, { cause: error })
  } finally {
    clearTimeout(timer)
  }
}

/** `state (redis at redis://cache:6379)`; never a user name or a password. */
export function placeOf(section: string, { kind, settings }: PartChoice): string {
  const { url, brokers, cluster, sentinel } = (settings ?? {}) as {
    readonly url?: unknown
    readonly brokers?: unknown
    readonly cluster?: unknown
    readonly sentinel?: { readonly nodes: unknown }
  }
  const addresses = brokers ?? cluster ?? sentinel?.nodes
  const where = Array.isArray(addresses)
    ? addresses.join(', ')
    : typeof url === 'string'
      ? withoutSecrets(url)
      : undefined
  return `${section} (${where === undefined ? kind : `${kind} at ${where}`})`
}

function withoutSecrets(text: string): string {
  const url = URL.parse(text)
  return url === null ? 'an address that is none' : `${url.protocol}//${url.host}${url.pathname.replace(/\/$/, '')}`
}
