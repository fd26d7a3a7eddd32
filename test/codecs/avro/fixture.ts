import { type AvroDecoderOptions, avroDecoder, avroEncoder } from '../../../src/codecs/avro/index.ts'
import { MillraceError, RecordError } from '../../../src/core/errors.ts'
import type { InputRecord, Registry } from '../../../src/core/model.ts'

export const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }

/** A registry that holds what it is given and counts how often it is asked. */
export class Shelf implements Registry {
  readonly schemas = new Map<number, unknown>()
  readonly asked: number[] = []
  down = false

  async schema(id: number): Promise<unknown> {
    this.asked.push(id)
    if (this.down) throw new MillraceError('registry-failed', 'it is down')
    if (!this.schemas.has(id)) throw new MillraceError('schema-unknown', `no schema ${id}`)
    return this.schemas.get(id)
  }
  async latest(): Promise<undefined> {
    return undefined
  }
  async register(): Promise<number> {
    throw new MillraceError('registry-failed', 'nothing is registered here')
  }
  async close(): Promise<void> {
    this.schemas.clear()
  }
}

export const record = (fields: readonly object[], more: object = {}) => ({ type: 'record', name: 'R', fields, ...more })

export const input = (value: Buffer | null): InputRecord => ({
  position: 0,
  timestamp: 0,
  key: null,
  value,
  headers: {},
})

/** Confluent wire format around some Avro. */
export function wire(id: number, avro: Uint8Array | readonly number[]): Buffer {
  const header = Buffer.alloc(5)
  header.writeUInt32BE(id, 1)
  return Buffer.concat([header, Buffer.from(avro)])
}

interface Case extends Partial<Pick<AvroDecoderOptions, 'limits'>> {
  readonly writer: unknown
  readonly reader?: unknown
  /** All fields of the reader by default. */
  readonly fields?: readonly (readonly string[])[]
}

/** A decoder whose registry holds the writer schema under id 1. */
export async function decoderFor({ writer, reader = writer, fields, limits = {} }: Case) {
  const registry = new Shelf()
  registry.schemas.set(1, writer)
  const all = (reader as { fields: readonly { name: string }[] }).fields.map(({ name }) => [name])
  const decoder = avroDecoder({ registry, schema: reader, fields: fields ?? all, limits, log: silent })
  await decoder.prepare([input(wire(1, []))])
  return decoder
}

/** Decodes bytes that `writer` is said to have written. */
export async function decode(given: Case, avro: Uint8Array | readonly number[]) {
  return (await decoderFor(given)).record(input(wire(1, avro)))
}

/** Writes a value by the writer schema and reads it by the reader's. */
export async function roundTrip(given: Case, value: Readonly<Record<string, unknown>>) {
  return (await decoderFor(given)).record(input(avroEncoder({ schema: given.writer, id: 1 }).encode(value)))
}

/** Code and reason of the `RecordError` that it ends in; anything else fails the test. */
export async function refusal(run: () => unknown): Promise<{ code: string; message: string }> {
  try {
    await run()
  } catch (error) {
    if (error instanceof RecordError) return error
    throw error
  }
  throw new Error('nothing was refused')
}
