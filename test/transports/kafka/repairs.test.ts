import { once } from 'node:events'
import { createRequire } from 'node:module'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { afterEach, describe, expect, test } from 'vitest'
import { type Line, repairKafkajs } from '../../../src/transports/kafka/repairs.ts'

/** A line with what the test asks of it. */
interface TestLine extends Line {
  send(protocol: object): Promise<string>
  disconnect(): Promise<boolean>
}

const internal = createRequire(import.meta.url)
const Connection = internal('kafkajs/src/network/connection') as new (of: object) => TestLine
const Encoder = internal('kafkajs/src/protocol/encoder') as new () => object

const nothing = () => undefined
const quiet = { namespace: () => quiet, debug: nothing, info: nothing, warn: nothing, error: nothing }

/** Asks for anything; its answer is the text that the broker sent. */
const anything = {
  request: { apiKey: 3, apiVersion: 0, apiName: 'Anything', encode: async () => new Encoder() },
  response: { decode: async (bytes: Buffer) => bytes, parse: async (bytes: Buffer) => String(bytes) },
}

function answer(correlation: number, text: string): Buffer {
  const head = Buffer.alloc(8)
  head.writeInt32BE(4 + text.length)
  head.writeInt32BE(correlation, 4)
  return Buffer.concat([head, Buffer.from(text)])
}

/** Of a request frame: size, api key and version, correlation. */
const correlationOf = (frame: Buffer) => frame.readInt32BE(8)

let server: Server | undefined
let line: TestLine | undefined
const sockets: Socket[] = []

afterEach(async () => {
  await line?.disconnect()
  for (const socket of sockets.splice(0)) socket.destroy()
  server?.close()
})

/** A line to a broker that treats its n-th connection as told. */
async function lineTo(treat: (socket: Socket, nth: number) => void, isTls = false): Promise<TestLine> {
  repairKafkajs()
  const broker = createServer((socket) => {
    socket.on('error', nothing)
    treat(socket, sockets.push(socket))
  })
  server = broker
  broker.listen(0, '127.0.0.1')
  await once(broker, 'listening')
  const at = { host: '127.0.0.1', port: (broker.address() as AddressInfo).port }
  line = new Connection({
    ...at,
    logger: quiet,
    requestTimeout: 60_000,
    connectionTimeout: 60_000,
    socketFactory: ({ onConnect }: { onConnect: () => void }) =>
      isTls ? connectTls(at, onConnect) : connect(at, onConnect),
  })
  return line
}

/** A piece of data holds whole frames here, one or several. */
const answering = (text: string) => (socket: Socket) =>
  socket.on('data', (data: Buffer) => {
    for (let at = 0; at < data.length; at += 4 + data.readInt32BE(at)) {
      socket.write(answer(correlationOf(data.subarray(at)), text))
    }
  })

describe('a line to a broker', () => {
  test('that was cut within an answer reads the next one from its start', async () => {
    const line = await lineTo((socket, nth) => {
      if (nth > 1) answering('whole')(socket)
      else
        socket.on('data', (frame) => socket.end(answer(correlationOf(frame as Buffer), 'half of this').subarray(0, 11)))
    })
    await line.connect()
    await expect(line.send(anything)).rejects.toThrow('Closed connection')
    await line.connect()
    expect(await line.send(anything)).toBe('whole')
  })

  test('is one connection, however many ask for it at once', async () => {
    const line = await lineTo(answering('yes'))
    await Promise.all([line.connect(), line.connect(), line.connect()])
    expect(await Promise.all([line.send(anything), line.send(anything)])).toEqual(['yes', 'yes'])
    expect(sockets).toHaveLength(1)
  })

  test('that brings what is no answer is closed, with its requests rejected, and opens again', async () => {
    const line = await lineTo((socket, nth) => {
      if (nth > 1) answering('well again')(socket)
      else socket.on('data', () => socket.write(Buffer.from([0, 0, 0, 2, 7, 7])))
    })
    await line.connect()
    await expect(line.send(anything)).rejects.toThrow('the broker sent what is not an answer')
    await line.connect()
    expect(await line.send(anything)).toBe('well again')
  })

  test('that closes before it is up says so', async () => {
    const line = await lineTo((socket) => socket.end(), true)
    await expect(line.connect()).rejects.toThrow(/before secure TLS|closed before it was up|ECONNRESET/)
  })

  test('hears nothing more of the connection before', async () => {
    const line = await lineTo(answering('new'))
    await line.connect()
    const before = sockets[0] as Socket
    await line.disconnect()
    await line.connect()
    before.write(answer(0, 'old'))
    before.end()
    expect(await line.send(anything)).toBe('new')
    expect(line.isConnected()).toBe(true)
  })
})

test('positions are told to the broker that coordinates the group now', async () => {
  repairKafkajs()
  const Positions = internal('kafkajs/src/consumer/offsetManager') as new (
    of: object,
  ) => { commitOffsets(offsets: object): Promise<void> }
  const told: unknown[] = []
  const now = { isConnected: () => true, offsetCommit: async (of: object) => told.push(of) }
  const before = {
    isConnected: () => true,
    offsetCommit: () => Promise.reject(Object.assign(new Error(), { type: 'NOT_COORDINATOR_FOR_GROUP' })),
  }
  const positions = new Positions({
    cluster: { findGroupCoordinator: async () => now, refreshMetadata: nothing, committedOffsets: () => ({}) },
    coordinator: before,
    memberAssignment: { events: [0] },
    instrumentationEmitter: { emit: nothing },
    groupId: 'g',
    generationId: 3,
    memberId: 'm',
  })
  const topics = [{ topic: 'events', partitions: [{ partition: 0, offset: '7' }] }]
  await positions.commitOffsets({ topics })
  expect(told).toEqual([{ groupId: 'g', memberId: 'm', groupGenerationId: 3, topics }])
})
