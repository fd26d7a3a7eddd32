/** What there is: topologies as declared and as they run, topics with who reads and writes them. For the API and for commands. */
import type { FeatureStore, Millis, Registry, Transport } from '../core/model.ts'
import type { Topology } from '../core/topology.ts'
import type { FeatureEntry } from './catalog.ts'
import { Problem } from './problem.ts'
import type { TopicAnswer, TopologyAnswer } from './shapes.ts'

/** A topology of any kind, with what some kinds say beyond. */
export interface Described extends Pick<Topology, 'kind' | 'name' | 'tags' | 'generation'> {
  readonly sources: readonly { readonly name: string }[]
  readonly tables?: readonly { readonly name: string }[]
  readonly writes?: readonly { readonly name: string }[]
  readonly entity?: string
  readonly features?: readonly (Omit<FeatureEntry, 'description'> & { readonly description?: string | undefined })[]
  /** Names of sinks, and the topic of each that writes to one. */
  readonly outputs?: readonly { readonly kind: string; readonly topic: string | undefined }[]
  readonly owner?: { readonly [role in 'domain' | 'product' | 'service']?: string | undefined } | undefined
  readonly description?: string | undefined
}

/** A task that runs here. */
export interface TaskLook {
  readonly id: string
  readonly topology: string
  readonly condition: string
  readonly reason: string | undefined
  /** Records it has still to process, as last read. */
  readonly lag?: number
  /** Event time it has reached; undefined where it has no clock of its own. */
  readonly clock?: Millis | undefined
}

const SOON = { headers: { 'retry-after': '1' } }

type FeatureAnswer = NonNullable<TopologyAnswer['features']>[number]
type Declared = Omit<TopologyAnswer, 'serving' | 'live'>

export function declared(topology: Described): Declared {
  const { name, kind, description, sources, tables = [], entity, features, owner, tags, generation } = topology
  const { writes = [], outputs = [] } = topology
  return {
    name,
    kind,
    ...(description === undefined ? {} : { description }),
    sources: sources.map((source) => source.name),
    ...(tables.length === 0 ? {} : { tables: tables.map((table) => table.name) }),
    ...(entity === undefined ? {} : { entity }),
    ...(features === undefined ? {} : { features: features.map(featureAnswer) }),
    outputs: [...outputs.map(outputText), ...writes.map((topic) => `topic: ${topic.name}`)],
    ...(owner === undefined ? {} : { owner: known(owner) }),
    tags: [...tags],
    generation,
  }
}

const featureAnswer = ({ name, type, default: fallback, description }: NonNullable<Described['features']>[number]) => ({
  name,
  type,
  default: fallback as FeatureAnswer['default'],
  ...(description === undefined ? {} : { description }),
})

/** `store`, or `topic: store-features`. */
function outputText({ kind, topic }: { readonly kind: string; readonly topic: string | undefined }): string {
  return topic === undefined ? kind : `${kind}: ${topic}`
}

const known = (owner: object) =>
  Object.fromEntries(Object.entries(owner).filter(([, value]) => value !== undefined)) as Record<string, string>

/** All topologies, with the generation that serves each and how its tasks here are. Throws `store-unavailable`. */
export async function liveTopologies(
  topologies: readonly Described[],
  store: Pick<FeatureStore, 'alias'>,
  tasks: readonly TaskLook[],
): Promise<TopologyAnswer[]> {
  try {
    return await Promise.all(
      topologies.map(async (topology) => ({
        ...declared(topology),
        ...(topology.features && { serving: (await store.alias(topology.name))?.split('@').at(-1) ?? null }),
        live: liveOf(tasks.filter((task) => task.topology === topology.name)),
      })),
    )
  } catch {
    throw new Problem(
      'store-unavailable',
      'The feature store did not say which generations serve. Try again shortly.',
      SOON,
    )
  }
}

function liveOf(tasks: readonly TaskLook[]): NonNullable<TopologyAnswer['live']> {
  const conditions: Record<string, number> = {}
  for (const { condition } of tasks) conditions[condition] = (conditions[condition] ?? 0) + 1
  const clocks = tasks.flatMap(({ clock }) => (clock !== undefined && Number.isFinite(clock) ? [clock] : []))
  return {
    tasks: conditions,
    reasons: tasks.flatMap(({ id, reason }) => (reason === undefined ? [] : [`${id}: ${reason}`])),
    lag: tasks.reduce((sum, { lag = 0 }) => sum + lag, 0),
    clock: clocks.length === 0 ? null : new Date(Math.min(...clocks)).toISOString(),
  }
}

type Uses = Readonly<Record<'reads' | 'writes', ReadonlyMap<string, readonly string[]>>>

/** Who reads and who writes each topic; `others` nobody. */
function usesOf(topologies: readonly Described[], others: readonly string[]): Uses {
  const reads = new Map<string, string[]>(others.map((name) => [name, []]))
  const writes = new Map<string, string[]>()
  const add = (to: Map<string, string[]>, topic: string, name: string) =>
    to.set(topic, [...(to.get(topic) ?? []), name])
  for (const { name, sources, tables = [], writes: appended = [], outputs = [] } of topologies) {
    for (const source of [...sources, ...tables]) add(reads, source.name, name)
    for (const topic of appended) add(writes, topic.name, name)
    for (const { topic } of outputs) if (topic !== undefined) add(writes, topic, name)
  }
  return { reads, writes }
}

const namesIn = ({ reads, writes }: Uses) => [...new Set([...reads.keys(), ...writes.keys()])].sort()

/** Names of the topics that topologies read or write, and of `others`. */
export function topicNames(topologies: readonly Described[], others: readonly string[] = []): string[] {
  return namesIn(usesOf(topologies, others))
}

/** Topics that topologies read or write, and `others`, with what they hold. Throws `log-unavailable`. */
export async function liveTopics(
  topologies: readonly Described[],
  transport: Pick<Transport, 'topics' | 'ranges'>,
  registry: Pick<Registry, 'latest'>,
  others: readonly string[] = [],
): Promise<TopicAnswer[]> {
  const uses = usesOf(topologies, others)
  const names = namesIn(uses)
  try {
    const there = await transport.topics(names)
    return await Promise.all(
      names.map(async (name) => {
        const subject = `${name}-value`
        const newest = await registry.latest(subject)
        return {
          name,
          partitions: there.has(name) ? (await transport.ranges(name)).map(({ start, end }) => ({ start, end })) : null,
          subject: newest ? subject : null,
          schema: newest?.id ?? null,
          reads: [...(uses.reads.get(name) ?? [])],
          writes: [...(uses.writes.get(name) ?? [])],
        }
      }),
    )
  } catch {
    throw new Problem('log-unavailable', 'The log or the schema registry did not answer. Try again shortly.', SOON)
  }
}
