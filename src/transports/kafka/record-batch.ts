/**
 * Records as Kafka keeps them (message format 2), written once into a buffer of the right size. kafkajs's own encoder
 * grows a buffer per record and copies each record several times, which costs more than making the frames.
 */
import type { Draft } from '../../core/model.ts'
import { crc32c } from './crc32c.ts'

/** What a record needs to be written; the timestamp in ms. */
export type Message = Pick<Draft, 'key' | 'value' | 'headers'> & { readonly timestamp: number }

const HEAD_BYTES = 61
/** Upper bound of the numbers of a record: length, attributes, time, offset, sizes of key and value, count of headers. */
const RECORD_NUMBERS = 5 + 1 + 10 + 5 + 5 + 5 + 5

/** One uncompressed record batch of at least one record, in order. Source: KIP-98, "Message Format". */
export function recordBatch(messages: readonly Message[]): Buffer {
  const to = Buffer.allocUnsafe(messages.reduce((bytes, message) => bytes + boundOf(message), HEAD_BYTES))
  const [first] = messages as [Message]
  let latest = first.timestamp
  let at = HEAD_BYTES
  for (const [i, message] of messages.entries()) {
    latest = Math.max(latest, message.timestamp)
    at = writeRecord(to, at, message, message.timestamp - first.timestamp, i)
  }
  to.writeBigInt64BE(0n, 0) // base offset: the broker's to give
  to.writeInt32BE(at - 12, 8)
  to.writeInt32BE(0, 12) // partition leader epoch: the broker's to give
  to.writeInt8(2, 16) // magic
  to.writeInt16BE(0, 21) // attributes: not compressed, create time
  to.writeInt32BE(messages.length - 1, 23)
  to.writeBigInt64BE(BigInt(first.timestamp), 27)
  to.writeBigInt64BE(BigInt(latest), 35)
  to.writeBigInt64BE(-1n, 43) // no idempotent producer: repeats are dropped by whoever reads
  to.writeInt16BE(-1, 51)
  to.writeInt32BE(-1, 53)
  to.writeInt32BE(messages.length, 57)
  to.writeUInt32BE(crc32c(to, 21, at), 17)
  return to.subarray(0, at)
}

/** Upper bound of the bytes of a record; exact sizes of texts would cost a call out of JavaScript each. */
function boundOf({ key, value, headers }: Message): number {
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
  { key, value, headers }: Message,
  time: number,
  offset: number,
): number {
  const names = headers === undefined ? [] : Object.keys(headers)
  // the length comes first and is known last: room for about what it takes
  const room = sizeOfVarint((value?.length ?? 0) + OTHER_BYTES)
  const from = start + room
  let at = from
  to[at++] = 0 // attributes
  at = writeVarint(to, at, time)
  at = writeVarint(to, at, offset)
  at = writePart(to, at, key)
  at = writePart(to, at, value)
  at = writeVarint(to, at, names.length)
  for (const name of names) {
    at = writeText(to, at, name)
    at = writePart(to, at, headers?.[name] ?? null)
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

function writeVarint(to: Buffer, start: number, value: number): number {
  let at = start
  let rest = zigzag(value)
  for (; rest > 127; rest = Math.floor(rest / 128)) to[at++] = (rest % 128) | 128
  to[at++] = rest
  return at
}
