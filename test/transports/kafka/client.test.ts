import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import library from 'kafkajs'
import { expect, test } from 'vitest'
import { SILENT } from '../../../src/core/part.ts'
import { Client } from '../../../src/transports/kafka/client.ts'
import kafka from '../../../src/transports/kafka/index.ts'
import type { Connecting } from '../../../src/transports/kafka/library.ts'

const [METADATA, VERSIONS] = [3, 18]
const int16s = (...values: number[]) => Buffer.concat(values.map((value) => Buffer.from([value >> 8, value & 255])))
/** Both keys, in versions 0 to 10. */
const understood = Buffer.concat([
  int16s(0),
  int16s(0, 2),
  int16s(METADATA, 0, 10),
  int16s(VERSIONS, 0, 2),
  int16s(0, 0),
])
/** No brokers, no cluster, controller 0, no topics. */
const nothing = Buffer.concat([Buffer.from([0]), int16s(0, 0), Buffer.from([1, 0]), int16s(0, 0), Buffer.from([1, 0])])

test('a broker that one call has just reached is not taken for an old one by the next', async () => {
  const asked = Promise.withResolvers<void>()
  const mayAnswer = Promise.withResolvers<void>()
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.on('data', async (data: Buffer) => {
      for (let at = 0; at < data.length; at += 4 + data.readInt32BE(at)) {
        const [key, correlation] = [data.readInt16BE(at + 4), data.subarray(at + 8, at + 12)]
        if (key === VERSIONS) {
          asked.resolve()
          await mayAnswer.promise
        }
        const body = key === VERSIONS ? understood : nothing
        socket.write(Buffer.concat([int16s(0, 4 + body.length), correlation, body]))
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const config = kafka.config.parse({ brokers: [`127.0.0.1:${(server.address() as AddressInfo).port}`] })
  const client = new Client({ library, config, tls: undefined, log: SILENT, sockets: new Set() } as Connecting)
  try {
    const first = client.metadata([])
    await asked.promise
    const second = client.metadata([])
    mayAnswer.resolve()
    expect((await Promise.all([first, second])).map(({ topics }) => topics.size)).toEqual([0, 0])
  } finally {
    client.close()
    for (const socket of sockets) socket.destroy()
    server.close()
  }
})
