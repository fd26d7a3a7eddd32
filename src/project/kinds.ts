import type { Kind } from '../core/topology.ts'
import type { FeatureTopology } from '../features/compile.ts'
import { features } from '../features/kind.ts'
import type { TransformTopology } from '../transforms/compile.ts'
import { transform } from '../transforms/kind.ts'

/** A topology of any kind, told apart by `kind`. */
export type AnyTopology = FeatureTopology | TransformTopology

/** Every kind of topology by its name in YAML. */
export const KINDS: Readonly<Record<string, Kind<AnyTopology>>> = { features, transform }

export function featuresOf(topologies: readonly AnyTopology[]): readonly FeatureTopology[] {
  return topologies.filter((topology) => topology.kind === 'features')
}
