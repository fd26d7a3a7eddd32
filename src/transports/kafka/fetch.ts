/**
 * Kafka's answers to Fetch requests, read in one pass into records. kafkajs's own reader makes big integers, texts and
 * several objects of every record, which cost more than all that is then done with it. Source: KIP-98, "Message Format";
 * Fetch API, versions 4 to 11. A batch that is not what its checksum says is refused: kafkajs's reader, and a broker that
 * reads from its disk, do not look.
 */
import { createRequire } from 'node:module'
import { promisify } from 'node:util'
import { gunzip, zstdDecompress } from 'node:zlib'
import type { InputRecord, Millis, Position } from '../../core/model.ts'
import { crc32c } from './crc32c.ts'

/** What stands for all records of a partition, as the one message that kafkajs goes over. */
export interface RecordSet {
  /** Of the last record there was, also when it is not among `records`. */
  readonly offset: string
  readonly isControlRecord: false
  /** In order; without transactions that were aborted. The first may lie before the position asked for. */
  readonly records: readonly InputRecord[]
}

/** As kafkajs takes it. */
export interface FetchAnswer {
  readonly throttleTime: number
  readonly clientSideThrottleTime: number
  readonly errorCode: number
  readonly responses: readonly { readonly topicName: string; readonly partitions: readonly PartitionAnswer[] }[]
}

interface PartitionAnswer {
  readonly partition: number
  readonly errorCode: number
  readonly highWatermark: string
  readonly abortedTransactions: readonly []
  readonly preferredReadReplica: number
  readonly messages: readonly RecordSet[]
}

/** An aborted transaction: what its producer wrote from `first` up to the marker of its end counts for nothing. */
interface Aborted {
  readonly producer: bigint
  readonly first: Position
}

/** What batches of one answer may still decompress to. */
interface Room {
  bytes: number
}

interface Codec {
  decompress(bytes: Buffer): Promise<Buffer>
}

const HEAD_BYTES = 61
const [COMPRESSED, APPEND_TIME, TRANSACTIONAL, CONTROL] = [0x07, 0x08, 0x10, 0x20]
type Decompress = (bytes: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>
const DECOMPRESS: Readonly<Record<number, Decompress>> = { 1: promisify(gunzip), 4: promisify(zstdDecompress) }
/** So large no batch is; larger ones were made to fill the memory of whoever reads them. */
const MOST_DECOMPRESSED = 256 << 20
/** What batches of one answer are decompressed to; those beyond are left for the next request, but the first of each partition. */
const MOST_AT_ONCE = 128 << 20
const NO_HEADERS: Readonly<Record<string, Buffer>> = Object.freeze({})
const internal = createRequire(import.meta.url)

/** Rejects for bytes that are no such answer, or hold a message format older than Kafka 0.11 or an unknown compression. */
export async function readFetch(bytes: Buffer, version: number): Promise<FetchAnswer> {
  if (version < 4) throw new Error('this needs Kafka 0.11 or newer')
  const from = new Reader(bytes)
  const clientSideThrottleTime = from.int32()
  const errorCode = version >= 7 ? from.int16() : 0
  if (version >= 7) from.int32() // id of a fetch session: none was asked for
  const room: Room = { bytes: MOST_AT_ONCE }
  const responses: { topicName: string; partitions: PartitionAnswer[] }[] = []
  for (let topics = from.int32(); topics > 0; topics--) {
    const topicName = from.text(from.int16())
    const partitions: PartitionAnswer[] = []
    for (let left = from.int32(); left > 0; left--) partitions.push(await readPartition(from, topicName, version, room))
    responses.push({ topicName, partitions })
  }
  return { throttleTime: 0, clientSideThrottleTime, errorCode, responses }
}

async function readPartition(from: Reader, topic: string, version: number, room: Room): Promise<PartitionAnswer> {
  const partition = from.int32()
  const errorCode = from.int16()
  const highWatermark = String(from.int64())
  from.int64() // last stable offset
  if (version >= 5) from.int64() // log start offset
  const aborted: Aborted[] = []
  for (let left = from.int32(); left > 0; left--) aborted.push({ producer: from.bigint(), first: from.int64() })
  const preferredReadReplica = version >= 11 ? from.int32() : -1
  const set = await readRecordSet(from.block(from.int32()), aborted, room).catch((error: Error) => {
    throw new Error(`${topic}/${partition}: ${error.message}`, { cause: error })
  })
  const messages = set ? [set] : []
  return { partition, errorCode, highWatermark, abortedTransactions: [], preferredReadReplica, messages }
}

/** Undefined when there is not one whole batch. The last one may be cut off. */
async function readRecordSet(bytes: Buffer, aborted: Aborted[], room: Room): Promise<RecordSet | undefined> {
  aborted.sort((a, b) => a.first - b.first)
  const records: InputRecord[] = []
  const dropped = new Set<bigint>()
  let last: Position | undefined
  for (let at = 0; at + HEAD_BYTES <= bytes.length; ) {
    const end = at + 12 + bytes.readInt32BE(at + 8)
    if (end > bytes.length || (room.bytes <= 0 && last !== undefined)) break
    if (end < at + HEAD_BYTES) throw new Error('a batch is shorter than its head')
    if (bytes[at + 16] !== 2) throw new Error(`message format ${bytes[at + 16]} is older than Kafka 0.11`)
    if (bytes.readUInt32BE(at + 17) !== crc32c(bytes, at + 21, end))
      throw new Error(`the batch at ${bytes.readBigInt64BE(at)} is damaged: its bytes are not those of its checksum`)
    const batch = new Reader(bytes, at, end)
    const base = batch.int64()
    at += 21
    const attributes = bytes.readInt16BE(at)
    const before: Position = last ?? -1
    last = base + bytes.readInt32BE(at + 2)
    if (!(base > before && last >= base)) throw new Error(`a batch from ${base} to ${last} stands after ${before}`)
    const producer = bytes.readBigInt64BE(at + 22)
    while (aborted[0] && aborted[0].first <= last) dropped.add((aborted.shift() as Aborted).producer)
    if (attributes & CONTROL) dropped.delete(producer)
    else if (!(attributes & TRANSACTIONAL && dropped.has(producer))) {
      batch.at = at + 6
      const first = batch.int64()
      const newest = batch.int64()
      batch.at = at + 36
      const count = batch.int32()
      const body = attributes & COMPRESSED ? new Reader(await decompressed(attributes, batch.rest())) : batch
      if (body !== batch) room.bytes -= body.bytes.length
      readRecords(body, count, base, last, first, attributes & APPEND_TIME ? newest : undefined, records)
    }
    at = end
  }
  return last === undefined ? undefined : { offset: String(last), isControlRecord: false, records }
}

/** gzip and Zstandard as Node has them; others as they were put into kafkajs's `CompressionCodecs`. */
async function decompressed(attributes: number, bytes: Buffer): Promise<Buffer> {
  const own = DECOMPRESS[attributes & COMPRESSED]
  if (own) return own(bytes, { maxOutputLength: MOST_DECOMPRESSED })
  const { lookupCodecByAttributes } = internal('kafkajs/src/protocol/message/compression') as {
    lookupCodecByAttributes(attributes: number): Codec | null
  }
  const codec = lookupCodecByAttributes(attributes)
  if (!codec) throw new Error(`unknown compression ${attributes & COMPRESSED}`)
  return codec.decompress(bytes)
}

/** All there is in `from`. `stamp`: of all of them, where the broker gave it; else each has its own, counted from `first`. */
function readRecords(
  from: Reader,
  count: number,
  base: Position,
  last: Position,
  first: number,
  stamp: number | undefined,
  to: InputRecord[],
): void {
  let before = base - 1
  for (let i = 0; i < count; i++) {
    const length = from.varint()
    const end = from.at + length
    from.at++ // attributes: none are defined
    const time = from.varint()
    const position = base + from.varint()
    const keyLength = from.varint()
    const keyAt = from.at
    if (keyLength > 0) from.at += keyLength
    const value = from.part()
    const names = from.varint()
    const headers = names === 0 ? NO_HEADERS : readHeaders(from, names)
    if (from.at !== end || end > from.end) throw new Error(`record ${position} does not end where it should`)
    if (!(position > before && position <= last)) throw new Error(`record ${position} stands after ${before}`)
    before = position
    to.push(new FetchedRecord(position, stamp ?? first + time, value, headers, from.bytes, keyAt, keyLength))
  }
  if (from.at !== from.end) throw new Error(`a batch of ${count} records ends after byte ${from.at}`)
}

/** Its key is seldom asked for: a buffer for it is made then. */
class FetchedRecord implements InputRecord {
  readonly position: Position
  readonly timestamp: Millis
  readonly value: Buffer | null
  readonly headers: Readonly<Record<string, Buffer>>
  readonly #bytes: Buffer
  readonly #keyAt: number
  readonly #keyLength: number

  constructor(
    position: Position,
    timestamp: Millis,
    value: Buffer | null,
    headers: Readonly<Record<string, Buffer>>,
    bytes: Buffer,
    keyAt: number,
    keyLength: number,
  ) {
    this.position = position
    this.timestamp = timestamp
    this.value = value
    this.headers = headers
    this.#bytes = bytes
    this.#keyAt = keyAt
    this.#keyLength = keyLength
  }

  get key(): Buffer | null {
    return this.#keyLength < 0 ? null : this.#bytes.subarray(this.#keyAt, this.#keyAt + this.#keyLength)
  }
}

/** Of a name that comes twice the last value counts; a header without a value is left out. */
function readHeaders(from: Reader, count: number): Readonly<Record<string, Buffer>> {
  const entries: [string, Buffer][] = []
  for (let i = 0; i < count; i++) {
    const name = from.text(from.varint())
    const value = from.part()
    if (value) entries.push([name, value])
  }
  return Object.fromEntries(entries)
}

/** Numbers and parts of bytes from `at` to `end`; throws beyond. */
class Reader {
  at: number
  readonly bytes: Buffer
  readonly end: number

  constructor(bytes: Buffer, at: number = 0, end: number = bytes.length) {
    this.bytes = bytes
    this.at = at
    this.end = end
  }

  /** Zigzag, of at most ten bytes; beyond 32 bits exact up to 2^53. */
  varint(): number {
    const { bytes } = this
    let byte = bytes[this.at++] as number
    if (byte < 128) return (byte >>> 1) ^ -(byte & 1)
    let value = byte & 127
    let weight = 128
    do {
      byte = bytes[this.at++] as number
      value += (byte & 127) * weight
      weight *= 128
    } while (byte > 127 && weight < 2 ** 70)
    if (byte > 127) throw new Error('a number of more than ten bytes')
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  /** A part with its length before it; -1 is null. */
  part(): Buffer | null {
    const length = this.varint()
    return length < 0 ? null : this.block(length)
  }

  /** A view. */
  block(length: number): Buffer {
    return length <= 0 ? this.bytes.subarray(this.at, this.at) : this.bytes.subarray(this.at, this.move(length))
  }

  rest(): Buffer {
    return this.block(this.end - this.at)
  }

  text(length: number): string {
    return this.bytes.toString('utf8', this.at, this.move(length))
  }

  int16(): number {
    return this.bytes.readInt16BE(this.move(2) - 2)
  }

  int32(): number {
    return this.bytes.readInt32BE(this.move(4) - 4)
  }

  /** Exact up to 2^53. */
  int64(): number {
    const at = this.move(8) - 8
    return this.bytes.readInt32BE(at) * 2 ** 32 + this.bytes.readUInt32BE(at + 4)
  }

  bigint(): bigint {
    return this.bytes.readBigInt64BE(this.move(8) - 8)
  }

  private move(length: number): number {
    this.at += length
    if (!(length >= 0 && this.at <= this.end)) throw new Error('a Fetch answer ends too early')
    return this.at
  }
}
