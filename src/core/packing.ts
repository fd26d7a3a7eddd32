/**
 * Columns of numbers as bytes. Whole numbers that lie close together (times, positions, seconds) take 0, 1, 2 or 4
 * bytes each beside the lowest of them; anything else is written as it is, 8 bytes each.
 */
import type { ByteReader, ByteWriter } from './bytes.ts'

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
  if (width > 0) writer.offsets(values, from, to, low, width)
}

function widthOf(span: number): number {
  if (span === 0) return 0
  return span < 2 ** 8 ? 1 : span < 2 ** 16 ? 2 : span < 2 ** 32 ? 4 : 8
}

/** As `unpack`, of numbers that never go down. Throws RangeError for any that do, and for NaN. */
export function unpackAscending(reader: ByteReader, into: Float64Array, count: number): void {
  unpack(reader, into, count)
  let before = Number.NEGATIVE_INFINITY
  for (let i = 0; i < count; i++) {
    const value = into[i] as number
    if (!(value >= before)) throw new RangeError(`${value} after ${before} in a column that ascends`)
    before = value
  }
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
  reader.offsets(into, count, base, width)
}
