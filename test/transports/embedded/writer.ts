/** A process that writes to a log until it is killed, and says on stdout what has been acknowledged. */
import { writeSync } from 'node:fs'
import { EmbeddedTransport } from '../../../src/transports/embedded/index.ts'

const [directory = '', run = ''] = process.argv.slice(2)
const log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }
const transport = await EmbeddedTransport.open(
  { path: '.', segmentBytes: 20_000, fsync: 'always', retentionCheck: 60_000 },
  { directory, log },
)
await transport.create({ name: 'events', partitions: 2, retentionMs: -1 })

/** Several at a time, so that a kill meets writes in every state. */
await Promise.all(
  ['a', 'b', 'c'].map(async (writer) => {
    for (let n = 0; ; n++) {
      const value = Buffer.from(`${run} ${writer} ${n}`)
      await transport.write([0, 1].map((partition) => ({ topic: 'events', partition, key: writer, value })))
      writeSync(1, `${run} ${writer} ${n}\n`)
    }
  }),
)
