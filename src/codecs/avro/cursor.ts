import { type ErrorCode, RecordError } from '../../core/errors.ts'
import { textOf } from '../../core/text.ts'

/** What one record may cost, whoever wrote it. */
export interface Limits {
  /** Largest value, in bytes, with its five bytes of header. */
  readonly maxBytes: number
  /** Items of all arrays and entries of all maps of one record together. */
  readonly maxItems: number
  /** How often a recursive schema may enter itself. */
  readonly maxDepth: number
}

/** Magic byte and schema id. */
export const HEADER = 5

const EMPTY = Buffer.alloc(0)

/**
 * Reads Avro's primitives from one value and keeps its budget. Every read checks that it stays inside, and throws
 * a `RecordError` otherwise; nothing is allocated before the bytes for it have been seen.
 */
export class Cursor {
  bytes: Buffer = EMPTY
  at = 0
  /** Size of the block begun last, -1 where it was not said. */
  blockBytes = -1
  private readonly limits: Limits
  private itemsLeft = 0
  private unwrittenLeft = 0
  private depthLeft = 0

  constructor(limits: Limits) {
    this.limits = limits
  }

  start(bytes: Buffer): void {
    if (bytes.length > this.limits.maxBytes) throw this.tooLarge('it has more bytes', this.limits.maxBytes)
    this.bytes = bytes
    this.at = HEADER
    this.itemsLeft = this.limits.maxItems
    this.unwrittenLeft = this.limits.maxBytes
    this.depthLeft = this.limits.maxDepth
  }

  end(): void {
    const left = this.bytes.length - this.at
    if (left !== 0) throw this.malformed(`${left} bytes are left after the record`)
  }

  enter(): void {
    if (--this.depthLeft < 0) throw this.tooLarge('it is nested deeper', this.limits.maxDepth)
  }

  leave(): void {
    this.depthLeft++
  }

  /** Takes fields that no bytes stand for (nulls, defaults) from a budget: as many as there may be bytes. */
  unwritten(fields: number): void {
    this.unwrittenLeft -= fields
    if (this.unwrittenLeft < 0) throw this.tooLarge('it has more fields without bytes', this.limits.maxBytes)
  }

  /** Items of the next block of an array or map, taken from the budget; 0 at its end. */
  block(): number {
    const said = this.long()
    const count = Math.abs(said)
    this.blockBytes = said < 0 ? this.length() : -1
    this.itemsLeft -= count
    if (this.itemsLeft < 0) throw this.tooLarge('it has more items', this.limits.maxItems)
    return count
  }

  /** A zigzag varint. Throws beyond 2^53 - 1 on either side, where a number would no longer be exact. */
  long(): number {
    const { bytes } = this
    let at = this.at
    let byte = bytes[at++]
    if (byte === undefined) throw this.short()
    if (byte < 128) {
      this.at = at
      return (byte >>> 1) ^ -(byte & 1)
    }
    // 28 bits each, so that all shifts are of small integers; at most ten bytes
    let low = byte & 127
    let middle = 0
    let high = 0
    for (let shift = 7; byte > 127; shift += 7) {
      byte = bytes[at++]
      if (byte === undefined) throw this.short()
      if (shift < 28) low |= (byte & 127) << shift
      else if (shift < 56) middle |= (byte & 127) << (shift - 28)
      else if (shift < 70) high |= (byte & 127) << (shift - 56)
      else throw this.malformed('a whole number of more than ten bytes')
    }
    this.at = at
    const magnitude = (low >>> 1) + middle * 2 ** 27 + high * 2 ** 55
    const value = low & 1 ? -magnitude - 1 : magnitude
    if (!Number.isSafeInteger(value)) throw this.malformed('a whole number beyond 2^53, which would not be exact')
    return value
  }

  int(): number {
    const value = this.long()
    if ((value | 0) !== value) throw this.malformed('an int of more than 32 bits')
    return value
  }

  /** For units too fine for a number. */
  bigint(): bigint {
    let value = 0n
    for (let shift = 0n; shift <= 63n; shift += 7n) {
      const byte = this.bytes[this.at++]
      if (byte === undefined) throw this.short()
      value |= BigInt(byte & 127) << shift
      if (byte < 128) return BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n))
    }
    throw this.malformed('a whole number of more than ten bytes')
  }

  /** Moves over `count` bytes; answers where they begin. */
  take(count: number): number {
    const from = this.at
    if (count > this.bytes.length - from) throw this.short()
    this.at = from + count
    return from
  }

  length(): number {
    const first = this.bytes[this.at] as number
    if (first < 128 && (first & 1) === 0) {
      this.at++
      return first >>> 1
    }
    const length = this.long()
    if (length < 0) throw this.malformed('a negative length')
    return length
  }

  boolean(): boolean {
    const byte = this.bytes[this.take(1)] as number
    if (byte > 1) throw this.malformed(`a boolean of ${byte}`)
    return byte === 1
  }

  float(): number {
    return this.bytes.readFloatLE(this.take(4))
  }

  double(): number {
    return this.bytes.readDoubleLE(this.take(8))
  }

  text(): string {
    const length = this.length()
    const from = this.take(length)
    return textOf(this.bytes, from, from + length)
  }

  /** A copy, so that it does not keep a whole fetch in memory. */
  blob(length: number): Buffer {
    const from = this.take(length)
    return Buffer.from(this.bytes.subarray(from, from + length))
  }

  short(): RecordError {
    return this.malformed(`it ends too early, after ${this.bytes.length} bytes`)
  }

  malformed(found: string): RecordError {
    return this.error('record-malformed', `${found}, at byte ${Math.min(this.at, this.bytes.length)}`)
  }

  unfit(found: string): RecordError {
    return this.error('schema-unfit', found)
  }

  private tooLarge(found: string, limit: number): RecordError {
    return this.error('record-too-large', `${found} than the limit of ${limit}`)
  }

  private error(code: ErrorCode, found: string): RecordError {
    return new RecordError(code, found)
  }
}
