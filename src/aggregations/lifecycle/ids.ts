import { ByteReader, type ByteWriter, written } from '../../core/bytes.ts'
import type { Millis, Segments, Value } from '../../core/model.ts'
import { pack, unpack } from '../../core/packing.ts'
import { type StoredPart, StoredParts } from '../../core/segments.ts'

/** Ids in a chunk. */
const CHUNK = 32
/** Up to so many ids are kept in the main bytes; of more, each chunk is a segment. */
export const INLINE_IDS = 128
/** Chunks that the ids of a `maxAge` are spread over at least: by so much too long an id may be remembered. */
const SPREAD = 8

/** What is known of an id: its newest event. */
export interface Entry {
  readonly id: string
  time: Millis
  tie: number
  closes: boolean
  /** Value at the opening, NaN where it has none; in pairs, of a closing: the time of the newest opening up to it, as far as known. */
  value: Value
  chunk: Chunk
}

/** Entries of about the same time, which leave together and are stored together. */
interface Chunk extends StoredPart {
  /** Time of its first entry. */
  readonly start: Millis
  /** Those whose `chunk` this still is, and those that have moved on. */
  entries: Entry[]
  /** How many have not. */
  size: number
  /** No entry is newer. */
  newest: Millis
  /** What the entries are encoded to, as long as none of them changes and newer chunks follow; memory of its own. */
  bytes: Uint8Array | undefined
}

/** The newest event of every id of one key. */
export class Ids {
  /** Those whose newest event opened them. */
  readonly open = new Set<Entry>()
  private readonly byId = new Map<string, Entry>()
  private chunks: Chunk[] = []
  private nextName = 0
  /** Chunks that stand in the store as segments. */
  private readonly stored = new StoredParts()
  private lacking = NONE
  private readonly maxAge: Millis
  private readonly values: Values
  private readonly pairs: boolean

  /** `pairs`: a closing keeps the time of its opening as its value; no other values are given. */
  constructor(maxAge: Millis, values: Values, pairs = false) {
    this.maxAge = maxAge
    this.values = values
    this.pairs = pairs
  }

  get all(): Iterable<Entry> {
    return this.byId.values()
  }

  get isEmpty(): boolean {
    return this.byId.size === 0 && this.lacking.size === 0
  }

  /** No event is newer; -Infinity without any. */
  get newest(): Millis {
    return this.chunks.reduce((newest, chunk) => Math.max(newest, chunk.newest), Number.NEGATIVE_INFINITY)
  }

  /** Of two events of an id the later one holds; at one time closing wins, then the higher tie. */
  see(id: string, time: Millis, tie: number, closes: boolean, value: Value): void {
    const known = this.byId.get(id)
    if (!known) {
      this.put(id, time, tie, closes, value, this.chunkFor(time))
      return
    }
    if (time < known.time || (time === known.time && (closes === known.closes ? tie <= known.tie : known.closes))) {
      if (this.pairs && known.closes && !closes) pair(known, time)
      return
    }
    if (this.pairs && closes) value = known.closes ? known.value : known.time
    if (closes) this.open.delete(known)
    else this.open.add(known)
    known.time = time
    known.tie = tie
    known.closes = closes
    known.value = value
    const chunk = this.chunkFor(time)
    if (chunk === known.chunk) touch(chunk, time)
    else {
      known.chunk.size--
      spoil(known.chunk)
      join(known, chunk)
    }
  }

  /** Forgets ids whose newest event is not after `time`; some of them only a little later, with others of their chunk. */
  drop(time: Millis): void {
    if (!this.chunks.some((chunk) => chunk.newest <= time || chunk.size === 0)) return
    this.chunks = this.chunks.filter((chunk) => {
      if (chunk.newest > time) return chunk.size > 0
      for (const entry of members(chunk)) {
        this.byId.delete(entry.id)
        this.open.delete(entry)
      }
      return false
    })
  }

  private put(id: string, time: Millis, tie: number, closes: boolean, value: Value, chunk: Chunk): void {
    const entry = { id, time, tie, closes, value, chunk }
    this.byId.set(id, entry)
    if (!closes) this.open.add(entry)
    join(entry, chunk)
  }

  private chunkFor(time: Millis): Chunk {
    const last = this.chunks.at(-1)
    if (last && last.size < CHUNK && time < last.start + this.maxAge / SPREAD) return last
    return this.addChunk(this.nextName++, time)
  }

  private addChunk(name: number, start: Millis): Chunk {
    const chunk: Chunk = {
      name,
      start,
      entries: [],
      size: 0,
      newest: Number.NEGATIVE_INFINITY,
      bytes: undefined,
      changed: true,
    }
    if (this.chunks.length === 0) this.chunks = [chunk]
    else this.chunks.push(chunk)
    return chunk
  }

  // ---- bytes: few ids stand in the main bytes; of more, the main bytes hold the names of the chunks

  private get isInline(): boolean {
    return this.byId.size <= INLINE_IDS && this.lacking.size === 0
  }

  encode(to: ByteWriter): void {
    to.byte(this.isInline ? INLINE : SEGMENTS)
    if (this.isInline) {
      to.varint(this.chunks.length)
      for (const chunk of this.chunks) {
        to.double(chunk.start)
        to.block(this.bytesOf(chunk))
      }
      return
    }
    to.varint(this.nextName)
    to.varint(this.chunks.length)
    for (const { name, start } of this.chunks) {
      to.varint(name)
      to.double(start)
    }
  }

  decode(from: ByteReader): this {
    const form = from.byte()
    if (form === INLINE) {
      for (let left = from.varint(); left > 0; left--) {
        const chunk = this.addChunk(this.nextName++, from.double())
        this.take(new ByteReader(from.block()), chunk)
      }
    } else if (form === SEGMENTS) {
      this.nextName = from.varint()
      this.lacking = new Set()
      for (let left = from.varint(); left > 0; left--) {
        const { name } = this.addChunk(from.varint(), from.double())
        this.stored.know(name)
        this.lacking.add(String(name))
      }
    } else throw new RangeError(`a lifecycle has no form ${form}`)
    return this
  }

  /** Entries as `encodeEntries` wrote them, into that chunk. */
  private take(from: ByteReader, chunk: Chunk): void {
    const count = from.varint()
    const heads: { closes: boolean; id: string }[] = []
    for (let i = 0; i < count; i++) heads.push({ closes: from.byte() === 1, id: from.text() })
    const times = new Float64Array(count)
    const ties = new Float64Array(count)
    if (count > 0) for (const column of [times, ties]) unpack(from, column, count)
    const values = decodeValues(from, count, this.values)
    for (const [i, { id, closes }] of heads.entries()) {
      this.put(id, times[i] as number, ties[i] as number, closes, values[i] as Value, chunk)
    }
  }

  missing(): string[] {
    return [...this.lacking]
  }

  attach(name: string, bytes: Uint8Array): void {
    const chunk = this.chunks.find((chunk) => this.lacking.has(name) && String(chunk.name) === name)
    if (!chunk) throw new RangeError(`a lifecycle lacks no segment ${name}`)
    this.take(new ByteReader(bytes), chunk)
    chunk.changed = false
    this.lacking.delete(name)
  }

  changed(): [string, Uint8Array | null][] {
    return this.stored.changes(this.isInline ? [] : this.chunks, (chunk, to) =>
      encodeEntries(members(chunk), to, this.values),
    )
  }

  /** The last chunk is the one that changes: only what older ones hold is worth keeping. */
  private bytesOf(chunk: Chunk): Uint8Array {
    if (chunk.bytes) return chunk.bytes
    const bytes = written((to) => encodeEntries(members(chunk), to, this.values))
    // a copy: a small buffer holds all of the pool that it is a part of
    if (chunk !== this.chunks.at(-1)) chunk.bytes = new Uint8Array(bytes)
    return bytes
  }
}

/** The chunks, for the slots over ids. */
export const SEGMENTS_OF_IDS: Segments<Ids> = {
  missing: (ids) => ids.missing(),
  attach: (ids, name, bytes) => ids.attach(name, bytes),
  changed: (ids) => ids.changed(),
}

let numbers = new Float64Array(2 * CHUNK)
/** What nearly all keys lack: nothing is ever put into it. */
const NONE = new Set<string>()
const INLINE = 0
const SEGMENTS = 1

function members(chunk: Chunk): Entry[] {
  return chunk.entries.filter((entry) => entry.chunk === chunk)
}

/** Entries only ever move on to the last chunk, so each stands in the list of any chunk once at most. */
function join(entry: Entry, chunk: Chunk): void {
  entry.chunk = chunk
  if (chunk.entries.length === 0) chunk.entries = [entry]
  else chunk.entries.push(entry)
  chunk.size++
  touch(chunk, entry.time)
}

/** An opening that came after its closing. */
function pair(closing: Entry, opened: Millis): void {
  if (opened <= (closing.value as number)) return
  closing.value = opened
  spoil(closing.chunk)
}

function touch(chunk: Chunk, time: Millis): void {
  if (time > chunk.newest) chunk.newest = time
  spoil(chunk)
}

function spoil(chunk: Chunk): void {
  chunk.changed = true
  chunk.bytes = undefined
}

/** Kind of the values at openings; undefined where they have none of their own. */
type Values = 'number' | 'text' | undefined

function encodeEntries(entries: readonly Entry[], to: ByteWriter, values: Values): void {
  to.varint(entries.length)
  if (entries.length === 0) return
  for (const { id, closes } of entries) {
    to.byte(closes ? 1 : 0)
    to.text(id)
  }
  encodeColumn(entries, 'time', to)
  encodeColumn(entries, 'tie', to)
  if (values === 'number') encodeColumn(entries, 'value', to)
  if (values !== 'text') return
  for (const { value } of entries) {
    to.byte(typeof value === 'string' ? 1 : 0)
    if (typeof value === 'string') to.text(value)
  }
}

function encodeColumn(entries: readonly Entry[], column: 'time' | 'tie' | 'value', to: ByteWriter): void {
  if (numbers.length < entries.length) numbers = new Float64Array(entries.length * 2)
  for (let i = 0; i < entries.length; i++) numbers[i] = (entries[i] as Entry)[column] as number
  pack(numbers, 0, entries.length, to)
}

function decodeValues(from: ByteReader, count: number, kind: Values): ArrayLike<Value> {
  if (kind === 'text') return Array.from({ length: count }, () => (from.byte() === 1 ? from.text() : Number.NaN))
  const numbers = new Float64Array(count).fill(1)
  if (kind === 'number' && count > 0) unpack(from, numbers, count)
  return numbers
}
