import type { SinkContext } from '../core/model.ts'
import { type FeatureTopology, outputSchema } from './compile.ts'

/** What every sink of a topology is lent. */
export function sinkContext(
  topology: FeatureTopology,
  lent: Pick<SinkContext, 'partitions' | 'store' | 'transport' | 'encoder'>,
): SinkContext {
  return {
    topology: topology.name,
    namespace: `${topology.name}@${topology.generation}`,
    keyFields: topology.keyFields,
    features: topology.features.map(({ name }) => name),
    schema: outputSchema(topology),
    ...lent,
  }
}
