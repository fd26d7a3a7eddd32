import { MemoryRegistry } from '../../src/testing/memory-registry.ts'
import { registrySuite } from '../../src/testing/registry.ts'

registrySuite({
  name: 'memory',
  open: async () => {
    const registry = new MemoryRegistry()
    return {
      registry,
      another: async () => ({ ...bound(registry), close: async () => undefined }),
      close: () => registry.close(),
    }
  },
})

/** A handle that may be closed while others go on. */
function bound(registry: MemoryRegistry) {
  return {
    schema: (id: number) => registry.schema(id),
    latest: (subject: string) => registry.latest(subject),
    register: (subject: string, schema: unknown) => registry.register(subject, schema),
  }
}
