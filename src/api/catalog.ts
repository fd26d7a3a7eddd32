/** What the API serves: which features an entity has, and which topology answers each. */

export interface FeatureEntry {
  readonly name: string
  readonly type: 'long' | 'double'
  /** What is answered when the store has no value. */
  readonly default: number | null
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
