/** Values of events, kept in columns of one kind, and values of features. */
import type { ByteReader, ByteWriter } from './bytes.ts'
import type { FeatureType, FeatureValue, Value } from './model.ts'
import { pack, unpack } from './packing.ts'

/** Longest text that `of` gives, in UTF-16 code units: longer ones are cut. */
export const MOST_TEXT = 256
/** Longest list that a feature is. */
export const MOST_ITEMS = 100

/** The text, cut to `MOST_TEXT` where it is longer, never within a character. */
export function cutText(text: string): string {
  if (text.length <= MOST_TEXT) return text
  const isSplit = (text.charCodeAt(MOST_TEXT - 1) & 0xfc00) === 0xd800
  return text.slice(0, isSplit ? MOST_TEXT - 1 : MOST_TEXT)
}

// ---------------------------------------------------------------- columns of values

/** Room for values of one kind: a Float64Array for numbers, an array for texts. */
export interface Values {
  [at: number]: Value
  readonly length: number
  copyWithin(target: number, start: number, end: number): unknown
}

/** Room for so many values, all of them 0 or empty. */
export function newValues(kind: 'number' | 'text', capacity: number): Values {
  return kind === 'number' ? new Float64Array(capacity) : new Array<string>(capacity).fill('')
}

/** A copy of what stands at `from` to `to - 1`, at the beginning of as much room. */
export function copyValues(values: Values, from: number, to: number, capacity: number): Values {
  if (values instanceof Float64Array) {
    const copy = new Float64Array(capacity)
    copy.set(values.subarray(from, to))
    return copy
  }
  const copy = new Array<string>(capacity).fill('')
  for (let i = from; i < to; i++) copy[i - from] = values[i] as string
  return copy
}

/** Writes `values[from]` to `values[to - 1]`, at least one. Each different text stands once. */
export function packValues(values: Values, from: number, to: number, writer: ByteWriter): void {
  if (values instanceof Float64Array) {
    pack(values, from, to, writer)
    return
  }
  const numbers = new Map<Value, number>()
  const column = new Float64Array(to - from)
  for (let i = from; i < to; i++) {
    const text = values[i] as string
    const number = numbers.get(text) ?? numbers.size
    numbers.set(text, number)
    column[i - from] = number
  }
  writer.varint(numbers.size)
  for (const text of numbers.keys()) writer.text(text as string)
  pack(column, 0, column.length, writer)
}

/** Reads what `packValues` wrote of `count` values into `into`, from its start. Throws RangeError on other bytes. */
export function unpackValues(reader: ByteReader, into: Values, count: number): void {
  if (into instanceof Float64Array) {
    unpack(reader, into, count)
    for (let i = 0; i < count; i++) if (!Number.isFinite(into[i])) throw new RangeError(`${into[i]} is no value`)
    return
  }
  const size = reader.varint()
  if (size > count) throw new RangeError(`${size} different texts among ${count}`)
  const texts = Array.from({ length: size }, () => reader.text())
  const column = new Float64Array(count)
  unpack(reader, column, count)
  for (let i = 0; i < count; i++) {
    const text = texts[column[i] as number]
    if (text === undefined) throw new RangeError(`${column[i]} is no text of a column of ${size}`)
    into[i] = text
  }
}

/** A single value of either kind. */
export function writeValue(value: Value, to: ByteWriter): void {
  to.byte(typeof value === 'string' ? 1 : 0)
  if (typeof value === 'string') to.text(value)
  else to.double(value)
}

/** Reads what `writeValue` wrote. Throws RangeError for a number that is not finite, and where it is not of that kind. */
export function readValue(from: ByteReader, kind?: 'number' | 'text'): Value {
  const tag = from.byte()
  if (tag > 1 || (kind !== undefined && (kind === 'text') !== (tag === 1)))
    throw new RangeError(`no value of kind ${tag}`)
  return tag === 1 ? from.text() : from.finite()
}

// ---------------------------------------------------------------- values of features

/**
 * The value as a store keeps it; undefined for null, and for what no feature is: a number that is not finite, a text or list that is
 * too long, a list that holds one of them. Operators of one's own may say anything.
 */
export function storable(value: FeatureValue | undefined): NonNullable<FeatureValue> | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined
  if (typeof value === 'string') return value.length <= MOST_TEXT ? value : undefined
  return Array.isArray(value) && value.length <= MOST_ITEMS && value.every(isItem) ? value : undefined
}

const isItem = (item: unknown): boolean => (typeof item === 'string' ? item.length <= MOST_TEXT : Number.isFinite(item))

/** The type of the items; undefined where it is no list. */
export function itemsOf(type: FeatureType): 'long' | 'double' | 'string' | undefined {
  return type.startsWith('list of ') ? (type.slice('list of '.length) as 'long' | 'double' | 'string') : undefined
}

/** Is it a value of that type? */
export function isOfType(value: unknown, type: FeatureType): boolean {
  const items = itemsOf(type)
  if (items !== undefined)
    return Array.isArray(value) && value.length <= MOST_ITEMS && value.every((item) => isOfType(item, items))
  if (type === 'string') return typeof value === 'string' && value.length <= MOST_TEXT
  return type === 'long' ? Number.isSafeInteger(value) : Number.isFinite(value)
}
