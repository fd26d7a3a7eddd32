/**
 * kafkajs as this transport uses it: how a client is made, where its log goes, and the few things of it that its own
 * types leave out. The version is pinned for their sake.
 */
import { createRequire } from 'node:module'
import { connect, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Cluster, Kafka, LogEntry } from 'kafkajs'
import type { Partition, Position } from '../../core/model.ts'
import type { Log } from '../../core/part.ts'
import type { TlsFiles } from '../../core/tls.ts'
import type { KafkaConfig } from './config.ts'
import { type FetchAnswer, readFetch } from './fetch.ts'
import type { RecordBatch } from './record-batch.ts'
import { repairKafkajs } from './repairs.ts'

export type Library = typeof import('kafkajs')

/** A request of Kafka's protocol as kafkajs's connections take it. */
export interface ProtocolRequest<T> {
  readonly request: {
    readonly apiKey: number
    readonly apiVersion: number
    readonly apiName: string
    encode(): Promise<{ readonly buf: Buffer; readonly buffer: Buffer }>
  }
  readonly response: { decode(bytes: Buffer): Promise<T>; parse(decoded: T): Promise<T> }
}

interface ConnectionPool {
  send<T>(request: ProtocolRequest<T>): Promise<T>
}

/** Answers of partitions, each with Kafka's error code. */
export interface ProduceAnswer {
  readonly topics: readonly {
    readonly topicName: string
    readonly partitions: readonly { readonly partition: number; readonly errorCode: number }[]
  }[]
}

interface ProduceOptions {
  readonly acks: number
  readonly timeout: number
  readonly topicData: { topic: string; partitions: { partition: number; batch: RecordBatch }[] }[]
}

const PRODUCE_VERSION = 7
const FETCH_VERSION = 11
const internal = createRequire(import.meta.url)

/** kafkajs's own would throw for all partitions when one was refused, and copies records many times. */
export function produceRequest(options: ProduceOptions): ProtocolRequest<ProduceAnswer> {
  const produce = internal('kafkajs/src/protocol/requests/produce') as {
    protocol(of: { version: number }): (options: ProduceOptions) => ProtocolRequest<ProduceAnswer>
  }
  const { request, response } = produce.protocol({ version: PRODUCE_VERSION })({ ...options, topicData: [] })
  const encode = async () => {
    const body = produceBody(options)
    return { buf: body, buffer: body }
  }
  return { request: { ...request, encode }, response: { decode: response.decode, parse: async (answer) => answer } }
}

/** Versions 3 to 8: transactional id, acks, timeout, and per topic and partition the bytes of one record batch. */
function produceBody({ acks, timeout, topicData }: ProduceOptions): Buffer {
  const int16 = (value: number) => Buffer.from([(value >> 8) & 255, value & 255])
  const int32 = (value: number) => {
    const bytes = Buffer.allocUnsafe(4)
    bytes.writeInt32BE(value)
    return bytes
  }
  const pieces: Buffer[] = [int16(-1), int16(acks), int32(timeout), int32(topicData.length)]
  for (const { topic, partitions } of topicData) {
    const name = Buffer.from(topic)
    pieces.push(int16(name.length), name, int32(partitions.length))
    for (const { partition, batch } of partitions) {
      const bytes = batch.bytes()
      pieces.push(int32(partition), int32(bytes.length), bytes)
    }
  }
  return Buffer.concat(pieces)
}

/** A Fetch request for one partition; its answer as `readFetch` reads it. */
export function fetchRequest(partition: Partition, position: Position, maxBytes: number): ProtocolRequest<FetchAnswer> {
  const fetch = internal('kafkajs/src/protocol/requests/fetch') as {
    protocol(of: { version: number }): (options: object) => ProtocolRequest<FetchAnswer>
  }
  const topics = [
    { topic: partition.topic, partitions: [{ partition: partition.partition, fetchOffset: position, maxBytes }] },
  ]
  const { request } = fetch.protocol({ version: FETCH_VERSION })({ maxWaitTime: 0, minBytes: 0, maxBytes, topics })
  return { request, response: { decode: fetchReader(FETCH_VERSION), parse: async (answer) => answer } }
}

/** kafkajs's error for one of Kafka's codes, with its `type` and whether it is `retriable`. */
export function errorOf(code: number): Error {
  const { createErrorFromCode } = internal('kafkajs/src/protocol/error') as { createErrorFromCode(code: number): Error }
  return createErrorFromCode(code)
}

interface PartitionAnswers {
  readonly partition: number
  readonly offset: string
  readonly errorCode: number
}

/** One broker. Every method rejects with kafkajs's errors; `retriable` on them says whether to try again. */
export interface Broker {
  readonly connectionPool: ConnectionPool
  readonly versions: Readonly<Record<number, { readonly maxVersion: number } | undefined>> | null
  connect(): Promise<void>
  disconnect(): Promise<void>
  isConnected(): boolean
  listOffsets(request: {
    replicaId: number
    isolationLevel: number
    topics: { topic: string; partitions: { partition: number; timestamp: number }[] }[]
  }): Promise<{ responses: { topic: string; partitions: PartitionAnswers[] }[] }>
  findGroupCoordinator(request: { groupId: string; coordinatorType: number }): Promise<{
    coordinator: { nodeId: number }
  }>
  offsetFetch(request: {
    groupId: string
    topics: { topic: string; partitions: { partition: number }[] }[]
  }): Promise<{ responses: { topic: string; partitions: PartitionAnswers[] }[] }>
  deleteTopics(request: { topics: string[]; timeout: number }): Promise<unknown>
  createTopics(request: {
    topics: {
      topic: string
      numPartitions: number
      replicationFactor: number
      configEntries: { name: string; value: string }[]
    }[]
    timeout: number
  }): Promise<unknown>
}

/** What kafkajs's clusters make brokers with. */
export interface BrokerMaker {
  readonly rootLogger: object
  readonly connectionPoolBuilder: { build(address?: { host: string; port: number }): Promise<ConnectionPool> }
  readonly brokerPool: { createBroker(options: object): Broker }
}

/** The cluster that kafkajs makes for a consumer; it hands it out to partition assigners only. */
export function brokerMaker(kafka: Kafka): BrokerMaker {
  let made: Cluster | undefined
  kafka.consumer({
    groupId: 'none',
    partitionAssigners: [
      ({ cluster }) => {
        made = cluster
        return { name: 'none', version: 0, assign: async () => [], protocol: () => ({ name: '', metadata: NOTHING }) }
      },
    ],
  })
  return made as unknown as BrokerMaker
}

const NOTHING = Buffer.alloc(0)

const FETCH = 1

/** From now on, the messages of what this cluster's connections fetch are `RecordSet`s. */
export function readOwnFetches(cluster: Cluster): void {
  const { connectionPoolBuilder: builder } = cluster as unknown as BrokerMaker
  const build = builder.build
  builder.build = async (address) => {
    const pool = await build(address)
    const send = pool.send.bind(pool) as (protocol: ProtocolRequest<unknown>) => Promise<never>
    pool.send = ({ request, response, ...rest }) => {
      const decode = request.apiKey === FETCH ? fetchReader(request.apiVersion) : response.decode
      return send({ request, response: { ...response, decode } as ProtocolRequest<unknown>['response'], ...rest })
    }
    return pool
  }
}

const fetchReader = (version: number) => (bytes: Buffer) => readFetch(bytes, version)

/** Every socket of one client, so that it can be ended whatever state kafkajs is in. */
export class Sockets {
  private readonly open = new Set<Socket>()
  private readonly all: Set<Sockets>
  private ended = false

  /** Keeps itself in `all` until it is ended. */
  constructor(all: Set<Sockets>) {
    this.all = all
    all.add(this)
  }

  make(host: string, port: number, tls: object | undefined, connected: () => void): Socket {
    if (this.ended) throw new Error('this client has been closed')
    const address = { host, port }
    const name = isIP(host) ? {} : { servername: host }
    const socket = tls ? connectTls({ ...address, ...name, ...tls }, connected) : connect(address, connected)
    socket.setKeepAlive(true, 30_000)
    // a small request does not wait until the one before was received
    socket.setNoDelay(true)
    this.open.add(socket)
    socket.once('close', () => this.open.delete(socket))
    return socket
  }

  /** With an error, since kafkajs does not listen for `close`: requests under way are rejected. */
  end(): void {
    this.ended = true
    this.all.delete(this)
    for (const socket of this.open) socket.destroy(new Error('the client is being closed'))
  }
}

export interface Connecting {
  readonly library: Library
  readonly config: KafkaConfig
  /** Undefined: no TLS. */
  readonly tls: TlsFiles | undefined
  readonly log: Log
  /** Those of every client made and not yet ended. */
  readonly sockets: Set<Sockets>
}

/** A client of its own: members of one group must not share one, kafkajs mixes their offsets up. */
export function makeKafka({ library, config, tls, log }: Connecting, sockets: Sockets): Kafka {
  repairKafkajs()
  return new library.Kafka({
    brokers: config.brokers,
    clientId: config.clientId,
    ...(tls && { ssl: { ...tls } }),
    ...(config.sasl ? { sasl: config.sasl as { mechanism: 'plain'; username: string; password: string } } : {}),
    connectionTimeout: config.connectionTimeout,
    authenticationTimeout: config.requestTimeout,
    requestTimeout: config.requestTimeout,
    // all five, since kafkajs has others when NODE_ENV is `test`
    retry: { initialRetryTime: 100, maxRetryTime: 1_000, factor: 0.2, multiplier: 2, retries: 4 },
    socketFactory: ({ host, port, ssl, onConnect }) => sockets.make(host, port, ssl || undefined, onConnect),
    logLevel: library.logLevel.WARN,
    logCreator: () => (entry) => tell(log, library, entry),
  })
}

/** What happens in every rebalance and in every restart of a broker, and is mended by itself. */
const ORDINARY =
  /rebalanc|not aware of this member|coordinator|Connection|Closed connection|leader|does not host|seed broker|aware of all|timed out|Illegal generation|different generation/i

function tell(log: Log, library: Library, { namespace, level, log: entry }: LogEntry): void {
  // only fields known to hold neither secrets nor records
  const fields = { from: `kafkajs ${namespace}`, broker: entry.broker, group: entry.groupId, error: entry.error }
  const isOrdinary = ORDINARY.test(entry.message) || ORDINARY.test(String(entry.error))
  if (isOrdinary || level > library.logLevel.WARN) log.debug(fields, entry.message)
  else log.warn(fields, entry.message)
}
