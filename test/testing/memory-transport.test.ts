import { MemoryTransport } from '../../src/testing/memory-transport.ts'
import { transportSuite } from '../../src/testing/transport.ts'

transportSuite({
  name: 'memory',
  open: async () => {
    const transport = new MemoryTransport()
    return {
      transport,
      close: () => transport.close(),
      deleteTopic: async (topic) => transport.deleteTopic(topic),
      grow: async (topic, partitions) => transport.grow(topic, partitions),
    }
  },
})
