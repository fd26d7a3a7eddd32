/** The topologies of a world, as one of its workers has them. */
import type {
  FeatureFlow,
  FeatureStore,
  Flow,
  Millis,
  OwnCode,
  Sink,
  TaskId,
  TransformFlow,
  Transport,
} from '../../src/core/model.ts'
import { shuffleTopic } from '../../src/engine/names.ts'
import type { AnyTopology } from '../../src/project/kinds.ts'
import { openStoreSink } from '../../src/sinks/store.ts'
import { openTopicSink } from '../../src/sinks/topic.ts'
import { DECLARATIONS, planOf, type TestEvent, watched } from './features.ts'
import type { Options } from './options.ts'
import { PRICES } from './prices.ts'

export const MADE = 'made'
export const DEAD = 'dead'
export const outputOf = (name: string): string => `out-${name}`

/** A topology in one of its generations. */
export interface Deployed {
  readonly name: string
  readonly generation: string
  /** The generation of its declaration: a rebuild has one of its own. */
  readonly base: string
  readonly declaredAt: number
  readonly features: keyof typeof DECLARATIONS
  /** Features that were added on the way, and how long after a task began to compute them they are right. */
  readonly certain: ReadonlyMap<string, Millis>
  /** Events that had been sent when it was declared. */
  readonly sentBefore: number
}

export const definitionOf = ({ generation, declaredAt, features }: Deployed): string =>
  `${generation} of ${declaredAt}, ${features}`

export const namespaceOf = ({ name, generation }: Deployed): string => `${name}@${generation}`

export const sourcesOf = ({ topics }: Options): string[] => Array.from({ length: topics }, (_, i) => `events${i}`)

/** What features read. */
export const readBy = (options: Options): string[] => (options.shape === 'transform' ? [MADE] : sourcesOf(options))

/** Partitions of the one topic that is read directly; undefined where there is a shuffle. */
export function directOf(options: Options, name: string): number | undefined {
  if (name === 'twin') return undefined
  if (options.shape === 'direct') return options.partitions
  // every other world reads what a transform makes without a shuffle
  return options.shape === 'transform' && options.keys % 2 === 0 ? options.targets : undefined
}

export const shuffleOf = (options: Options, name: string): number | undefined =>
  directOf(options, name) === undefined ? options.targets + (name === 'twin' ? 1 : 0) : undefined

const ROLES = ['map', 'reduce', 'transform'] as const
type Role = (typeof ROLES)[number]

/** What a task does, for which topology, and what it reads: `<topic>/<partition>`. Undefined of what the engine keeps beside tasks. */
export function workOf(options: Options, task: TaskId): { role: Role; topology: string; reads: string } | undefined {
  const [role, namespace, ...place] = task.split('/') as [Role, string, ...string[]]
  if (!ROLES.includes(role)) return undefined
  const [name, generation] = namespace.split('@') as [string, string]
  const isShuffled = directOf(options, name) === undefined
  const topic = isShuffled ? shuffleTopic('test', { name, generation }) : readBy(options)[0]
  return { role, topology: name, reads: role === 'reduce' ? `${topic}/${place[0]}` : place.join('/') }
}

/** What the transform makes of an event: none to two, some of them of other keys. `price`: what it looked up. */
export function madeOf(event: TestEvent, price: number | null): TestEvent[] {
  return Array.from({ length: event.value % 3 }, (_, i) => ({
    ...event,
    id: `${event.id}/${i}`,
    key: i === 0 ? event.key : `${event.key}x`,
    value: event.value + i + (price ?? 0),
    price,
  }))
}

/** Nothing takes so long. */
const OWN: OwnCode = { timeout: 60_000, stops: false }

export interface Lent {
  readonly store: FeatureStore
  readonly transport: Transport
  /** A sink of one's own. */
  readonly own: (deployed: Deployed, features: readonly string[]) => Promise<Sink>
  /** Told when a task of a topology begins to compute; answers what is told of each row that it finds late. */
  readonly computes: (deployed: Deployed) => (key: string, row: string) => void
}

export async function featureFlow(options: Options, deployed: Deployed, lent: Lent): Promise<FeatureFlow> {
  const { names, reducer } = DECLARATIONS[deployed.features]
  const { name, generation, declaredAt } = deployed
  const plan = planOf(options.named)
  const shuffle = shuffleOf(options, name)
  return {
    name,
    generation,
    definition: definitionOf(deployed),
    declaredAt,
    start: 'earliest',
    sources: readBy(options).map((topic) => ({ topic, fields: [], plan, named: topic === MADE })),
    shuffle,
    direct: directOf(options, name),
    reducer: watched(reducer, () => lent.computes(deployed)),
    features: names,
    emitsEach: options.each,
    ...(options.own ? { own: OWN } : {}),
    sinks: await sinksOf(options, deployed, names, lent),
  }
}

async function sinksOf({ own }: Options, deployed: Deployed, features: readonly string[], lent: Lent): Promise<Sink[]> {
  const context = {
    topology: deployed.name,
    namespace: namespaceOf(deployed),
    keyFields: ['key'],
    features,
    schema: {},
    partitions: 1,
    ...lent,
    encoder: async () => ({ encode: (value: object) => Buffer.from(JSON.stringify(value)) }),
  }
  const sinks = [await openStoreSink(context), await openTopicSink({ topic: outputOf(deployed.name) }, context)]
  return own ? [...sinks, await lent.own(deployed, features)] : sinks
}

export function transformFlow(options: Options): TransformFlow {
  return {
    name: 'split',
    generation: 'once',
    definition: 'd1',
    declaredAt: 1,
    start: 'earliest',
    shuffle: undefined,
    direct: undefined,
    tables: options.tables ? [{ topic: PRICES, fields: [] }] : [],
    writes: [MADE],
    ...(options.own ? { own: OWN } : {}),
    sources: sourcesOf(options).map((topic) => ({
      topic,
      fields: [],
      named: false,
      make: (event, _, lookup) => {
        const of = event as unknown as TestEvent
        if (of.fails === 'make') throw new TypeError('fails to make a record')
        const price = options.tables ? (lookup(PRICES, of.thing)?.price as number | undefined) : undefined
        return madeOf(of, price ?? null).map((made, index) => ({
          topic: MADE,
          index,
          key: made.key,
          value: Buffer.from(JSON.stringify(made)),
        }))
      },
    })),
  }
}

/** What `Running` is told of a topology. */
export function topologiesOf(options: Options, deployed: readonly Deployed[]): AnyTopology[] {
  const split = { name: 'split', generation: 'once', definition: 'd1', kind: 'transforms', deployed: undefined }
  const features = deployed.map((one) => ({
    name: one.name,
    generation: one.generation,
    definition: JSON.stringify([one.declaredAt, one.features]),
    kind: 'features',
    deployed: one,
  }))
  return [...(options.shape === 'transform' ? [split] : []), ...features].map(
    (topology) => ({ ...topology, sources: [], tables: [], outputs: [{ kind: 'store' }] }) as unknown as AnyTopology,
  )
}

export function flowOf(options: Options, topology: AnyTopology, lent: Lent): Promise<Flow> | Flow {
  const { deployed } = topology as AnyTopology & { readonly deployed?: Deployed }
  return deployed ? featureFlow(options, deployed, lent) : transformFlow(options)
}
