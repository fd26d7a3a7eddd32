/**
 * Growing buffer and cursor for the engine's own binary formats (state values, frames, metas). Little-endian.
 * Both are reused across calls, so neither is safe to keep across an `await`.
 */

import { textOf } from './text.ts'

const EMPTY = Buffer.alloc(0)
/** Longest text written unit by unit. */
const SHORT = 32

/** A buffer that grows. What is written is read in the same order by `ByteReader`. */
export class ByteWriter {
  private readonly capacity: number
  private buffer: Buffer
  /** Of the same memory. */
  private view: DataView
  /** What was not taken stands at `from` to `at - 1`. */
  private from = 0
  private at = 0

  /** `capacity`: bytes of memory that are allocated at once, for as much as is taken of them. */
  constructor(capacity = 1024) {
    this.capacity = capacity
    this.buffer = Buffer.allocUnsafe(capacity)
    this.view = viewOf(this.buffer)
  }

  get length(): number {
    return this.at - this.from
  }

  private room(bytes: number): void {
    if (this.at + bytes <= this.buffer.length) return
    const { length } = this
    const larger = Buffer.allocUnsafe(Math.max(this.capacity, (length + bytes) * 2))
    this.buffer.copy(larger, 0, this.from, this.at)
    const view = viewOf(larger)
    // without a call between: code of one's own that takes too long is ended anywhere
    this.buffer = larger
    this.view = view
    this.from = 0
    this.at = length
  }

  /** Whole number from 0 to 255. */
  byte(value: number): void {
    this.room(1)
    this.buffer[this.at++] = value
  }

  /** Whole number, 0 ≤ value ≤ 2^53 - 1, in 1 to 8 bytes. */
  varint(value: number): void {
    this.room(8)
    while (value > 127) {
      this.buffer[this.at++] = (value % 128) | 128
      value = Math.floor(value / 128)
    }
    this.buffer[this.at++] = value
  }

  /** Eight bytes; NaN and -0 come back as they are. */
  double(value: number): void {
    this.room(8)
    this.at = this.buffer.writeDoubleLE(value, this.at)
  }

  /** The first `count` doubles of `values` from `from` on, raw. */
  doubles(values: Float64Array, from: number, count: number): void {
    this.room(count * 8)
    this.buffer.set(new Uint8Array(values.buffer, values.byteOffset + from * 8, count * 8), this.at)
    this.at += count * 8
  }

  /** `values[from]` to `values[to - 1]`, whole numbers from `low` to less than 2^(8 · width) above it, in `width` bytes each: 1, 2 or 4. */
  offsets(values: Float64Array, from: number, to: number, low: number, width: number): void {
    this.room((to - from) * width)
    const { buffer, view } = this
    let { at } = this
    if (width === 1) for (let i = from; i < to; i++) buffer[at++] = (values[i] as number) - low
    else if (width === 2) for (let i = from; i < to; i++, at += 2) view.setUint16(at, (values[i] as number) - low, true)
    else for (let i = from; i < to; i++, at += 4) view.setUint32(at, (values[i] as number) - low, true)
    this.at = at
  }

  /** Length-prefixed UTF-8. */
  text(value: string): void {
    if (value.length <= SHORT && this.shortText(value)) return
    const bytes = Buffer.byteLength(value)
    this.varint(bytes)
    this.room(bytes)
    this.at += this.buffer.write(value, this.at, bytes, 'utf8')
  }

  /** For ASCII, without a call out of JavaScript: ids are short, and there are many. False when it is not ASCII. */
  private shortText(value: string): boolean {
    this.room(SHORT + 1)
    const { buffer, at } = this
    const { length } = value
    for (let i = 0; i < length; i++) {
      const unit = value.charCodeAt(i)
      if (unit > 127) return false
      buffer[at + 1 + i] = unit
    }
    buffer[at] = length
    this.at = at + 1 + length
    return true
  }

  /** Length-prefixed bytes. */
  block(value: Uint8Array): void {
    this.varint(value.length)
    this.bytes(value)
  }

  /** Bytes with no length. */
  bytes(value: Uint8Array): void {
    this.room(value.length)
    this.buffer.set(value, this.at)
    this.at += value.length
  }

  /** Length-prefixed: what the other one holds, which is empty afterwards. */
  drain(other: ByteWriter): void {
    const { length } = other
    this.varint(length)
    this.room(length)
    this.at += other.buffer.copy(this.buffer, this.at, other.from, other.at)
    other.at = other.from
  }

  /** A view of what was written, which is never written again; the writer is empty afterwards. As long as it is kept, so is all memory that it was allocated with. */
  take(): Buffer {
    const { from, at } = this
    if (at === from) return EMPTY
    this.from = at
    return this.buffer.subarray(from, at)
  }
}

function viewOf({ buffer, byteOffset, byteLength }: Buffer): DataView {
  return new DataView(buffer, byteOffset, byteLength)
}

let shared = new ByteWriter(4096)

/** What `write` writes. Where it fails, or is ended in its midst as code of one's own is, nothing of it comes into anything else. */
export function written(write: (to: ByteWriter) => void): Buffer {
  if (shared.length > 0) shared = new ByteWriter(4096)
  const to = shared
  write(to)
  return to.take()
}

/** Reads what `ByteWriter` wrote. Throws RangeError past the end, never reads beyond it. */
export class ByteReader {
  private readonly buffer: Buffer
  private at: number
  private readonly end: number

  constructor(bytes: Uint8Array) {
    this.buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.at = 0
    this.end = bytes.byteLength
  }

  get left(): number {
    return this.end - this.at
  }

  private need(bytes: number): number {
    const from = this.at
    if (bytes > this.end - from) throw new RangeError(`need ${bytes} bytes, ${this.end - from} left`)
    this.at = from + bytes
    return from
  }

  /** Whole number from 0 to 255. */
  byte(): number {
    return this.buffer[this.need(1)] as number
  }

  /** Throws RangeError for one above 2^53 - 1. */
  varint(): number {
    let value = 0
    let scale = 1
    for (let i = 0; i < 8; i++) {
      const byte = this.byte()
      value += (byte & 127) * scale
      if (byte < 128) {
        if (value <= Number.MAX_SAFE_INTEGER) return value
        break
      }
      scale *= 128
    }
    throw new RangeError('varint above 2^53 - 1')
  }

  /** A varint that counts things of at least one byte each. Throws RangeError where fewer bytes follow. */
  count(): number {
    const count = this.varint()
    if (count > this.left) throw new RangeError(`${count} things in ${this.left} bytes`)
    return count
  }

  /** Eight bytes. */
  double(): number {
    return this.buffer.readDoubleLE(this.need(8))
  }

  /** Eight bytes. Throws RangeError for what is not finite. */
  finite(): number {
    const value = this.double()
    if (!Number.isFinite(value)) throw new RangeError(`${value} where a finite number belongs`)
    return value
  }

  /** Eight bytes. Throws RangeError for NaN. */
  number(): number {
    const value = this.double()
    if (Number.isNaN(value)) throw new RangeError('NaN where a number belongs')
    return value
  }

  /** Copies `count` doubles into `to` from `at` on. */
  doubles(to: Float64Array, at: number, count: number): void {
    const from = this.need(count * 8)
    const target = new Uint8Array(to.buffer, to.byteOffset + at * 8, count * 8)
    target.set(this.buffer.subarray(from, from + count * 8))
  }

  /** What the writer's `offsets` wrote of `count` numbers, into `to` from its start. */
  offsets(to: Float64Array, count: number, low: number, width: number): void {
    let at = this.need(count * width)
    const { buffer } = this
    for (let i = 0; i < count; i++) {
      let offset = buffer[at++] as number
      if (width > 1) offset += (buffer[at++] as number) << 8
      if (width > 2) {
        offset += (buffer[at++] as number) << 16
        offset += (buffer[at++] as number) * 2 ** 24
      }
      to[i] = offset + low
    }
  }

  /** Length-prefixed UTF-8. */
  text(): string {
    const length = this.varint()
    const from = this.need(length)
    return textOf(this.buffer, from, from + length)
  }

  /** A view, valid as long as the bytes given to the constructor. */
  block(): Buffer {
    return this.bytes(this.varint())
  }

  /** A view, valid as long as the bytes given to the constructor. */
  bytes(length: number): Buffer {
    const from = this.need(length)
    return this.buffer.subarray(from, from + length)
  }
}
