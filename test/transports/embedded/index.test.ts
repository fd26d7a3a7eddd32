import { rm } from 'node:fs/promises'
import { transportSuite } from '../../../src/testing/transport.ts'
import embedded, { EmbeddedTransport } from '../../../src/transports/embedded/index.ts'
import { recordingLog, temporaryDirectory } from './fixture.ts'

transportSuite({
  name: 'embedded',
  open: async () => {
    const directory = await temporaryDirectory()
    const config = embedded.config.parse({ segmentBytes: 64 * 1024 })
    const transport = await EmbeddedTransport.open(config, { directory, log: recordingLog() })
    return {
      transport,
      close: async () => {
        await transport.close()
        await rm(directory, { recursive: true })
      },
      grow: (topic, partitions) => transport.grow(topic, partitions),
    }
  },
})
