/** What the API serves: which features an entity has, and which topology answers each. */
import type { FeatureStore, FeatureType, FeatureValue } from '../core/model.ts'
import type { Described } from './inventory.ts'

export interface FeatureEntry {
  readonly name: string
  readonly type: FeatureType
  /** What is answered when the store has no value. */
  readonly default: FeatureValue
  readonly description?: string
}

export interface TopologyEntry {
  readonly topology: string
  /** Feature namespace that serves now (`FeatureStore.alias`); undefined while nothing was ever written. */
  readonly namespace: () => Promise<string | undefined> | string
  readonly features: readonly FeatureEntry[]
}

/**
 * Everything served of one entity. A feature name that two topologies share belongs to the first; the others
 * answer as `<topology>.<name>`.
 */
export interface EntityCatalog {
  readonly entity: string
  readonly topologies: readonly TopologyEntry[]
}

type Served = Pick<Required<Described>, 'name' | 'entity' | 'features'>

/** Topologies of one entity come together, in the order given. */
export function catalogOf(topologies: readonly Served[], store: Pick<FeatureStore, 'alias'>): EntityCatalog[] {
  const byEntity = Map.groupBy(topologies, ({ entity }) => entity)
  return [...byEntity].map(([entity, those]) => ({
    entity,
    topologies: those.map(({ name, features }) => ({
      topology: name,
      namespace: () => store.alias(name),
      features: features.map(({ name, type, default: fallback, description }) => ({
        name,
        type,
        default: fallback,
        ...(description === undefined ? {} : { description }),
      })),
    })),
  }))
}
