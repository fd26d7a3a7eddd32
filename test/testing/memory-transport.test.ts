import { MemoryTransport } from '../../src/testing/memory-transport.ts'
import { transportSuite } from '../../src/testing/transport.ts'

transportSuite({
  name: 'memory',
  open: async () => {
    const transport = new MemoryTransport()
    return {
      transport,
      close: () => transport.close(),
      grow: async (topic, partitions) => transport.grow(topic, partitions),
    }
  },
})
