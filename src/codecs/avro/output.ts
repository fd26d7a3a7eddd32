/** A text of fewer units has a length of one byte. */
const SHORT = 32

/** Writes Avro's primitives into a buffer that grows and is used again. */
export class Output {
  /** How deep in a recursive schema the writer stands. */
  depth = 0
  private buffer = Buffer.allocUnsafe(1024)
  private at = 0

  get position(): number {
    return this.at
  }

  /** Goes back to an earlier position. */
  rewind(position: number): void {
    this.at = position
  }

  /** A copy of what was written since `rewind(0)`. */
  copy(): Buffer {
    return Buffer.from(this.buffer.subarray(0, this.at))
  }

  private room(bytes: number): void {
    if (this.at + bytes <= this.buffer.length) return
    const grown = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.at + bytes))
    this.buffer.copy(grown, 0, 0, this.at)
    this.buffer = grown
  }

  header(id: number): void {
    this.room(5)
    this.buffer[this.at] = 0
    this.buffer.writeUInt32BE(id, this.at + 1)
    this.at += 5
  }

  byte(value: number): void {
    this.room(1)
    this.buffer[this.at++] = value
  }

  /** A safe integer, as a zigzag varint. */
  long(value: number): void {
    if (Math.abs(value) >= 2 ** 52) {
      this.bigint(BigInt(value))
      return
    }
    this.room(8)
    let rest = value < 0 ? -2 * value - 1 : 2 * value
    while (rest > 127) {
      this.buffer[this.at++] = (rest % 128) | 128
      rest = Math.floor(rest / 128)
    }
    this.buffer[this.at++] = rest
  }

  /** 64 bits. */
  bigint(value: bigint): void {
    this.room(10)
    let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
    while (rest > 127n) {
      this.buffer[this.at++] = Number(rest & 127n) | 128
      rest >>= 7n
    }
    this.buffer[this.at++] = Number(rest)
  }

  float(value: number): void {
    this.room(4)
    this.at = this.buffer.writeFloatLE(value, this.at)
  }

  double(value: number): void {
    this.room(8)
    this.at = this.buffer.writeDoubleLE(value, this.at)
  }

  text(value: string): void {
    if (value.length < SHORT && this.ascii(value)) return
    const length = Buffer.byteLength(value)
    this.long(length)
    this.room(length)
    this.at += this.buffer.write(value, this.at, 'utf8')
  }

  /** Cheaper than a native call, as long as the text is short; answers false, having written nothing, for any other. */
  private ascii(value: string): boolean {
    const { length } = value
    this.room(1 + length)
    const { buffer } = this
    const from = this.at + 1
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i)
      if (code > 127) return false
      buffer[from + i] = code
    }
    buffer[this.at] = length * 2
    this.at = from + length
    return true
  }

  blob(value: Uint8Array): void {
    this.long(value.length)
    this.raw(value)
  }

  raw(value: Uint8Array): void {
    this.room(value.length)
    this.buffer.set(value, this.at)
    this.at += value.length
  }
}
