/**
 * Columns of numbers as bytes. Whole numbers that lie close together (times, positions, seconds) take 0, 1, 2 or 4
 * bytes each beside the lowest of them; anything else is written as it is, 8 bytes each.
 */
import type { ByteReader, ByteWriter } from './bytes.ts'

type Whole = Uint8Array | Uint16Array | Uint32Array
let scratch = new ArrayBuffer(4096)

function whole(width: number, count: number): Whole {
  if (scratch.byteLength < width * count) scratch = new ArrayBuffer(width * count * 2)
  if (width === 1) return new Uint8Array(scratch, 0, count)
  return width === 2 ? new Uint16Array(scratch, 0, count) : new Uint32Array(scratch, 0, count)
}

/** Writes `values[from]` to `values[to - 1]`, at least one; none of them -0. */
export function pack(values: Float64Array, from: number, to: number, writer: ByteWriter): void {
  let low = values[from] as number
  let high = low
  let isWhole = true
  for (let i = from; i < to && isWhole; i++) {
    const value = values[i] as number
    isWhole = Number.isSafeInteger(value)
    if (value < low) low = value
    else if (value > high) high = value
  }
  const width = isWhole ? widthOf(high - low) : 8
  writer.byte(width)
  if (width === 8) {
    writer.doubles(values, from, to - from)
    return
  }
  writer.double(low)
  if (width === 0) return
  const offsets = whole(width, to - from)
  for (let i = from; i < to; i++) offsets[i - from] = (values[i] as number) - low
  writer.bytes(new Uint8Array(scratch, 0, width * (to - from)))
}

function widthOf(span: number): number {
  if (span === 0) return 0
  return span < 2 ** 8 ? 1 : span < 2 ** 16 ? 2 : span < 2 ** 32 ? 4 : 8
}

/** Reads what `pack` wrote of `count` numbers into `into`, from its start. Throws RangeError on other bytes. */
export function unpack(reader: ByteReader, into: Float64Array, count: number): void {
  const width = reader.byte()
  if (width === 8) {
    reader.doubles(into, 0, count)
    return
  }
  const base = reader.double()
  if (width === 0) {
    into.fill(base, 0, count)
    return
  }
  if (width !== 1 && width !== 2 && width !== 4) throw new RangeError(`no column has numbers of ${width} bytes`)
  const bytes = reader.bytes(width * count)
  const offsets = whole(width, count)
  new Uint8Array(scratch).set(bytes)
  for (let i = 0; i < count; i++) into[i] = (offsets[i] as number) + base
}
