/**
 * For tests of topologies and of parts of one's own: a driver that runs a topology in memory, a clock that is moved by hand,
 * conformance suites that every part of a kind passes, and fakes that pass them too. The suites declare vitest tests.
 *
 * @module millrace/testing
 */
export { type AggregationUnderTest, aggregationSuite } from './aggregation.ts'
export { VirtualClock } from './clock.ts'
export type { DeclaredFeature } from './declare.ts'
export {
  type TestedDeadLetter,
  type TestedFeatures,
  type TestedOutput,
  type TopologyTest,
  type TopologyTestOptions,
  testTopology,
} from './driver.ts'
export { MemoryRegistry } from './memory-registry.ts'
export { MemoryState } from './memory-state.ts'
export { MemoryStore } from './memory-store.ts'
export { MemoryTransport } from './memory-transport.ts'
export type { Naive, Sample } from './naive-operators.ts'
export { type OperatorUnderTest, operatorSuite } from './operator.ts'
export type { OracleEvent } from './oracle.ts'
export { type RegistrySuite, type RegistryUnderTest, registrySuite } from './registry.ts'
export { type StateSuite, type StateUnderTest, stateSuite } from './state.ts'
export { type FeatureStoreSuite, type FeatureStoreUnderTest, featureStoreSuite } from './store.ts'
export { type TransportSuite, type TransportUnderTest, transportSuite } from './transport.ts'
