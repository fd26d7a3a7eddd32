/** What the API serves: which features an entity has, and which topology answers each. */
import type { FeatureType, FeatureValue } from '../core/model.ts'

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
