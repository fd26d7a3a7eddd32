/** For tests of one's own parts: conformance suites that every part of a kind passes, fakes that pass them too, a clock that is moved by hand. */
export { VirtualClock } from './clock.ts'
export { MemoryState } from './memory-state.ts'
export { MemoryStore } from './memory-store.ts'
export { MemoryTransport } from './memory-transport.ts'
export { registrySuite } from './registry.ts'
export { stateSuite } from './state.ts'
export { featureStoreSuite } from './store.ts'
export { transportSuite } from './transport.ts'
