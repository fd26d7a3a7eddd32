import avsc from 'avsc'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { avroEncoder } from '../../../src/codecs/avro/index.ts'
import { jsonEncoder } from '../../../src/codecs/avro/json.ts'
import { decoderFor, input, wire } from './fixture.ts'

type Schema = string | { readonly [key: string]: unknown } | readonly Schema[]

let names = 0
const primitive = fc.constantFrom<Schema>('null', 'boolean', 'int', 'long', 'float', 'double', 'string', 'bytes')
const named = fc.constantFrom('enum', 'fixed').map((type): Schema => {
  const name = `N${names++}`
  return type === 'enum' ? { type, name, symbols: ['A', 'B', 'C'] } : { type, name, size: 3 }
})

/** Random schemas without recursion. Unions are those that avsc can tell apart without wrapping. */
const { schema } = fc.letrec<{ schema: Schema; fields: Schema }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    primitive,
    named,
    fc
      .tuple(fc.constantFrom('array', 'map'), tie('schema'))
      .map(([type, inner]): Schema => (type === 'array' ? { type, items: inner } : { type, values: inner })),
    fc.constantFrom('boolean', 'int', 'double', 'string', 'bytes').map((option): Schema => ['null', option]),
    fc.constant<Schema>(['string', 'null', 'double', 'boolean']),
    tie('fields'),
  ),
  fields: fc.array(tie('schema'), { maxLength: 6 }).map(
    (types): Schema => ({
      type: 'record',
      name: `N${names++}`,
      fields: types.map((type, i) => ({ name: `f${i}`, type })),
    }),
  ),
}))

const root = fc.array(schema, { minLength: 1, maxLength: 7 }).map((types) => ({
  type: 'record',
  name: 'Root',
  fields: types.map((type, i) => ({ name: `f${i}`, type })),
}))

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

function base64(this: Record<string, unknown>, name: string, value: unknown): unknown {
  const given = this[name]
  return Buffer.isBuffer(given) ? given.toString('base64') : value
}

describe('against avsc, on random schemas and values', () => {
  it('decodes the same, reads only what is asked for, encodes the same bytes, and says the same as JSON', async () => {
    await fc.assert(
      fc.asyncProperty(root, fc.nat(127), async (writer, mask) => {
        const type = avsc.Type.forSchema(writer as avsc.Schema, { wrapUnions: false })
        const avro = type.toBuffer(type.random())
        const expected = plain(type.fromBuffer(avro)) as Record<string, unknown>
        const bytes = wire(1, avro)
        const decoder = await decoderFor({ writer })
        const decoded = decoder.record(input(bytes))
        expect(plain(decoded)).toEqual(expected)
        expect(avroEncoder({ schema: writer, id: 1 }).encode(decoded)).toEqual(bytes)

        const json = JSON.parse(String(jsonEncoder(writer).encode(decoded)))
        expect(json).toEqual(JSON.parse(JSON.stringify(decoded, base64)))

        const kept = writer.fields.filter((_, i) => mask & (1 << i)).map(({ name }) => name)
        const some = await decoderFor({ writer, fields: kept.map((name) => [name]) })
        const wanted = Object.fromEntries(kept.map((name) => [name, expected[name]]))
        expect(plain(some.record(input(bytes)))).toEqual(wanted)
      }),
      { numRuns: 1_000 },
    )
  }, 60_000)
})
