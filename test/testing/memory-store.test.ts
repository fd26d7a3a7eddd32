import { MemoryStore } from '../../src/testing/memory-store.ts'
import { featureStoreSuite } from '../../src/testing/store.ts'

featureStoreSuite({
  name: 'memory',
  open: async () => {
    const store = new MemoryStore()
    return { store, another: async () => store, close: () => store.close() }
  },
})
