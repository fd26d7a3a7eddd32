import { ByteReader, type ByteWriter } from '../../core/bytes.ts'
import type { Millis } from '../../core/model.ts'
import { pack, unpack } from '../../core/packing.ts'
import { type StoredPart, StoredParts } from '../../core/segments.ts'

/** Ids in a chunk; up to one chunk's worth of ids is kept in the main bytes. */
export const CHUNK = 512
/** Chunks that the ids of a `maxAge` are spread over at least: by so much too long an id may be remembered. */
const SPREAD = 8

/** What is known of an id: its newest event. */
export interface Entry {
  readonly id: string
  readonly time: Millis
  readonly tie: number
  readonly closes: boolean
  /** Value at the opening; NaN where it has none. */
  readonly value: number
  chunk: Chunk
}

/** Entries of about the same time, which leave together and are stored together. */
interface Chunk extends StoredPart {
  /** Time of its first entry. */
  readonly start: Millis
  readonly entries: Set<Entry>
  /** No entry is newer. */
  newest: Millis
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
  private readonly lacking = new Set<string>()
  private readonly maxAge: Millis
  private readonly valued: boolean

  constructor(maxAge: Millis, valued: boolean) {
    this.maxAge = maxAge
    this.valued = valued
  }

  get isEmpty(): boolean {
    return this.byId.size === 0 && this.lacking.size === 0
  }

  /** No event is newer; -Infinity without any. */
  get newest(): Millis {
    return this.chunks.reduce((newest, chunk) => Math.max(newest, chunk.newest), Number.NEGATIVE_INFINITY)
  }

  /** Of two events of an id the later one holds; at one time closing wins, then the higher tie. */
  see(id: string, time: Millis, tie: number, closes: boolean, value: number): void {
    const known = this.byId.get(id)
    if (known) {
      if (time < known.time) return
      if (time === known.time && (closes === known.closes ? tie <= known.tie : known.closes)) return
      this.remove(known)
    }
    this.put({ id, time, tie, closes, value }, this.chunkFor(time))
  }

  /** Forgets ids whose newest event is not after `time`; some of them only a little later, with others of their chunk. */
  drop(time: Millis): void {
    if (!this.chunks.some((chunk) => chunk.newest <= time || chunk.entries.size === 0)) return
    this.chunks = this.chunks.filter((chunk) => {
      if (chunk.newest <= time) for (const entry of chunk.entries) this.remove(entry)
      return chunk.entries.size > 0
    })
  }

  private put(known: Omit<Entry, 'chunk'>, chunk: Chunk): void {
    const entry = { ...known, chunk }
    this.byId.set(entry.id, entry)
    if (!entry.closes) this.open.add(entry)
    chunk.entries.add(entry)
    chunk.newest = Math.max(chunk.newest, entry.time)
    chunk.changed = true
  }

  private remove(entry: Entry): void {
    this.byId.delete(entry.id)
    this.open.delete(entry)
    entry.chunk.entries.delete(entry)
    entry.chunk.changed = true
  }

  private chunkFor(time: Millis): Chunk {
    const last = this.chunks.at(-1)
    if (last && last.entries.size < CHUNK && time < last.start + this.maxAge / SPREAD) return last
    return this.addChunk(this.nextName++, time)
  }

  private addChunk(name: number, start: Millis): Chunk {
    const chunk = { name, start, entries: new Set<Entry>(), newest: Number.NEGATIVE_INFINITY, changed: true }
    this.chunks.push(chunk)
    return chunk
  }

  // ---- bytes: few ids stand in the main bytes; of more, the main bytes hold the names of the chunks

  private get isInline(): boolean {
    return this.byId.size <= CHUNK && this.lacking.size === 0
  }

  encode(to: ByteWriter): void {
    to.byte(this.isInline ? INLINE : SEGMENTS)
    if (this.isInline) {
      encodeEntries([...this.byId.values()], to, this.valued)
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
      for (const entry of decodeEntries(from, this.valued)) this.put(entry, this.chunkFor(entry.time))
    } else if (form === SEGMENTS) {
      this.nextName = from.varint()
      for (let left = from.varint(); left > 0; left--) {
        const { name } = this.addChunk(from.varint(), from.double())
        this.stored.know(name)
        this.lacking.add(String(name))
      }
    } else throw new RangeError(`a lifecycle has no form ${form}`)
    return this
  }

  missing(): string[] {
    return [...this.lacking]
  }

  attach(name: string, bytes: Uint8Array): void {
    const chunk = this.chunks.find((chunk) => this.lacking.has(name) && String(chunk.name) === name)
    if (!chunk) throw new RangeError(`a lifecycle lacks no segment ${name}`)
    for (const entry of decodeEntries(new ByteReader(bytes), this.valued)) this.put(entry, chunk)
    chunk.changed = false
    this.lacking.delete(name)
  }

  changed(): [string, Uint8Array | null][] {
    return this.stored.changes(this.isInline ? [] : this.chunks, (chunk, to) =>
      encodeEntries([...chunk.entries], to, this.valued),
    )
  }
}

const INLINE = 0
const SEGMENTS = 1

function encodeEntries(entries: readonly Entry[], to: ByteWriter, valued: boolean): void {
  to.varint(entries.length)
  if (entries.length === 0) return
  for (const { id, closes } of entries) {
    to.byte(closes ? 1 : 0)
    to.text(id)
  }
  for (const column of valued ? (['time', 'tie', 'value'] as const) : (['time', 'tie'] as const))
    pack(
      Float64Array.from(entries, (entry) => entry[column]),
      0,
      entries.length,
      to,
    )
}

function decodeEntries(from: ByteReader, valued: boolean): Omit<Entry, 'chunk'>[] {
  const count = from.varint()
  const heads = Array.from({ length: count }, () => ({ closes: from.byte() === 1, id: from.text() }))
  const times = new Float64Array(count)
  const ties = new Float64Array(count)
  const values = new Float64Array(count).fill(1)
  if (count > 0) for (const column of valued ? [times, ties, values] : [times, ties]) unpack(from, column, count)
  return heads.map((head, i) => ({
    ...head,
    time: times[i] as number,
    tie: ties[i] as number,
    value: values[i] as number,
  }))
}
