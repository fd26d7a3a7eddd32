import { systemClock, type WallClock } from '../../core/clock.ts'
import { MillraceError, RecordError } from '../../core/errors.ts'
import type { Decoder, InputRecord, Millis, Registry } from '../../core/model.ts'
import type { Log } from '../../core/part.ts'
import { parseSchema, type RecordType, SchemaError, topicType } from '../../core/schema.ts'
import { Cursor, HEADER, type Limits } from './cursor.ts'
import { project } from './project.ts'
import { compileRead, type Read } from './read.ts'

export interface AvroDecoderOptions {
  readonly registry: Registry
  /** The topic's schema that the topologies were checked against, as parsed JSON. */
  readonly schema: unknown
  /** Paths of the fields to decode; events hold these alone. */
  readonly fields: readonly (readonly string[])[]
  readonly limits?: Partial<Limits>
  readonly log: Log
  readonly clock?: Pick<WallClock, 'now'>
}

export const DEFAULT_LIMITS: Limits = { maxBytes: 1_048_576, maxItems: 100_000, maxDepth: 64 }

/** After so long, an id that the registry did not have is asked for again: it may have been registered since. */
const UNKNOWN_FOR_MS = 10_000
/** Ids kept that the registry did not have: garbage that looks like the wire format brings new ones all the time. */
const MAX_UNKNOWN = 10_000
/** Requests to the registry at once. */
const REQUESTS = 8

/** What a schema id stands for: how to read its data, or why that can never be done. */
type Known = { readonly read: Read } | { readonly unfit: string }

/**
 * Decodes one topic: Confluent wire format, any writer schema that resolves to the topic's (names, aliases, defaults,
 * promotions, unions, symbols). Values are as `core/schema.ts` says. Not for use while one of its own calls runs.
 *
 * Hostile bytes cost bounded time and memory, with no pass over them beforehand: reading and skipping alike check
 * every length against the bytes there are, and pay for array items and recursion out of a budget per record. A
 * schema from the registry is bounded by `parseSchema`, and its names never get into generated code.
 *
 * `record` throws: `record-malformed` (bytes, a tombstone, a whole number beyond 2^53 in a field that is read),
 * `record-too-large`, `schema-unknown`, `schema-unfit`. `prepare` rejects with `registry-failed`.
 * Throws `config-invalid` when the schema is wrong or lacks a field asked for.
 */
export function avroDecoder(options: AvroDecoderOptions): Decoder {
  return new AvroDecoder(options)
}

class AvroDecoder implements Decoder {
  private readonly registry: Registry
  private readonly reader: RecordType
  private readonly log: Log
  private readonly clock: Pick<WallClock, 'now'>
  private readonly cursor: Cursor
  private readonly known = new Map<number, Known>()
  /** Ids that the registry did not have, and until when that counts. */
  private readonly unknown = new Map<number, Millis>()
  private readonly asking = new Map<number, Promise<void>>()
  /** Of the newest id read: most batches have one. */
  private lastId = -1
  private lastRead: Read = () => undefined

  constructor({ registry, schema, fields, limits, log, clock = systemClock }: AvroDecoderOptions) {
    this.registry = registry
    this.reader = project(ownType(schema), fields)
    this.log = log
    this.clock = clock
    this.cursor = new Cursor({ ...DEFAULT_LIMITS, ...limits })
  }

  async prepare(records: readonly InputRecord[]): Promise<void> {
    const missing = this.missing(records)
    if (missing.length === 0) return
    const queue = missing.values()
    const ask = async () => {
      for (const id of queue) await this.ask(id)
    }
    await Promise.all(Array.from({ length: Math.min(REQUESTS, missing.length) }, ask))
  }

  record({ value }: InputRecord): Readonly<Record<string, unknown>> {
    if (value === null) throw new RecordError('record-malformed', 'the record has no value: it is a tombstone')
    const id = idOf(value)
    if (id === undefined) throw new RecordError('record-malformed', 'it does not begin with 0 and a schema id')
    const read = id === this.lastId ? this.lastRead : this.readOf(id)
    const { cursor } = this
    cursor.start(value)
    const event = read(cursor) as Readonly<Record<string, unknown>>
    cursor.end()
    return event
  }

  private readOf(id: number): Read {
    const known = this.known.get(id)
    if (!known && this.unknown.has(id)) throw new RecordError('schema-unknown', `the registry has no schema ${id}`)
    if (!known) throw new Error(`the schema ${id} was not prepared`)
    if ('unfit' in known) throw new RecordError('schema-unfit', known.unfit)
    this.lastId = id
    this.lastRead = known.read
    return known.read
  }

  /** Ids among the records that nothing is known of, or no longer. */
  private missing(records: readonly InputRecord[]): readonly number[] {
    const missing = new Set<number>()
    let last = -1
    for (const { value } of records) {
      const id = value === null ? undefined : idOf(value)
      if (id === undefined || id === last) continue
      last = id
      if (!this.known.has(id) && (this.unknown.get(id) ?? 0) <= this.clock.now()) missing.add(id)
    }
    return [...missing]
  }

  private ask(id: number): Promise<void> {
    const asked = this.asking.get(id)
    if (asked) return asked
    const asking = this.find(id).finally(() => this.asking.delete(id))
    this.asking.set(id, asking)
    return asking
  }

  private async find(id: number): Promise<void> {
    const known = await this.registry.schema(id).then(
      (schema) => this.compile(id, schema),
      (error: unknown) => this.absent(id, error),
    )
    this.unknown.delete(id)
    if (known) this.known.set(id, known)
    else this.unknown.set(id, this.clock.now() + UNKNOWN_FOR_MS)
    if (this.unknown.size > MAX_UNKNOWN) this.forget()
  }

  private compile(id: number, schema: unknown): Known {
    try {
      const writer = parseSchema(schema)
      if (writer.kind !== 'record') throw new Error(`it is of ${writer.kind}, not of records`)
      return { read: compileRead(writer, this.reader) }
    } catch (error) {
      return this.unfit(id, error as Error)
    }
  }

  /** Undefined when the registry says that there is no such schema. */
  private absent(id: number, error: unknown): Known | undefined {
    const code = error instanceof MillraceError ? error.code : undefined
    if (code === 'schema-unknown') return undefined
    if (code === 'schema-unfit') return this.unfit(id, error as Error)
    if (code === 'registry-failed') throw error
    throw new MillraceError('registry-failed', `the schema ${id} could not be read`, { cause: error })
  }

  private unfit(id: number, { message }: Error): Known {
    this.log.warn({ schema: id, reason: message }, 'a writer schema does not fit; its records are dead letters')
    return { unfit: `the schema ${id} cannot be read as ${this.reader.name}: ${message}` }
  }

  /** Drops unknown ids that ran out long ago; a batch prepared a moment ago may still need the others. */
  private forget(): void {
    const long = this.clock.now() - 6 * UNKNOWN_FOR_MS
    for (const [id, until] of this.unknown) if (until < long) this.unknown.delete(id)
  }
}

function idOf(value: Buffer): number | undefined {
  if (value.length < HEADER || value[0] !== 0) return undefined
  const at = (index: number) => value[index] as number
  return ((at(1) << 24) | (at(2) << 16) | (at(3) << 8) | at(4)) >>> 0
}

function ownType(schema: unknown): RecordType {
  try {
    return topicType(schema)
  } catch (error) {
    if (error instanceof SchemaError) throw new MillraceError('config-invalid', `the topic's schema: ${error.message}`)
    throw error
  }
}
