/**
 * Records as Kafka keeps them (message format 2), written once into a buffer of the right size. kafkajs's own encoder
 * grows a buffer per record and copies each record several times, which costs more than making the frames.
 */
import type { Draft } from '../../core/model.ts'
import { crc32c } from './crc32c.ts'

/** What stands in a record beside its time. */
export type Content = Pick<Draft, 'key' | 'value' | 'headers'>

const HEAD_BYTES = 61
const FIRST_ROOM = 4096
/** Upper bound of the numbers of a record: length, attributes, time, offset, sizes of key and value, count of headers. */
const RECORD_NUMBERS = 5 + 1 + 10 + 5 + 5 + 5 + 5

/** One uncompressed record batch, in order. Source: KIP-98, "Message Format". */
export class RecordBatch {
  count = 0
  private buffer = Buffer.allocUnsafe(FIRST_ROOM)
  private at = HEAD_BYTES
  private first = 0
  private latest = 0

  /** Bytes. */
  get length(): number {
    return this.at
  }

  /** Copied: nothing of the content is kept. `most`: what `boundOf` says of it; the timestamp in ms. */
  add(content: Content, most: number, timestamp: number): void {
    this.begin(timestamp, most)
    this.at = writeRecord(this.buffer, this.at, content, timestamp - this.first, this.count++)
  }

  private begin(timestamp: number, bytes: number): void {
    if (this.count === 0) this.latest = this.first = timestamp
    else if (timestamp > this.latest) this.latest = timestamp
    if (this.at + bytes <= this.buffer.length) return
    const grown = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.at + bytes))
    this.buffer.copy(grown, 0, 0, this.at)
    this.buffer = grown
  }

  /** All records of these, in their order. */
  static of(batches: readonly RecordBatch[]): RecordBatch {
    const all = new RecordBatch()
    for (const batch of batches) batch.eachRecord((rest, timestamp) => all.append(rest, timestamp))
    return all
  }

  /** Its records in two batches; there are at least two. */
  halves(): [RecordBatch, RecordBatch] {
    const halves: [RecordBatch, RecordBatch] = [new RecordBatch(), new RecordBatch()]
    const middle = this.count >> 1
    this.eachRecord((rest, timestamp, i) => halves[i < middle ? 0 : 1].append(rest, timestamp))
    return halves
  }

  private eachRecord(visit: (rest: Buffer, timestamp: number, i: number) => void): void {
    const from = new Varints(this.buffer, HEAD_BYTES)
    for (let i = 0; i < this.count; i++) {
      const length = from.next()
      const end = from.at + length
      from.at++ // attributes
      const timestamp = this.first + from.next()
      from.next()
      visit(this.buffer.subarray(from.at, end), timestamp, i)
      from.at = end
    }
  }

  /** A record of which all is written but length, attributes, time and offset. */
  private append(rest: Buffer, timestamp: number): void {
    this.begin(timestamp, RECORD_NUMBERS + rest.length)
    const { buffer: to } = this
    const time = timestamp - this.first
    const offset = this.count++
    let at = writeVarint(to, this.at, 1 + sizeOfVarint(time) + sizeOfVarint(offset) + rest.length)
    to[at++] = 0
    at = writeVarint(to, writeVarint(to, at, time), offset)
    to.set(rest, at)
    this.at = at + rest.length
  }

  /** Of at least one record. */
  bytes(): Buffer {
    const { buffer: to, at, count, first, latest } = this
    to.writeBigInt64BE(0n, 0) // base offset: the broker's to give
    to.writeInt32BE(at - 12, 8)
    to.writeInt32BE(0, 12) // partition leader epoch: the broker's to give
    to.writeInt8(2, 16) // magic
    to.writeInt16BE(0, 21) // attributes: not compressed, create time
    to.writeInt32BE(count - 1, 23)
    to.writeBigInt64BE(BigInt(first), 27)
    to.writeBigInt64BE(BigInt(latest), 35)
    to.writeBigInt64BE(-1n, 43) // no idempotent producer: repeats are dropped by whoever reads
    to.writeInt16BE(-1, 51)
    to.writeInt32BE(-1, 53)
    to.writeInt32BE(count, 57)
    to.writeUInt32BE(crc32c(to, 21, at), 17)
    return to.subarray(0, at)
  }
}

/** Upper bound of what a record takes in a batch; exact sizes of texts would cost a call out of JavaScript each. */
export function boundOf({ key, value, headers }: Content): number {
  let bytes = RECORD_NUMBERS + boundOfPart(key) + boundOfPart(value)
  for (const name in headers) bytes += 10 + boundOfPart(name) + boundOfPart(headers[name] as string | Buffer)
  return bytes
}

function boundOfPart(part: string | Buffer | null): number {
  if (part === null) return 0
  return typeof part === 'string' ? part.length * 3 : part.length
}

/** What most records have beside their values. */
const OTHER_BYTES = 64

function writeRecord(
  to: Buffer,
  start: number,
  { key, value, headers }: Content,
  time: number,
  offset: number,
): number {
  // the length comes first and is known last: room for about what it takes
  const room = sizeOfVarint((value?.length ?? 0) + OTHER_BYTES)
  const from = start + room
  let at = from
  to[at++] = 0 // attributes
  at = writeVarint(to, at, time)
  at = writeVarint(to, at, offset)
  at = writePart(to, at, key)
  at = writePart(to, at, value)
  let names = 0
  for (const _ in headers) names++
  at = writeVarint(to, at, names)
  for (const name in headers) {
    at = writeText(to, at, name)
    at = writePart(to, at, headers[name] as string | Buffer)
  }
  const length = at - from
  const size = sizeOfVarint(length)
  if (size !== room) to.copyWithin(start + size, from, at)
  writeVarint(to, start, length)
  return start + size + length
}

function writePart(to: Buffer, at: number, part: string | Buffer | null): number {
  if (part === null) return writeVarint(to, at, -1)
  if (typeof part === 'string') return writeText(to, at, part)
  const from = writeVarint(to, at, part.length)
  to.set(part, from)
  return from + part.length
}

/** Longest text written unit by unit. */
const SHORT = 128

function writeText(to: Buffer, at: number, text: string): number {
  if (text.length <= SHORT) {
    const end = writeAscii(to, at, text)
    if (end > 0) return end
  }
  const length = Buffer.byteLength(text)
  const from = writeVarint(to, at, length)
  to.write(text, from, length, 'utf8')
  return from + length
}

/** Without a call out of JavaScript; 0 when it is not ASCII. */
function writeAscii(to: Buffer, at: number, text: string): number {
  const { length } = text
  const from = writeVarint(to, at, length)
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i)
    if (unit > 127) return 0
    to[from + i] = unit
  }
  return from + length
}

/** Zigzag, for whole numbers below 2^52: those of times do not fit 32 bits. */
const zigzag = (value: number): number => (value >= 0 ? value * 2 : -value * 2 - 1)

function sizeOfVarint(value: number): number {
  let size = 1
  for (let rest = zigzag(value); rest > 127; rest = Math.floor(rest / 128)) size++
  return size
}

class Varints {
  at: number
  private readonly bytes: Buffer

  constructor(bytes: Buffer, at: number) {
    this.bytes = bytes
    this.at = at
  }

  next(): number {
    let rest = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = this.bytes[this.at++] as number
      rest += (byte & 127) * scale
      if (byte < 128) return rest % 2 === 0 ? rest / 2 : -(rest + 1) / 2
    }
  }
}

function writeVarint(to: Buffer, start: number, value: number): number {
  let at = start
  let rest = zigzag(value)
  for (; rest > 127; rest = Math.floor(rest / 128)) to[at++] = (rest % 128) | 128
  to[at++] = rest
  return at
}
