/**
 * Kafka's Metadata request, version 10: the first that tells topic ids, which kafkajs does not know. It is sent over
 * kafkajs's own connections, so TLS and SASL hold for it too. Layout: https://kafka.apache.org/protocol#The_Messages_Metadata
 */
import type { ProtocolRequest } from './library.ts'

export const METADATA_KEY = 3
export const METADATA_VERSION = 10

const UNKNOWN_TOPIC = 3
const LEADER_NOT_AVAILABLE = 5

export interface BrokerAddress {
  readonly nodeId: number
  readonly host: string
  readonly port: number
}

export interface TopicMetadata {
  /** The topic's UUID: another one after it was deleted and made again. */
  readonly id: string
  /** Node id of each partition's leader, -1 while there is none. */
  readonly leaders: readonly number[]
}

export interface Metadata {
  readonly brokers: readonly BrokerAddress[]
  readonly controller: number
  /** By name; a missing topic is absent. */
  readonly topics: ReadonlyMap<string, TopicMetadata>
}

/** A topic that the broker will not tell about, with Kafka's error code. */
export class TopicRefused extends Error {
  override readonly name = 'TopicRefused'
}

export function metadataRequest(names: readonly string[]): ProtocolRequest<Metadata> {
  return {
    request: {
      apiKey: METADATA_KEY,
      apiVersion: METADATA_VERSION,
      apiName: 'Metadata',
      encode: async () => {
        const bytes = encodeRequest(names)
        return { buf: bytes, buffer: bytes }
      },
    },
    response: { decode: async (bytes) => decodeResponse(bytes), parse: async (metadata) => metadata },
  }
}

function encodeRequest(names: readonly string[]): Buffer {
  const anyId = Buffer.alloc(16)
  const topics = names.flatMap((name) => {
    const text = Buffer.from(name)
    return [anyId, varint(text.length + 1), text, noTags]
  })
  const doNotCreate = Buffer.from([0])
  const noOperations = Buffer.from([0, 0])
  // kafkajs writes the older header; the tags that end the newer one come first in the body
  return Buffer.concat([noTags, varint(names.length + 1), ...topics, doNotCreate, noOperations, noTags])
}

const noTags = Buffer.from([0])

function varint(value: number): Buffer {
  const bytes: number[] = []
  for (; value > 127; value >>>= 7) bytes.push((value & 127) | 128)
  return Buffer.from([...bytes, value])
}

function decodeResponse(bytes: Buffer): Metadata {
  const from = new Reader(bytes)
  from.tags()
  from.int32()
  const brokers = from.list(() => {
    const broker = { nodeId: from.int32(), host: from.text(), port: from.int32() }
    from.text()
    from.tags()
    return broker
  })
  from.text()
  const controller = from.int32()
  const topics = new Map<string, TopicMetadata>()
  const refused: string[] = []
  from.list(() => {
    const { error, name, topic } = decodeTopic(from)
    if (error === 0 || error === LEADER_NOT_AVAILABLE) topics.set(name, topic)
    else if (error !== UNKNOWN_TOPIC) refused.push(`${name}: Kafka error ${error}`)
  })
  if (refused.length > 0) throw new TopicRefused(refused.join(', '))
  return { brokers, controller, topics }
}

function decodeTopic(from: Reader): { error: number; name: string; topic: TopicMetadata } {
  const error = from.int16()
  const name = from.text()
  const id = from.bytes(16).toString('hex')
  from.bytes(1)
  const leaders: number[] = []
  from.list(() => {
    from.int16()
    const partition = from.int32()
    leaders[partition] = from.int32()
    from.int32()
    for (let lists = 0; lists < 3; lists++) from.list(() => from.int32())
    from.tags()
  })
  from.int32()
  from.tags()
  return { error, name, topic: { id, leaders } }
}

class Reader {
  private readonly buffer: Buffer
  private at = 0

  constructor(buffer: Buffer) {
    this.buffer = buffer
  }

  bytes(length: number): Buffer {
    if (this.at + length > this.buffer.length) throw new RangeError('the answer to a Metadata request is cut off')
    this.at += length
    return this.buffer.subarray(this.at - length, this.at)
  }

  int16(): number {
    return this.bytes(2).readInt16BE()
  }

  int32(): number {
    return this.bytes(4).readInt32BE()
  }

  private varint(): number {
    for (let value = 0, shift = 0; ; shift += 7) {
      const byte = this.bytes(1)[0] as number
      value |= (byte & 127) << shift
      if (byte < 128) return value
    }
  }

  /** Null is told as the empty text. */
  text(): string {
    return this.bytes(Math.max(0, this.varint() - 1)).toString()
  }

  list<T>(item: () => T): T[] {
    return Array.from({ length: Math.max(0, this.varint() - 1) }, item)
  }

  tags(): void {
    for (let count = this.varint(); count > 0; count--) {
      this.varint()
      this.bytes(this.varint())
    }
  }
}
