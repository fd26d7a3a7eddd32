import avsc from 'avsc'
import { avroEncoder } from '../../../src/codecs/avro/index.ts'
import { RecordError } from '../../../src/core/errors.ts'
import type { Decoder } from '../../../src/core/model.ts'
import { decoderFor, input as record, wire } from '../../codecs/avro/fixture.ts'
import { promoted, rootSchema, someValue } from '../avro.ts'
import { type Chance, mutated } from '../chance.ts'
import type { Target } from '../target.ts'

const LIMITS = { maxBytes: 2_000, maxItems: 300, maxDepth: 16 }
const VALUES = 4
const INPUTS = 100
/** Whole numbers above 2^52: avsc loses their sign, as it computes with twice of them. */
const BEYOND_AVSC = /\d{16}/

const target: Target = {
  about:
    'Avro of generated schemas, valid, mutated and random: what avsc reads of it, or a RecordError, in room that the bytes and the limits bound',
  slice: 20_000,
  open: async () => ({
    async try(chance, { input, outcome }) {
      const { writer, reader, kept, all, some, theirs, encode } = await pairOf(chance)
      const good = Array.from({ length: VALUES }, () => theirs.encode(someValue(chance, writer)))
      for (let i = 0; i < INPUTS; i++) {
        const isValid = i < VALUES
        const avro = isValid ? (good[i] as Buffer) : bytesOf(chance, good)
        input(() => `${avro.toString('hex')}\nof ${JSON.stringify(writer)}\nas ${JSON.stringify(reader)} of [${kept}]`)
        const value = read(all, avro)
        const part = read(some, avro)
        outcome(value instanceof RecordError ? value.code : 'decoded')
        if (value instanceof RecordError) {
          if (isValid && value.code !== 'record-too-large') throw value
          continue
        }
        if (part instanceof RecordError) throw part
        const shown = text(value)
        if (!BEYOND_AVSC.test(shown)) same(text(theirs.decode(avro)), shown, 'to avsc')
        if (!BEYOND_AVSC.test(shown) && reader === writer)
          same(text(theirs.decode(encode(value))), shown, 'written and read again')
        same(text(part), text(Object.fromEntries(kept.map((name) => [name, value[name]]))), 'in part')
        const most = avro.length + LIMITS.maxItems + LIMITS.maxBytes
        if (size(value) > most) throw new Error(`${size(value)} values of ${avro.length} bytes`)
      }
    },
  }),
}
export default target

type Event = Readonly<Record<string, unknown>>

/** A writer's schema, a reader's, and what goes between them: ours and avsc's. */
async function pairOf(chance: Chance) {
  const writer = rootSchema(chance)
  const reader = chance.odds(0.5) ? promoted(chance, writer) : writer
  const kept = reader.fields.filter(() => chance.odds(0.5)).map(({ name }) => name)
  const [all, some] = await Promise.all([
    decoderFor({ writer, reader, limits: LIMITS }),
    decoderFor({ writer, reader, limits: LIMITS, fields: kept.map((name) => [name]) }),
  ])
  const type = avsc.Type.forSchema(writer as avsc.Schema, { wrapUnions: false })
  const own = avsc.Type.forSchema(reader as avsc.Schema, { wrapUnions: false })
  const resolver = own.createResolver(type)
  const theirs = {
    encode: (value: unknown): Buffer => type.toBuffer(value),
    decode: (avro: Buffer): unknown => own.fromBuffer(avro, resolver),
  }
  const encoder = avroEncoder({ schema: reader, id: 1 })
  return { writer, reader, kept, all, some, theirs, encode: (value: Event) => encoder.encode(value).subarray(5) }
}

function bytesOf(chance: Chance, good: readonly Buffer[]): Buffer {
  return chance.odds(0.2) ? chance.bytes(chance.int(40)) : mutated(chance, chance.pick(good))
}

function read(decoder: Decoder, avro: Buffer): Event | RecordError {
  try {
    return decoder.record(record(wire(1, avro)))
  } catch (error) {
    if (error instanceof RecordError) return error
    throw error
  }
}

const text = (value: unknown): string => JSON.stringify(value)

function same(found: string, wanted: string, where: string): void {
  if (found !== wanted) throw new Error(`it is ${wanted}, ${where} ${found}`)
}

/** Values in it, and units of texts and bytes. */
function size(value: unknown): number {
  if (typeof value === 'string' || Buffer.isBuffer(value)) return value.length
  if (typeof value !== 'object' || value === null) return 1
  let values = 1
  for (const each of Object.values(value)) values += size(each)
  return values
}
