/**
 * A segment file is frames one after another; a frame is the records of one write to one partition (large writes
 * make several), whole or not there at all. Little-endian:
 *
 *   0 u32 length of what follows the first 8 bytes     20 u32 number of records
 *   4 u32 CRC32 of what follows, seeded by the log     24 f64 newest timestamp among the records
 *   8 u48 position of the first record                 32 the records
 *  14 u48 where the log's acknowledged part ended when the frame was written
 *
 * A record: f64 timestamp, u32 key length + 1, u32 value length + 1 (0: null), u32 number of headers, key, value,
 * then per header u32 name length, u32 value length, name, value.
 */
import { crc32 } from 'node:zlib'
import { MillraceError } from '../../core/errors.ts'
import type { Draft, InputRecord, Millis, Position } from '../../core/model.ts'

export const FRAME_HEAD = 32
const PREFIX = 8
const RECORD_HEAD = 20
const MIN_LENGTH = FRAME_HEAD - PREFIX + RECORD_HEAD
const MAX_LENGTH = 64 * 1024 * 1024
/** Bytes of seeming frames that are checked behind a bad one: seconds. */
const MAX_CHECKED = 2 ** 31

/** What one frame, and so one batch handed to a reader, holds at most; a larger record stands alone. */
export const FRAME_BYTES = 1024 * 1024
export const FRAME_RECORDS = 4096

/** A frame that has not got its position yet. */
export interface Unplaced {
  readonly bytes: Buffer
  readonly count: number
  readonly newest: Millis
}

export interface Frame {
  readonly base: Position
  readonly acknowledged: Position
  readonly count: number
  readonly newest: Millis
  /** The whole frame, head included. */
  readonly bytes: Buffer
}

/** Bytes that are no frame. What it means depends on where they stand. */
export class BadFrame extends Error {}

function sizeOf({ key, value, headers }: Draft): number {
  let size = RECORD_HEAD + (value?.length ?? 0)
  if (key !== null) size += typeof key === 'string' ? Buffer.byteLength(key) : key.length
  for (const name in headers) {
    const header = headers[name] as string | Buffer
    size += 8 + Buffer.byteLength(name) + (typeof header === 'string' ? Buffer.byteLength(header) : header.length)
  }
  return size
}

function put(bytes: Buffer, at: number, what: string | Buffer): number {
  return typeof what === 'string' ? bytes.write(what, at, 'utf8') : what.copy(bytes, at)
}

function putRecord(bytes: Buffer, at: number, { key, value, headers }: Draft, timestamp: Millis): number {
  bytes.writeDoubleLE(timestamp, at)
  let end = at + RECORD_HEAD
  const keyLength = key === null ? -1 : put(bytes, end, key)
  bytes.writeUInt32LE(keyLength + 1, at + 8)
  end += Math.max(keyLength, 0)
  bytes.writeUInt32LE(value === null ? 0 : value.length + 1, at + 12)
  if (value !== null) end += value.copy(bytes, end)
  let count = 0
  for (const name in headers) {
    const nameLength = put(bytes, end + 8, name)
    const valueLength = put(bytes, end + 8 + nameLength, headers[name] as string | Buffer)
    bytes.writeUInt32LE(nameLength, end)
    bytes.writeUInt32LE(valueLength, end + 4)
    end += 8 + nameLength + valueLength
    count++
  }
  bytes.writeUInt32LE(count, at + 16)
  return end
}

/** Frames of these drafts, all of one partition, in order. Throws `record-too-large` above 64 MiB. */
export function encodeFrames(drafts: readonly Draft[], now: Millis): Unplaced[] {
  const frames: Unplaced[] = []
  for (let from = 0; from < drafts.length; ) {
    let to = from
    let size = FRAME_HEAD
    while (to < drafts.length && to - from < FRAME_RECORDS) {
      const more = sizeOf(drafts[to] as Draft)
      if (more > MAX_LENGTH - FRAME_HEAD)
        throw new MillraceError('record-too-large', `a record of ${more} bytes for ${drafts[to]?.topic}`)
      if (to > from && size + more > FRAME_BYTES) break
      size += more
      to++
    }
    const bytes = Buffer.allocUnsafe(size)
    let newest = Number.NEGATIVE_INFINITY
    let at = FRAME_HEAD
    for (let i = from; i < to; i++) {
      const draft = drafts[i] as Draft
      const timestamp = draft.timestamp ?? now
      if (timestamp > newest) newest = timestamp
      at = putRecord(bytes, at, draft, timestamp)
    }
    frames.push({ bytes, count: to - from, newest })
    from = to
  }
  return frames
}

/** Completes a frame in place. */
export function placeFrame({ bytes, count, newest }: Unplaced, base: Position, acknowledged: Position, seed: number) {
  bytes.writeUInt32LE(bytes.length - PREFIX, 0)
  bytes.writeUIntLE(base, 8, 6)
  bytes.writeUIntLE(acknowledged, 14, 6)
  bytes.writeUInt32LE(count, 20)
  bytes.writeDoubleLE(newest, 24)
  bytes.writeUInt32LE(crc32(bytes.subarray(PREFIX), seed), 4)
}

/**
 * The frame at `at`, or how many bytes it takes when `bytes` ends before it does. Throws `BadFrame` where no
 * frame of this log can be.
 */
export function frameAt(bytes: Buffer, at: number, seed: number): Frame | number {
  if (bytes.length - at < PREFIX) return PREFIX
  const length = bytes.readUInt32LE(at)
  if (length < MIN_LENGTH || length > MAX_LENGTH) throw new BadFrame(`a length of ${length}`)
  const end = at + PREFIX + length
  if (end > bytes.length) return PREFIX + length
  if (crc32(bytes.subarray(at + PREFIX, end), seed) !== bytes.readUInt32LE(at + 4))
    throw new BadFrame('the checksum does not match')
  return {
    base: bytes.readUIntLE(at + 8, 6),
    acknowledged: bytes.readUIntLE(at + 14, 6),
    count: bytes.readUInt32LE(at + 20),
    newest: bytes.readDoubleLE(at + 24),
    bytes: bytes.subarray(at, end),
  }
}

/**
 * True when bytes after a bad frame hold a later frame which says that `position` had been acknowledged: then
 * what is bad is not the torn end of an unfinished write. Also true for bytes, such as values made for it, that seem to
 * begin so many frames that not all can be checked: then a person decides.
 */
export function isAcknowledgedLater(bytes: Buffer, position: Position, seed: number): boolean {
  let checked = 0
  for (let at = 1; at + FRAME_HEAD <= bytes.length; at++) {
    const length = bytes.readUInt32LE(at)
    if (length < MIN_LENGTH || at + PREFIX + length > bytes.length) continue
    if (bytes.readUIntLE(at + 8, 6) <= position || bytes.readUIntLE(at + 14, 6) <= position) continue
    if (crc32(bytes.subarray(at + PREFIX, at + PREFIX + length), seed) === bytes.readUInt32LE(at + 4)) return true
    checked += length
    if (checked > MAX_CHECKED) return true
  }
  return false
}

const NO_HEADERS: Readonly<Record<string, Buffer>> = Object.freeze({})

/** Appends the frame's records from position `from` on. They are views of the frame. Throws `BadFrame`. */
export function decodeRecords({ bytes, base, count }: Frame, from: Position, into: InputRecord[]): void {
  let at = FRAME_HEAD
  const take = (length: number): Buffer => {
    if (length > bytes.length - at) throw new BadFrame('a record reaches beyond its frame')
    at += length
    return bytes.subarray(at - length, at)
  }
  for (let position = base; position < base + count; position++) {
    if (at + RECORD_HEAD > bytes.length) throw new BadFrame('a record reaches beyond its frame')
    const timestamp = bytes.readDoubleLE(at)
    const keyLength = bytes.readUInt32LE(at + 8) - 1
    const valueLength = bytes.readUInt32LE(at + 12) - 1
    let headersLeft = bytes.readUInt32LE(at + 16)
    at += RECORD_HEAD
    const key = keyLength < 0 ? null : take(keyLength)
    const value = valueLength < 0 ? null : take(valueLength)
    let headers = NO_HEADERS
    if (headersLeft > 0) {
      // No prototype, so that a header may have any name.
      const named: Record<string, Buffer> = Object.create(null)
      for (; headersLeft > 0; headersLeft--) {
        const lengths = take(8)
        const name = take(lengths.readUInt32LE(0)).toString()
        named[name] = take(lengths.readUInt32LE(4))
      }
      headers = named
    }
    if (position >= from) into.push({ position, timestamp, key, value, headers })
  }
  if (at !== bytes.length) throw new BadFrame('a frame is longer than its records')
}
