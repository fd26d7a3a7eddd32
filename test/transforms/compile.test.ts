import { describe, expect, it } from 'vitest'
import { avroEncoder } from '../../src/codecs/avro/index.ts'
import type { Encoder, Event, InputRecord, Lookup } from '../../src/core/model.ts'
import { checkProject } from '../../src/project/check.ts'
import type { TransformTopology } from '../../src/transforms/compile.ts'
import { compiled, problemsOf, project, SCHEMAS, TRANSFORM, transformIn } from './project.ts'

/** What is wrong, how it comes about in TRANSFORM (this text, that instead), and what is said. */
const WRONG: readonly (readonly [string, string, string, string])[] = [
  ['an unknown key', 'to: lines', 'to: lines\nmpa: { x: event.id }', "12:1 unknown key 'mpa' → map"],
  ['an unknown source', 'from: baskets', 'from: basket', "3:7 unknown topic 'basket' → baskets"],
  ['an unknown table', 'topic: stores', 'topic: store', "6:19 unknown topic 'store' → stores"],
  ['a field that is none', 'basket: event.id', 'basket: event.ids', "8:17 no field 'ids' → id"],
  ['a field of a table that is none', 'store.city', 'store.town', "10:15 no field 'town'"],
  ['a field of an element that is none', 'item.product', 'item.name', "9:17 no field 'name'"],
  ['a key of a table that is no text', 'key: event.storeId', 'key: event.items', '6:32 this is a list'],
  ['a condition that is none', 'to: lines', 'to: lines\nwhere: event.id', '12:8 this is a text'],
  ['flattening what is no list', 'flatten: event.items', 'flatten: event.id', '4:10 this is string'],
  ['null as a value', 'city: store.city', 'city: null', '10:9 map.city is empty'],
  ['elements in where', 'to: lines', 'to: lines\nwhere: item.cents > 5', "12:8 no name 'item' → event.items"],
  [
    'a table in the key',
    'to: lines',
    'to: lines\nkey: store.city',
    "12:6 the key comes from the table 'store', where it may change",
  ],
  [
    'a table in the key, by a named expression',
    'to: lines',
    'to: lines\nlet: { town: store.city }\nkey: town',
    "13:6 the key comes from the table 'store', where it may change",
  ],
  [
    'writing to its own source',
    'to: lines',
    'to: baskets',
    "11:5 topic 'baskets' is read here: it would be fed its own records for ever",
  ],
  ['a name that is taken', 'store: {', 'note: {', "6:3 'note' is a field of the events already"],
  [
    'a named expression that is wrong',
    'to: lines',
    'to: lines\nlet: { x: event.id + 1 }',
    "12:22 '+' does not go between",
  ],
  [
    'an unknown key of a destination',
    'to: lines',
    'to: { topic: lines, whn: event.id }',
    "11:21 unknown key 'whn' → when",
  ],
  ['an unknown field to keep', 'to: lines', 'to: lines\nkeep: [id, stor]', "12:12 no field 'stor'"],
  ['keeping a field that is mapped', 'map:', 'keep: [id]\nmap:\n  id: event.id', "9:3 'id' is kept already"],
]

it.each(WRONG)('%s is refused at its place', async (_, right, wrong, said) => {
  const found = await problemsOf({ 'topologies/lines.yaml': TRANSFORM.replace(right, wrong) })
  expect(found).toHaveLength(1)
  expect(found[0]).toContain(`lines.yaml:${said}`)
})

describe('a topic of JSON', () => {
  const JSON_LINES = TRANSFORM.replace('to: lines', 'to: { topic: lines, format: json }')
  it('has records of the same schema', async () => {
    const [avro, json] = [await compiled(TRANSFORM), await compiled(JSON_LINES)]
    expect([avro.writes[0]?.format, json.writes[0]?.format]).toEqual(['avro', 'json'])
    expect(json.writes[0]?.schema).toEqual(avro.writes[0]?.schema)
  })
  it('is read by no topology', async () => {
    const reader =
      'topology: r\nkind: features\nfrom: lines\nentity: e\nby: basket\nfeatures: { n: { last: 1, as: count } }\n'
    expect(await problemsOf({ 'topologies/lines.yaml': JSON_LINES, 'topologies/reader.yaml': reader })).toEqual([
      "reader.yaml:3:7 topic 'lines' is written as JSON by topologies/lines.yaml: topologies read Avro",
    ])
  })
  it('is written as JSON by all', async () => {
    const other = TRANSFORM.replace('topology: lines', 'topology: others')
    expect(await problemsOf({ 'topologies/lines.yaml': JSON_LINES, 'topologies/others.yaml': other })).toEqual([
      "others.yaml:11:5 topic 'lines' is written as json already",
    ])
  })
  it('has no third format', async () => {
    expect(await problemsOf({ 'topologies/lines.yaml': JSON_LINES.replace('format: json', 'format: jsn') })).toEqual([
      "lines.yaml:11:29 to.format is 'jsn' → json",
    ])
  })
})

it.each([
  ['a text in a key', 'to: lines', `to: lines\nkey: '"store-" + event.id'`],
  ['the field of a record in the key of a table', 'key: event.storeId', 'key: \'event.storeId + "item"\''],
])('%s that is spelt like a name is not that name', async (_, right, written) => {
  const topology = await compiled(`${TRANSFORM.replace(right, written)}where: store.city == null\n`)
  const [source] = topology.flow(encoders(topology)).sources
  const basket = { id: 'b', storeId: 's', items: [{ product: 'p', cents: 1 }] }
  expect(source?.make(basket, { key: null } as InputRecord, () => null)).toHaveLength(1)
})

const encoders = (topology: TransformTopology): ReadonlyMap<string, Encoder> =>
  new Map(topology.writes.map(({ name, schema }) => [name, { encode: (value) => json(check(schema, value)) }]))
const writtenSchema = ({ writes: [topic] }: TransformTopology) => topic?.schema as { fields: readonly unknown[] }
const json = (value: unknown) => Buffer.from(JSON.stringify(value))
/** Throws where it does not fit. */
function check(schema: unknown, value: Event): Event {
  avroEncoder({ schema, id: 1 }).encode(value)
  return value
}

/** What a transform makes of an event: topic, index, key, value. */
function make(topology: TransformTopology, event: Event, lookup: Lookup = () => null, source = 'baskets'): unknown[] {
  const from = topology.flow(encoders(topology)).sources.find(({ topic }) => topic === source)
  const record: InputRecord = { position: 1, timestamp: 2, key: Buffer.from('k'), value: Buffer.alloc(1), headers: {} }
  return (from?.make(event, record, lookup) ?? []).map(({ topic, index, key, value }) => [
    topic,
    index,
    String(key),
    JSON.parse(String(value)),
  ])
}

const BASKET = {
  id: 'b1',
  storeId: 's1',
  at: 1_000,
  note: null,
  kind: 'WEB',
  items: [
    { product: 'tea', cents: 300 },
    { product: 'jam', cents: 450 },
  ],
}

describe('a transform', () => {
  it('makes a record of each element, with what a table holds', async () => {
    const lookup: Lookup = (table, key) => (table === 'stores' && key === 's1' ? { name: 'A', city: 'Oslo' } : null)
    expect(make(await compiled(TRANSFORM), BASKET, lookup)).toEqual([
      ['lines', 0, 'k', { basket: 'b1', product: 'tea', city: 'Oslo' }],
      ['lines', 1, 'k', { basket: 'b1', product: 'jam', city: 'Oslo' }],
    ])
  })

  it('has null where a table holds nothing, and makes nothing of an empty list', async () => {
    const topology = await compiled(TRANSFORM)
    expect(make(topology, { ...BASKET, items: BASKET.items.slice(1) })).toEqual([
      ['lines', 0, 'k', { basket: 'b1', product: 'jam', city: null }],
    ])
    expect(make(topology, { ...BASKET, items: [] })).toEqual([])
  })

  it('looks up by an element, too', async () => {
    const yaml = TRANSFORM.replace(
      'store: { topic: stores, key: event.storeId }',
      'store: { topic: stores, key: item.product }',
    )
    const lookup: Lookup = (_, key) => ({ name: key, city: `of ${key}` })
    expect(make(await compiled(yaml), BASKET, lookup).map((made) => (made as unknown[])[3])).toEqual([
      { basket: 'b1', product: 'tea', city: 'of tea' },
      { basket: 'b1', product: 'jam', city: 'of jam' },
    ])
  })

  it('keeps all of an event where nothing is said of fields, with its types', async () => {
    const topology = await compiled(
      'topology: lines\nkind: transform\nfrom: baskets\nwhere: event.kind == "WEB"\nto: web\n',
    )
    expect(make(topology, BASKET)).toEqual([['web', 0, 'k', BASKET]])
    expect(make(topology, { ...BASKET, kind: 'SHOP' })).toEqual([])
    const { fields } = writtenSchema(topology)
    expect(fields).toMatchObject(SCHEMAS.baskets.fields.map(({ name }) => ({ name })))
    expect(fields[2]).toEqual({
      name: 'at',
      type: { type: 'long', logicalType: 'timestamp-millis' },
      doc: 'When it was paid.',
    })
  })

  it('sends a record to every topic that takes it, under an index of its own', async () => {
    const yaml = `topology: lines
kind: transform
from: baskets
flatten: event.items
let: { dear: item.cents > 400 }
map: { product: item.product, cents: item.cents }
key: item.product
to:
  - { topic: dear, when: dear }
  - { topic: web, when: event.kind == "WEB" }
`
    expect(make(await compiled(yaml), BASKET)).toEqual([
      ['web', 1, 'tea', { product: 'tea', cents: 300 }],
      ['dear', 2, 'jam', { product: 'jam', cents: 450 }],
      ['web', 3, 'jam', { product: 'jam', cents: 450 }],
    ])
  })

  it('of several topics has a field that one lacks, as null', async () => {
    const yaml = `topology: lines
kind: transform
from: [baskets, returns]
keep: [storeId, reason]
map:
  back: { returns: event.reason != "" }
to: lines
`
    const topology = await compiled(yaml)
    expect(make(topology, BASKET)).toEqual([['lines', 0, 'k', { storeId: 's1', reason: null, back: null }]])
    const back = { id: 'r', storeId: 's2', reason: 'broken' }
    expect(make(topology, back, () => null, 'returns')).toEqual([
      ['lines', 0, 'k', { storeId: 's2', reason: 'broken', back: true }],
    ])
  })
})

describe('the schema of what is made', () => {
  const fieldsOf = async (map: string) => {
    const topology = await compiled(`topology: lines\nkind: transform\nfrom: baskets\nmap: ${map}\nto: lines\n`)
    return writtenSchema(topology).fields
  }

  it('is derived from the expressions: null only where it may be', async () => {
    expect(await fieldsOf('{ id: event.id, note: event.note, many: size(event.items), mean: event.at / 2 }')).toEqual([
      { name: 'id', type: 'string' },
      { name: 'note', type: ['null', 'string'], default: null },
      { name: 'many', type: 'long' },
      { name: 'mean', type: ['null', 'long'], default: null },
    ])
  })

  it('keeps records, lists and enums that pass through, each named type defined once', async () => {
    const topology = await compiled(
      'topology: lines\nkind: transform\nfrom: baskets\nmap: { a: event.kind, b: event.kind, first: "event.items[0]", all: event.items }\nto: lines\n',
    )
    const event = { ...BASKET }
    expect(make(topology, event)).toEqual([
      ['lines', 0, 'k', { a: 'WEB', b: 'WEB', first: BASKET.items[0], all: BASKET.items }],
    ])
  })

  const lines = (fields: unknown[]) =>
    JSON.stringify({ type: 'record', name: 'Line', namespace: 'shop', fields: fields })

  it('is that of a file, where the topic has one and the record fits', async () => {
    const schema = lines([
      { name: 'basket', type: 'string' },
      { name: 'product', type: 'string' },
      { name: 'city', type: ['null', 'string'] },
      { name: 'more', type: 'string', default: '' },
    ])
    expect((await compiled(TRANSFORM, { 'schemas/lines.avsc': schema })).writes[0]?.schema).toEqual(JSON.parse(schema))
  })

  it('of a file that does not fit is refused, at the field', async () => {
    const schema = lines([
      { name: 'basket', type: 'int' },
      { name: 'city', type: 'string' },
      { name: 'prodct', type: 'string', default: '' },
      { name: 'needed', type: 'string' },
    ])
    expect(await problemsOf({ 'topologies/lines.yaml': TRANSFORM, 'schemas/lines.avsc': schema })).toEqual([
      "lines.yaml:8:11 'basket' does not fit the schema of lines: it is string, and int is expected",
      "lines.yaml:9:3 the schema of lines has no field 'product' → prodct",
      "lines.yaml:10:9 'city' does not fit the schema of lines: it may be null, and string is expected",
      "lines.yaml:11:5 the schema of lines has a field 'needed', which the record lacks",
    ])
  })

  it('of two topics with one name for two types is refused', async () => {
    const other = {
      ...SCHEMAS.returns,
      fields: [
        { name: 'id', type: 'string' },
        { name: 'why', type: { type: 'enum', name: 'Kind', symbols: ['BROKEN'] } },
      ],
    }
    const yaml = 'topology: lines\nkind: transform\nfrom: [baskets, returns]\nkeep: [kind, why]\nto: lines\n'
    const files = { 'topologies/lines.yaml': yaml, 'schemas/returns.avsc': JSON.stringify(other) }
    expect(await problemsOf(files)).toEqual(['lines.yaml:4:7 two different types are named shop.Kind'])
  })
})

describe('topologies that read what others write', () => {
  const CITIES = `topology: cities
kind: features
from: lines
entity: city
by: city
features:
  lines_1h: { window: 1h, as: count, when: event.product != "" }
`
  it('are checked against what is made, and come after who makes it', async () => {
    const files = { 'topologies/a-cities.yaml': CITIES, 'topologies/lines.yaml': TRANSFORM }
    const found = await checkProject(await project(files))
    expect(found.project?.topologies.map(({ name }) => name)).toEqual(['lines', 'cities'])
    expect(await problemsOf({ ...files, 'topologies/a-cities.yaml': CITIES.replace('product', 'prodct') })).toEqual([
      "a-cities.yaml:7:50 no field 'prodct' → product",
    ])
  })

  it('know that its records are named, so that repeats are dropped', async () => {
    const files = { 'topologies/cities.yaml': CITIES, 'topologies/lines.yaml': TRANSFORM }
    const found = await checkProject(await project(files))
    expect(found.project?.topologies.flatMap(({ sources }) => sources.map(({ name, named }) => [name, named]))).toEqual(
      [
        ['baskets', false],
        ['lines', true],
      ],
    )
  })

  it('of another project may be told that they are', async () => {
    const yaml = CITIES.replace('from: lines', 'from: baskets')
      .replace('by: city', 'by: storeId')
      .replace('event.product', 'event.id')
    const files = { 'topologies/cities.yaml': yaml, 'millrace.yaml': 'topics: { baskets: { named: true } }\n' }
    const { project: found } = await checkProject(await project(files))
    expect(found?.topologies[0]?.sources.map(({ named }) => named)).toEqual([true])
  })

  it('in a circle are refused', async () => {
    const there = 'topology: there\nkind: transform\nfrom: there\nto: back\n'
    const back = 'topology: back\nkind: transform\nfrom: back\nto: there\n'
    expect(await problemsOf({ 'topologies/a.yaml': there, 'topologies/b.yaml': back })).toEqual([
      "b.yaml:3:7 topic 'back' is made of what is made here: records would go round for ever",
    ])
  })

  it('may be declared with a time, though no file has the schema', async () => {
    const files = {
      'topologies/lines.yaml': TRANSFORM.replace('city: store.city', 'at: event.at'),
      'millrace.yaml': 'topics: { lines: { time: at, partitions: 3, retention: forever } }\n',
    }
    const found = await checkProject(await project(files))
    expect(found.problems).toEqual([])
    const [topic] = found.project ? transformIn(found.project, 'lines').writes : []
    expect(topic).toMatchObject({ name: 'lines', partitions: 3, retentionMs: -1 })
  })

  it('that write the same topic have to agree', async () => {
    const other = 'topology: more\nkind: transform\nfrom: returns\nmap: { basket: event.id, product: 5 }\nto: lines\n'
    expect(await problemsOf({ 'topologies/lines.yaml': TRANSFORM, 'topologies/more.yaml': other })).toEqual([
      "more.yaml:4:35 'product' does not fit the schema of lines: it is long, and string is expected",
    ])
  })
})

it('of a record, no more is made than memory holds', async () => {
  const text = 'topology: lines\nkind: transform\nfrom: baskets\nflatten: event.items\nkeep: [note, items]\nto: lines\n'
  const topology = await compiled(text)
  const basket = (items: number) => ({
    note: 'n'.repeat(1 << 16),
    items: Array.from({ length: items }, () => ({ product: 'p', cents: 1 })),
  })
  expect(make(topology, basket(2))).toHaveLength(2)
  expect(() => make(topology, basket(2_000))).toThrow(expect.objectContaining({ code: 'record-too-large' }))
})
