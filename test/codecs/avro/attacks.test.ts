import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { avroEncoder } from '../../../src/codecs/avro/index.ts'
import { decode, decoderFor, input, record, refusal, wire } from './fixture.ts'

/** Zigzag varint. */
function long(value: number): number[] {
  const bytes: number[] = []
  let rest = value < 0 ? -2 * value - 1 : 2 * value
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  return [...bytes, rest]
}

const list = (items: unknown) => ({ type: 'array', items })
const tree = record(
  [
    { name: 'kids', type: list('Tree') },
    { name: 'next', type: ['null', 'Tree'] },
  ],
  { name: 'Tree' },
)
const one = (type: unknown) =>
  record([
    { name: 'id', type: 'int' },
    { name: 'v', type },
  ])
const empty = record([], { name: 'Empty' })

describe.each([
  ['read', [['id'], ['v']]],
  ['skipped', [['id']]],
])('an attack in a field that is %s ends at once', (_, fields) => {
  const attack = (type: unknown, avro: readonly number[]) =>
    refusal(() => decode({ writer: one(type), fields }, [2, ...avro]))

  it.each([
    ['nulls', list('null'), long(50_000_000)],
    ['nulls, with a size', list('null'), [...long(-50_000_000), 0]],
    ['nulls in many small blocks', list('null'), [...Array(300).fill(long(400)).flat(), 0]],
    [
      'nulls in lists of lists',
      list(list('null')),
      [
        ...long(50),
        ...Array(50)
          .fill([...long(5_000), 0])
          .flat(),
        0,
      ],
    ],
    ['empty records', list(empty), long(50_000_000)],
    ['empty fixed', list({ type: 'fixed', name: 'F', size: 0 }), long(2 ** 52)],
    ['texts that are not there', list('string'), long(2 ** 52)],
    ['map entries that are not there', { type: 'map', values: 'null' }, long(2 ** 52)],
  ])('too many items: %s', async (_, type, avro) => {
    expect((await attack(type, avro)).code).toBe('record-too-large')
  })

  it.each([
    ['a text longer than the record', 'string', long(2 ** 40)],
    ['bytes longer than the record', 'bytes', long(100)],
    ['a fixed larger than the record', { type: 'fixed', name: 'F', size: 2 ** 50 }, [1]],
    ['a count of 64 bits', list('null'), Array(9).fill(255).concat(1)],
    ['a varint without end', 'long', Array(100).fill(255)],
    ['a block that ends elsewhere than it says', list('int'), [...long(-1), ...long(5), 2, 0]],
    ['a block larger than the record', list('int'), [...long(-1), ...long(2 ** 50), 2, 0]],
    ['a block of negative size', list('int'), [...long(-1), ...long(-5), 2, 0]],
    ['an option that there is not', ['null', 'int'], [4]],
    ['a negative option', ['null', 'int'], [1]],
  ])('wrong lengths: %s', async (_, type, avro) => {
    expect((await attack(type, avro)).code).toBe('record-malformed')
  })

  it('nesting without end', async () => {
    expect((await attack(tree, Array(100_000).fill(2))).code).toBe('record-too-large')
    // no list, then down by the union
    expect((await attack(tree, Array(100_000).fill([0, 2]).flat())).code).toBe('record-too-large')
    const endless = record([{ name: 'again', type: 'Self' }], { name: 'Self' })
    expect((await attack(endless, [])).code).toBe('record-too-large')
  })

  it('a record larger than the limit', async () => {
    const value = avroEncoder({ schema: one('string'), id: 1 }).encode({ id: 1, v: 'x'.repeat(2_000_000) })
    const small = await decoderFor({ writer: one('string'), fields })
    expect((await refusal(() => small.record(input(value)))).code).toBe('record-too-large')
    const large = await decoderFor({ writer: one('string'), fields, limits: { maxBytes: 4_000_000 } })
    expect(large.record(input(value)).id).toBe(1)
  })

  it('spares what is just within the limits', async () => {
    const limits = { maxItems: 10, maxDepth: 5 }
    const decoder = await decoderFor({ writer: one(list('null')), fields, limits })
    expect(decoder.record(input(wire(1, [2, ...long(4), ...long(6), 0]))).id).toBe(1)
    expect((await refusal(() => decoder.record(input(wire(1, [2, ...long(4), ...long(7), 0]))))).code).toBe(
      'record-too-large',
    )
    const deep = await decoderFor({ writer: one(tree), fields, limits })
    const nested = (depth: number) => input(wire(1, [2, ...Array(depth).fill([0, 2]).flat(), 0, 0]))
    expect(deep.record(nested(5)).id).toBe(1)
    expect((await refusal(() => deep.record(nested(6)))).code).toBe('record-too-large')
  })
})

it('lists of records that take no bytes but have many fields end at once, be they null or defaults', async () => {
  const fields = Array.from({ length: 1000 }, (_, i) => `f${i}`)
  const nulls = record(
    fields.map((name) => ({ name, type: 'null' })),
    { name: 'Item' },
  )
  const defaults = record(
    fields.map((name) => ({ name, type: 'string', default: 'x' })),
    { name: 'Item' },
  )
  const bare = record([], { name: 'Item' })
  for (const [writer, reader] of [
    [nulls, nulls],
    [bare, defaults],
  ]) {
    const schemas = { writer: one(list(writer)), reader: one(list(reader)) }
    expect((await refusal(() => decode(schemas, [2, ...long(99_999), 0]))).code).toBe('record-too-large')
    expect((await decode(schemas, [2, ...long(100), 0])).v).toHaveLength(100)
  }
})

it('what only a reader meets is refused: keys that would become a prototype, numbers too large, strange symbols', async () => {
  const attackRead = (type: unknown, avro: readonly number[]) =>
    refusal(() => decode({ writer: one(type) }, [2, ...avro]))
  const key = (name: string) => [...long(1), ...long(name.length), ...Buffer.from(name), 2, 0]
  for (const name of ['__proto__', 'constructor'])
    expect((await attackRead({ type: 'map', values: 'int' }, key(name))).code).toBe('record-malformed')
  expect((await attackRead('int', long(2 ** 31))).code).toBe('record-malformed')
  expect((await attackRead('boolean', [2])).code).toBe('record-malformed')
  expect((await attackRead({ type: 'enum', name: 'E', symbols: ['A'] }, [2])).code).toBe('record-malformed')
  const decimal = { type: 'bytes', logicalType: 'decimal', precision: 1000, scale: 0 }
  expect((await attackRead(decimal, [...long(500_000), ...Array(500_000).fill(127)])).code).toBe('record-malformed')
})

describe('a hostile schema in the registry', () => {
  const reader = record([{ name: 'a', type: 'int' }])
  const outcome = async (writer: unknown, avro: readonly number[]) =>
    refusal(() => decode({ writer, reader }, avro)).then(({ code }) => code)

  it.each([
    ['very deep', () => Array.from({ length: 100_000 }).reduce<unknown>((inner) => list(inner), 'int')],
    ['very wide', () => Array.from({ length: 200_000 }, (_, i) => ({ name: `f${i}`, type: 'int' }))],
    ['named __proto__', () => [{ name: '__proto__', type: 'int' }]],
    ['named like code', () => [{ name: 'a}; process.exit(); {', type: 'int' }]],
    ['a number', () => 7],
  ])('is unfit: %s', async (_, hostile) => {
    const given = hostile()
    const fields = Array.isArray(given) ? given : [{ name: 'x', type: given }]
    expect(await outcome(record([...fields, { name: 'a', type: 'int' }]), [2])).toBe('schema-unfit')
  })

  it('may double in size with every record and costs no more for it', async () => {
    for (const leaf of [[], [{ name: 'n', type: 'null' }], [{ name: 's', type: 'string' }]]) {
      const fields: object[] = [{ name: 'f0', type: record(leaf, { name: 'T0' }) }]
      for (let i = 1; i < 100; i++) {
        const twice = ['x', 'y'].map((name) => ({ name, type: `T${i - 1}` }))
        fields.push({ name: `f${i}`, type: record(twice, { name: `T${i}` }) })
      }
      const code = await outcome(record([...fields, { name: 'b', type: 'string' }, { name: 'a', type: 'int' }]), [100])
      expect(code).toBe('record-malformed')
    }
  })

  it('may be a long chain of references, which is unfit', async () => {
    const chain = Array.from({ length: 5_000 }, (_, i) => ({
      name: `f${i}`,
      type: record(i === 0 ? [] : [{ name: 'down', type: `T${i - 1}` }], { name: `T${i}` }),
    }))
    expect(await outcome(record([...chain, { name: 'a', type: 'int' }]), [2])).toBe('schema-unfit')
  })
})

describe('mutated records', () => {
  const rich = record([
    { name: 'id', type: 'string' },
    { name: 'kind', type: { type: 'enum', name: 'Kind', symbols: ['A', 'B', 'C'] } },
    { name: 'at', type: { type: 'long', logicalType: 'timestamp-micros' } },
    { name: 'price', type: { type: 'bytes', logicalType: 'decimal', precision: 9, scale: 2 } },
    { name: 'gaps', type: list(['null', 'int']) },
    { name: 'nulls', type: list('null') },
    { name: 'attrs', type: { type: 'map', values: ['string', 'double', { type: 'array', items: 'boolean' }] } },
    {
      name: 'tree',
      type: [
        'null',
        record(
          [
            { name: 'kids', type: list('Tree') },
            { name: 'n', type: 'int' },
          ],
          { name: 'Tree' },
        ),
      ],
    },
    { name: 'hash', type: { type: 'fixed', name: 'Hash', size: 4 } },
    { name: 'last', type: 'double' },
  ])
  const good = avroEncoder({ schema: rich, id: 1 }).encode({
    id: 'order-1',
    kind: 'B',
    at: 1_767_225_600_000,
    price: 12.34,
    gaps: [1, null, -300],
    nulls: [null, null],
    attrs: { a: 'x', b: 0.5, c: [true, false] },
    tree: { n: 1, kids: [{ n: 2, kids: [] }] },
    hash: Buffer.from('hash'),
    last: 1,
  })

  type Mutate = (value: Buffer) => Buffer
  const place = fc.nat(good.length)
  const mutation = fc.oneof(
    fc.tuple(place, fc.nat(255)).map(
      ([at, byte]): Mutate =>
        (value) => {
          if (at < value.length) value[at] = byte
          return value
        },
    ),
    place.map(
      (length): Mutate =>
        (value) =>
          value.subarray(0, length),
    ),
    fc.tuple(place, fc.uint8Array({ minLength: 1, maxLength: 12 })).map(
      ([at, bytes]): Mutate =>
        (value) =>
          Buffer.concat([value.subarray(0, at), bytes, value.subarray(at)]),
    ),
  )

  it('are decoded or refused, and nothing else ever happens', async () => {
    const decoders = await Promise.all(
      [undefined, [['id'], ['last']], []].map((fields) => decoderFor({ writer: rich, ...(fields ? { fields } : {}) })),
    )
    const codes = new Set<string>()
    const isSound = async (value: Buffer) => {
      for (const decoder of decoders) {
        try {
          decoder.record(input(value))
          codes.add('decoded')
        } catch (error) {
          // another id than 1 is for `prepare` to find out
          if (value.length >= 5 && value[0] === 0 && value.readUInt32BE(1) !== 1) continue
          codes.add((await refusal(() => Promise.reject(error))).code)
        }
      }
    }
    await fc.assert(
      fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 4 }), (mutations) =>
        isSound(mutations.reduce<Buffer>((value, mutate) => mutate(value), Buffer.from(good))),
      ),
      { numRuns: 20_000 },
    )
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), (bytes) => isSound(wire(1, bytes))),
      { numRuns: 5_000 },
    )
    expect([...codes].sort()).toEqual(['decoded', 'record-malformed', 'record-too-large'])
  }, 60_000)
})
