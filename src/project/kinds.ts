import type { Kind } from '../core/topology.ts'
import type { FeatureTopology } from '../features/compile.ts'
import { features } from '../features/kind.ts'

/** A topology of any kind, told apart by `kind`. */
export type AnyTopology = FeatureTopology

/** Every kind of topology by its name in YAML. */
export const KINDS: Readonly<Record<string, Kind<AnyTopology>>> = { features }
