/**
 * Accumulators of one operator over aligned stretches of time of one length, numbered as time goes: how aggregations are
 * bounded that need not tell the events of a stretch apart.
 */
import { ByteReader, type ByteWriter } from './bytes.ts'
import type { Millis, Operator, Value } from './model.ts'
import { type StoredPart, StoredParts } from './segments.ts'

/** Buckets that are stored together. */
const CHUNK = 16

/** Buckets `name * CHUNK` to `name * CHUNK + CHUNK - 1`, as far as there are any. */
interface Chunk extends StoredPart {
  readonly accs: Map<number, unknown>
  /** Over all of `accs`, until one changes; not to be changed itself. */
  whole: unknown
}

/** No chunk is empty. */
export class Buckets {
  private readonly operator: Operator
  private readonly values: 'number' | 'text' | undefined
  /** In order of time. */
  private chunks: Chunk[] = []
  private readonly stored = new StoredParts()
  private readonly lacking = new Map<string, number>()

  /** `values`: the kind that accumulators are given. */
  constructor(operator: Operator, values?: 'number' | 'text') {
    this.operator = operator
    this.values = values
  }

  get isEmpty(): boolean {
    return this.chunks.length === 0
  }

  add(bucket: number, value: Value, time: Millis, tie: number): void {
    const chunk = this.chunkOf(Math.floor(bucket / CHUNK))
    let acc = chunk.accs.get(bucket)
    if (acc === undefined) {
      acc = this.operator.create()
      chunk.accs.set(bucket, acc)
    }
    this.operator.add(acc, value, time, tie)
    chunk.changed = true
    chunk.whole = undefined
  }

  private chunkOf(name: number): Chunk {
    let at = this.chunks.length
    while (at > 0 && (this.chunks[at - 1] as Chunk).name > name) at--
    const found = this.chunks[at - 1]
    if (found?.name === name) return found
    const chunk = { name, changed: true, accs: new Map<number, unknown>(), whole: undefined }
    this.chunks.splice(at, 0, chunk)
    return chunk
  }

  /** Forgets the buckets before that one. What is stored of their chunk is not outdated by it. */
  drop(before: number): void {
    const [oldest] = this.chunks
    if (!oldest || oldest.name * CHUNK >= before) return
    for (const chunk of this.chunks) {
      if (chunk.name * CHUNK >= before) break
      for (const bucket of chunk.accs.keys()) {
        if (bucket >= before) continue
        chunk.accs.delete(bucket)
        chunk.whole = undefined
      }
    }
    this.chunks = this.chunks.filter(({ accs }) => accs.size > 0)
  }

  /** Accumulator of one bucket; undefined where it has none. Not to be changed. */
  get(bucket: number): unknown {
    return this.chunks.find(({ name }) => name === Math.floor(bucket / CHUNK))?.accs.get(bucket)
  }

  /** The first bucket that there is from that one on. */
  firstFrom(bucket: number): number | undefined {
    for (const { name, accs } of this.chunks) {
      if ((name + 1) * CHUNK <= bucket) continue
      let first = Number.POSITIVE_INFINITY
      for (const each of accs.keys()) if (each >= bucket && each < first) first = each
      if (first < Number.POSITIVE_INFINITY) return first
    }
    return undefined
  }

  /** Accumulator over all buckets from that one on. */
  allFrom(bucket: number): unknown {
    const { operator } = this
    const into = operator.create()
    for (const chunk of this.chunks) {
      if (chunk.name * CHUNK >= bucket) operator.merge(into, this.wholeOf(chunk))
      else for (const [each, acc] of chunk.accs) if (each >= bucket) operator.merge(into, acc)
    }
    return into
  }

  private wholeOf(chunk: Chunk): unknown {
    if (chunk.whole !== undefined) return chunk.whole
    chunk.whole = this.operator.create()
    for (const acc of chunk.accs.values()) this.operator.merge(chunk.whole, acc)
    return chunk.whole
  }

  // ---- bytes: one chunk stands in the main bytes; of more, the main bytes hold the names

  private get isInline(): boolean {
    return this.chunks.length <= 1
  }

  encode(to: ByteWriter): void {
    to.varint(this.chunks.length)
    for (const { name } of this.chunks) to.double(name)
    if (this.isInline) for (const chunk of this.chunks) this.encodeChunk(chunk, to)
  }

  decode(from: ByteReader): this {
    const names = Array.from({ length: from.count() }, () => from.double())
    for (const [at, name] of names.entries())
      if (!Number.isSafeInteger(name) || name <= (names[at - 1] ?? Number.NEGATIVE_INFINITY))
        throw new RangeError(`no chunk of buckets ${name} stands here`)
    this.chunks = names.map((name) => ({ name, changed: true, accs: new Map(), whole: undefined }))
    if (this.isInline) for (const chunk of this.chunks) this.decodeChunk(chunk, from)
    else
      for (const [at, name] of names.entries()) {
        this.stored.know(name)
        this.lacking.set(String(name), at)
      }
    return this
  }

  private encodeChunk({ name, accs }: Chunk, to: ByteWriter): void {
    to.varint(accs.size)
    for (const [bucket, acc] of accs) {
      to.byte(bucket - name * CHUNK)
      this.operator.encode(acc, to)
    }
  }

  private decodeChunk({ name, accs }: Chunk, from: ByteReader): void {
    for (let left = from.varint(); left > 0; left--) {
      const place = from.byte()
      if (place >= CHUNK) throw new RangeError(`no bucket stands at place ${place}`)
      accs.set(name * CHUNK + place, this.operator.decode(from, this.values))
    }
  }

  missing(): string[] {
    return [...this.lacking.keys()]
  }

  attach(name: string, bytes: Uint8Array): void {
    const chunk = this.chunks[this.lacking.get(name) ?? -1]
    if (!chunk) throw new RangeError(`no chunk of buckets ${name} is lacking`)
    this.decodeChunk(chunk, new ByteReader(bytes))
    chunk.changed = false
    this.lacking.delete(name)
  }

  changed(): [string, Uint8Array | null][] {
    return this.stored.changes(this.isInline ? [] : this.chunks, (chunk, to) => this.encodeChunk(chunk, to))
  }
}
