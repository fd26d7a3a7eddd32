import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { type CheckOptions, checkProject, renderProblems } from '../../src/project/check.ts'

const temporary: string[] = []
afterEach(async () => {
  for (const directory of temporary.splice(0)) await rm(directory, { recursive: true })
})

/** A project with the schemas of this repository and the files given. */
async function project(files: Readonly<Record<string, string>>): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-check-'))
  temporary.push(directory)
  await cp(new URL('../../schemas', import.meta.url), join(directory, 'schemas'), { recursive: true })
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(directory, name)), { recursive: true })
    await writeFile(join(directory, name), text)
  }
  return directory
}

/** Every problem as `file:line:column message → suggestion`. */
async function found(files: Readonly<Record<string, string>>, options?: CheckOptions): Promise<string[]> {
  const { problems } = await checkProject(await project(files), options)
  return problems.map(
    ({ file, line, column, message, suggestion }) =>
      `${file}:${line}:${column} ${message}${suggestion === undefined ? '' : ` → ${suggestion}`}`,
  )
}

const RIGHT = `topology: load
kind: features
from: orders
entity: store
by: storeId
features:
  made: { last: 5, as: count }
`

/** What is wrong, how it comes about in RIGHT (this text, that instead), and what is said. */
const WRONG: readonly (readonly [string, string, string, string])[] = [
  [
    'a percentile as a share',
    'as: count',
    'of: totalCents, as: { percentile: 0.9 }',
    '7:54 features.made.as.percentile is 0.9, a share → percentile: 90',
  ],
  ['an unknown key', 'by: storeId', 'by: storeId\nwher: event.city == "A"', "6:1 unknown key 'wher' → where"],
  ['an unknown kind', 'kind: features', 'kind: feature', "2:7 kind is 'feature' → features"],
  ['a mapping for a kind', 'kind: features', 'kind: { a: 1 }', '2:7 kind is a mapping'],
  ['a list of mappings for a kind', 'kind: features', 'kind: [{ a: 1 }]', '2:7 kind is a list'],
  [
    'a name that would colour a terminal',
    'by: storeId',
    'by: storeId\n"\\e[31mred": 1',
    "6:1 unknown key '\\u001b[31mred'",
  ],
  [
    'a name that would look like another problem',
    'by: storeId',
    'by: storeId\n"a\\nb.yaml:1:1: \u202ex": 1',
    "6:1 unknown key 'a\\u000ab.yaml:1:1: \\u202ex'",
  ],
  ['a missing key', 'entity: store\n', '', "1:1 'entity' is missing"],
  ['a name with capitals', 'topology: load', 'topology: Load', "1:11 topology is 'Load'"],
  ['a number for a name', 'topology: load', 'topology: 7', '1:11 topology is 7'],
  ['an unknown topic', 'from: orders', 'from: order', "3:7 unknown topic 'order' → orders"],
  [
    'one unknown topic of two',
    'from: orders',
    'from: [orders, acceptance]',
    "3:16 unknown topic 'acceptance' → acceptances",
  ],
  ['a topic that stands twice', 'from: orders', 'from: [orders, orders]', "3:16 topic 'orders' stands twice"],
  ['no topics', 'from: orders', 'from: []', '3:7 from is an empty list'],
  ['an unknown field in by', 'by: storeId', 'by: [courierId, storeID]', "5:17 no field 'storeID' → storeId"],
  ['a number as key', 'by: storeId', 'by: prepSeconds', '5:5 this is a number (double)'],
  ['a path below a text', 'by: storeId', 'by: storeId.x', '5:13 a text has no fields'],
  ['an expression as key', 'by: storeId', 'by: event["x"]', `5:5 by is 'event["x"]'`],
  ['no features', '\n  made: { last: 5, as: count }', ' {}', '6:11 there are no features'],
  ['features as a list', '\n  made: { last: 5, as: count }', '\n  - made', '7:3 features is a list'],
  ['a feature with a bad name', 'made:', 'made-x:', "7:3 'made-x' is not a right name"],
  ['a feature that is a text', '{ last: 5, as: count }', 'count', "7:9 features.made is 'count'"],
  [
    'a feature that remembers nothing',
    '{ last: 5, as: count }',
    '{ lst: 5, as: count }',
    "7:3 feature 'made' does not say which events it remembers → last",
  ],
  ['a feature that remembers twice', 'last: 5', 'last: 5, window: 5m', "7:20 feature 'made' is both last and window"],
  ['a feature without operator', ', as: count', '', "7:9 'as' is missing"],
  ['an unknown operator', 'as: count', 'as: cuont', "7:24 no operator 'cuont' → count"],
  ['an operator by another name', 'as: count', 'as: avg', "7:24 no operator 'avg' → mean"],
  ['a duration with a space', 'last: 5', 'window: 5 m', "7:19 features.made.window is '5 m', not a duration → 5m"],
  ['a duration in words', 'last: 5', 'window: 2hours', "7:19 features.made.window is '2hours', not a duration → 2h"],
  ['the beginning of a field', 'by: storeId', 'by: customer', "5:5 no field 'customer' → customerId"],
  ['an operator without of', 'as: count', 'as: mean', "7:3 'of' is missing"],
  [
    'an unknown key of a feature',
    'count }',
    'count, wen: event.type == "ORDER_PICKED" }',
    "7:31 unknown key 'wen' → when",
  ],
  [
    'a key of another aggregation',
    'count }',
    'count, opens: event.type == "ORDER_PICKED" }',
    "7:31 unknown key 'opens'",
  ],
  ['a setting out of its range', 'last: 5', 'last: 0', '7:17 features.made.last is 0'],
  ['a text for a number', 'last: 5', 'last: five', "7:17 features.made.last is 'five'"],
  ['a bad duration', 'last: 5', 'window: 5min', "7:19 features.made.window is '5min', not a duration → 5m"],
  [
    'a default that is never used',
    'count }',
    'count, default: 0 }',
    '7:31 count over nothing is 0, so a default is never used',
  ],
  [
    'a default that is a text',
    'as: count',
    'as: mean, of: prepSeconds, default: none',
    "7:56 features.made.default is 'none'",
  ],
  ['a feature named as a result is dated', 'made:', 'at:', "7:3 'at' is a field of every result already"],
  [
    'an unknown field in an expression',
    'count }',
    'count, when: event.tpye == "ORDER_PICKED" }',
    "7:43 no field 'tpye' → type",
  ],
  [
    'a symbol that the enum lacks',
    'count }',
    'count, when: event.type == "ORDER_PICKD" }',
    '7:51 the field never is "ORDER_PICKD" → "ORDER_PICKED"',
  ],
  ['a text where a number is needed', 'as: count', 'as: mean, of: city', '7:34 this is a text'],
  [
    'int and double mixed',
    'count }',
    'count, when: event.prepSeconds == 3 }',
    "7:58 '==' does not go between a number (double) and a whole number (int)",
  ],
  [
    'a regular expression',
    'count }',
    'count, when: \'event.city.matches("a+")\' }',
    '7:49 regular expressions are refused: their run time has no bound; use startsWith, endsWith, contains or in',
  ],
  [
    'a macro',
    'by: storeId',
    'by: storeId\nwhere: event.city.exists(c, c == "A")',
    '6:19 exists() is not in this version; of the macros only has() is',
  ],
  ['half an expression', 'by: storeId', 'by: storeId\nwhere: event.city ==', '6:21 the expression ends too early'],
  [
    'an error inside double quotes',
    'by: storeId',
    'by: storeId\nwhere: "event.city == \\"A\\" && event.citi == \\"B\\""',
    "6:38 no field 'citi' → city",
  ],
  [
    'an error inside single quotes',
    'by: storeId',
    "by: storeId\nwhere: 'event.city == \"it''s\" && event.citi == 1'",
    "6:40 no field 'citi' → city",
  ],
  [
    'an error inside a folded block',
    'by: storeId',
    'by: storeId\nwhere: >\n  event.city == "A" &&\n  event.type == "ORDER_CREATED" &&\n  event.citi == "B"',
    "9:9 no field 'citi' → city",
  ],
  [
    'an error inside a literal block',
    'by: storeId',
    'by: storeId\nwhere: |-\n    event.city == "A"\n    && event.citi == "B"',
    "8:14 no field 'citi' → city",
  ],
  [
    'an error on the second line of a plain text',
    'by: storeId',
    'by: storeId\nwhere: event.city == "A" &&\n  event.citi == "B"',
    "7:9 no field 'citi' → city",
  ],
  [
    'an expression for a topic that is not read',
    'count }',
    'count, when: { order: event.city == "A" } }',
    "7:39 'order' is not in from → orders",
  ],
  [
    'an expression wrong on one topic of two',
    'from: orders',
    'from: [orders, acceptances]\nwhere: event.city == "A"',
    "4:14 no field 'city' (topic acceptances)",
  ],
  [
    'an expression wrong on both topics',
    'from: orders',
    'from: [orders, acceptances]\nwhere: event.stroeId == "A"',
    "4:14 no field 'stroeId' → storeId",
  ],
  ['an unknown sink', 'entity: store', 'entity: store\nto: [stoer]', "5:6 no sink 'stoer' → store"],
  ['a wrong setting of a sink', 'entity: store', 'entity: store\nto: [store, { topic: 5 }]', '5:22 to.1.topic is 5'],
  ['a start that is no time', 'entity: store', 'entity: store\nstart: yesterday', "5:8 start is 'yesterday'"],
  [
    'a forgetting without unit',
    'entity: store',
    'entity: store\nforgetAfter: 90',
    '5:14 forgetAfter is 90, not a duration',
  ],
  [
    'an unknown key of the owner',
    'entity: store',
    'entity: store\nowner: { domian: logistics }',
    "5:10 unknown key 'domian' → domain",
  ],
  ['a key that stands twice', 'entity: store', 'entity: store\nentity: shop', "5:1 'entity' stands twice"],
  ['the key __proto__', 'entity: store', 'entity: store\n__proto__: { a: 1 }', "5:1 '__proto__' is refused as a key"],
  [
    'a list in an expression inside braces',
    'count }',
    'count, when: event.type in ["ORDER_PICKED"] }',
    '7:51 [ is not expected here',
  ],
  [
    'a condition that YAML takes for a mapping',
    'by: storeId',
    'by: storeId\nwhere: event.city == null ? true : false',
    "6:8 ': ' begins a mapping inside this text",
  ],
  [
    'a negation that YAML takes for a tag',
    'by: storeId',
    'by: storeId\nwhere: !event.city',
    '6:8 a text beginning with ! is a YAML tag',
  ],
  ['a tab', '  made:', '\tmade:', '7:1 a tab as indentation'],
  ['an alias without anchor', 'by: storeId', 'by: *key', '5:5 no anchor &key stands before this alias'],
  ['a list instead of a declaration', RIGHT, '- topology: load\n', '1:1 the file is a list'],
  ['an empty file', RIGHT, '', '1:1 the file is empty'],
  ['a second document', 'topology: load', 'a: 1\n---\ntopology: load', '2:1 a second document begins'],
]

describe('a topology with', () => {
  it.each(WRONG)('%s is refused at its place', async (_, before, instead, said) => {
    const text = RIGHT.replace(before, () => instead)
    expect(text).not.toBe(RIGHT)
    expect(await found({ 'topologies/load.yaml': text })).toEqual([`topologies/load.yaml:${said}`])
  })

  it('many faults is told all of them, in the order of the lines', async () => {
    const text = RIGHT.replace('kind: features', 'knd: features')
      .replace('from: orders', 'from: order')
      .replace('last: 5', 'window: soon')
    expect(await found({ 'topologies/load.yaml': text })).toEqual([
      "topologies/load.yaml:1:1 'kind' is missing",
      "topologies/load.yaml:2:1 unknown key 'knd' → kind",
      "topologies/load.yaml:7:19 features.made.window is 'soon', not a duration",
    ])
  })
})

it('an event time that is misspelt is taken for a field that is a time', async () => {
  const fields = [
    { name: 'pingId', type: 'string' },
    { name: 'pingedAt', type: { type: 'long', logicalType: 'timestamp-millis' } },
  ]
  const files = {
    'millrace.yaml': 'topics: { pings: { time: pingAt } }',
    'schemas/pings.avsc': JSON.stringify({ type: 'record', name: 'Ping', fields }),
    'topologies/a.yaml': RIGHT.replace('from: orders', 'from: pings').replace('storeId', 'pingId'),
  }
  expect(await found(files)).toEqual(["millrace.yaml:1:26 no field 'pingAt' → pingedAt"])
})

describe('the cause is told, and not what follows from it:', () => {
  const transform = 'topology: clean\nkind: transform\nfrom: orders\nfilter: event.totalCents > 1\nto: clean-orders\n'

  it('a wrong transform, not that others read what it would write', async () => {
    const reader = RIGHT.replace('from: orders', 'from: clean-orders')
    expect(await found({ 'topologies/a.yaml': reader, 'topologies/b.yaml': transform })).toEqual([
      "topologies/b.yaml:4:1 unknown key 'filter' → where",
    ])
  })
  it('a wrong feature, not the ratio of it', async () => {
    const text = `${RIGHT.replace('as: count', 'as: counts')}  other: { last: 5, as: count }\n  share: { ratio: [made, other] }\n`
    expect(await found({ 'topologies/a.yaml': text })).toEqual(["topologies/a.yaml:7:24 no operator 'counts' → count"])
  })
  it('a missing kind, with the kinds there are', async () => {
    const { problems } = await checkProject(await project({ 'topologies/a.yaml': 'topology: a\nfrom: orders\n' }))
    expect(problems).toMatchObject([{ message: "'kind' is missing", expected: 'one of features, transform' }])
  })
  it('a part named without its ending, with it', async () => {
    const text = RIGHT.replace('as: count', 'as: ./parts/x')
    expect(await found({ 'topologies/a.yaml': text })).toEqual([
      "topologies/a.yaml:7:24 no operator './parts/x' → ./parts/x.ts",
    ])
  })
})

describe('two topologies', () => {
  it('of one name are refused', async () => {
    const other = RIGHT.replace('made:', 'other:')
    expect(await found({ 'topologies/a.yaml': RIGHT, 'topologies/b.yml': other })).toEqual([
      "topologies/b.yml:1:11 topology 'load' is declared in topologies/a.yaml already",
    ])
  })
  it('of which one is a copy of the other have one fault', async () => {
    expect(await found({ 'topologies/a.yaml': RIGHT, 'topologies/b.yaml': RIGHT })).toEqual([
      "topologies/b.yaml:1:11 topology 'load' is declared in topologies/a.yaml already",
    ])
  })
  it('of one entity may not have a feature of the same name, of two they may', async () => {
    const other = RIGHT.replace('topology: load', 'topology: other')
    expect(await found({ 'topologies/a.yaml': RIGHT, 'topologies/b.yaml': other })).toEqual([
      "topologies/b.yaml:7:3 entity 'store' has a feature 'made' in topologies/a.yaml already",
    ])
    const courier = other.replace('entity: store', 'entity: courier')
    expect(await found({ 'topologies/a.yaml': RIGHT, 'topologies/b.yaml': courier })).toEqual([])
  })
})

/** What is wrong in `millrace.yaml`, the file, and what is said of it. */
const CONFIGS: readonly (readonly [string, string, string])[] = [
  ['an unknown key', 'deploymnt: city', "1:1 unknown key 'deploymnt' → deployment"],
  ['an unknown key of a section', 'engine:\n  idel: 2s', "2:3 unknown key 'idel' → idle"],
  ['a bad duration', 'engine: { idle: 2 }', '1:17 engine.idle is 2, not a duration'],
  ['an unknown kind of part', 'transport: { kind: kafak }', '1:20 no transport of this kind → kafka'],
  ['a part that is a text', 'transport: kafka', "1:12 transport is 'kafka'"],
  ['an unknown setting of a part', 'state: { kind: embedded, pth: x }', "1:26 unknown key 'pth' → path"],
  ['a port beyond all ports', 'http: { port: 80808 }', '1:15 http.port is 80808'],
  ['a topic with a bad name', 'topics: { "a b": {} }', "1:11 'a b' is not a right name"],
  ['an unknown key of a topic', 'topics:\n  orders: { tiem: occurredAt }', "2:13 unknown key 'tiem' → time"],
  ['a key without partitions', 'topics:\n  orders: { key: storeId }', '2:18 `key` stands without `partitions`'],
  [
    'a declared topic without schema',
    'topics:\n  visits: {}',
    '2:3 topic visits has no schema: there is no file schemas/visits.avsc',
  ],
  [
    'a declared topic whose schema has another name',
    'topics:\n  order: {}',
    '2:3 topic order has no schema: there is no file schemas/order.avsc → schemas/orders.avsc',
  ],
  [
    'a schema file that is not there',
    'topics:\n  orders: { schema: schemas/order.avsc }',
    '2:21 topic orders has no schema: there is no file schemas/order.avsc → schemas/orders.avsc',
  ],
  ['a time that is no field', 'topics:\n  orders: { time: occuredAt }', "2:19 no field 'occuredAt' → occurredAt"],
  ['a time that is no time', 'topics:\n  orders: { time: prepSeconds }', '2:19 time is of type double → occurredAt'],
  ['a time of 32 bits', 'topics:\n  orders: { time: totalCents }', '2:19 time is of type int → occurredAt'],
  ['an id that cannot be one', 'topics:\n  orders: { id: prepSeconds }', '2:17 this is a number (double)'],
  [
    'a key that is no field',
    'topics:\n  orders: { key: [storeId, cityId], partitions: 4 }',
    "2:28 no field 'cityId' → city",
  ],
  ['a start that is no time', 'engine: { start: 2026-01-31 }', "1:18 engine.start is '2026-01-31'"],
  ['a list', '- deployment: city', '1:1 the file is a list'],
]

describe('a millrace.yaml with', () => {
  it.each(CONFIGS)('%s is refused at its place', async (_, text, said) => {
    expect(await found({ 'millrace.yaml': text, 'topologies/load.yaml': RIGHT })).toEqual([`millrace.yaml:${said}`])
  })

  it('a fault in a topic does not hide those of others', async () => {
    const topics = 'topics:\n  orders: { time: occuredAt }\n  visits: { tiem: at }'
    expect(await found({ 'millrace.yaml': topics, 'topologies/load.yaml': RIGHT })).toEqual([
      "millrace.yaml:2:19 no field 'occuredAt' → occurredAt",
      expect.stringMatching('^millrace.yaml:3:3 topic visits has no schema'),
      "millrace.yaml:3:13 unknown key 'tiem' → time",
    ])
  })

  it('a fault does not hide the faults of topologies', async () => {
    const files = {
      'millrace.yaml': 'engine: { idle: 2 }',
      'topologies/load.yaml': RIGHT.replace('storeId', 'stroeId'),
    }
    expect(await found(files)).toEqual([
      'millrace.yaml:1:17 engine.idle is 2, not a duration',
      "topologies/load.yaml:5:5 no field 'stroeId' → storeId",
    ])
  })
  it('a missing folder of topologies is refused', async () => {
    expect(await found({ 'millrace.yaml': 'topologies: flows' })).toEqual([
      expect.stringMatching(/^millrace\.yaml:1:13 there is no folder \/.*\/flows$/),
    ])
    expect(await found({})).toEqual([
      expect.stringMatching(/^millrace\.yaml:1:1 neither millrace\.yaml nor a folder topologies is in \/.+$/),
    ])
  })
})

describe('the environment', () => {
  const variable = (name: string) => `$\{${name}}`
  const files = (text: string) => ({ 'millrace.yaml': text, 'topologies/load.yaml': RIGHT })
  it('is inserted where a text names it', async () => {
    const text = `deployment: ${variable('CITY')}-eats\nhttp: { port: '${variable('PORT')}' }\n`
    const environment = { CITY: 'turin', PORT: '9090' }
    const { project: right } = await checkProject(await project(files(text)), { environment })
    expect(right?.config).toMatchObject({ deployment: 'turin-eats', http: { port: 9090 } })
  })
  it('that lacks a variable is told by the name', async () => {
    expect(await found(files(`deployment: a-${variable('CITY')}`))).toEqual([
      'millrace.yaml:1:15 the environment has no variable CITY',
    ])
  })
  it('that lacks a variable has no other fault where a number stands', async () => {
    expect(await found(files(`http: { port: '${variable('PORT')}' }`))).toEqual([
      'millrace.yaml:1:16 the environment has no variable PORT',
    ])
  })
  it('is never said, neither are texts among the settings of parts', async () => {
    const environment = { SECRET: 'hunter2' }
    const text = `deployment: ${variable('SECRET')}!\nstate: { kind: redis, url: { password: hunter2 }, tls: hunter2 }\nhttp: { port: '${variable('SECRET')}' }\nregistry: http://me:hunter2@registry\n`
    const { problems } = await checkProject(await project(files(text)), { environment })
    expect(problems.length).toBeGreaterThanOrEqual(3)
    expect(renderProblems(problems)).not.toContain('hunter2')
  })
})

describe('a schema', () => {
  const files = (schema: string) => ({
    'schemas/visits.avsc': schema,
    'topologies/load.yaml': RIGHT.replace('orders', 'visits'),
  })
  it.each([
    ['ends too soon', '{\n  "type":', '2:10 it ends too soon'],
    ['goes on after its end', '{}\n{', '2:1 Unexpected non-whitespace character'],
  ])('that %s is refused at its place', async (_, text, said) => {
    expect(await found(files(text))).toEqual([`schemas/visits.avsc:${said}`])
  })
  it('that is no JSON is refused at its place', async () => {
    expect(await found(files('{\n  "type": "record"\n  "name": "V"\n}'))).toEqual([
      "schemas/visits.avsc:3:3 Expected ',' or '}' after property value",
    ])
  })
  it('that is no Avro is refused at its place', async () => {
    const [said] = await found(
      files('{\n  "type": "record", "name": "V",\n  "fields": [\n    { "name": "id", "type": "strin" }\n  ]\n}'),
    )
    expect(said).toMatch(/^schemas\/visits\.avsc:4:29 .*strin/)
  })
  it('may come from elsewhere where no file is', async () => {
    const schema = { type: 'record', name: 'V', fields: [{ name: 'storeId', type: 'string' }] }
    const remoteSchema = async (topic: string) => (topic === 'visits' ? schema : undefined)
    const text = RIGHT.replace('orders', 'visits')
    expect(await found({ 'topologies/load.yaml': text }, { remoteSchema })).toEqual([])
    expect(await found({ 'topologies/load.yaml': text.replace('visits', 'walks') }, { remoteSchema })).toEqual([
      "topologies/load.yaml:3:7 unknown topic 'walks'",
    ])
  })
})

describe('hostile YAML', () => {
  it.each([
    ['deep nesting', `a: ${'['.repeat(5_000)}`],
    [
      'aliases that multiply',
      `a: &a [x, x]\n${Array.from({ length: 40 }, (_, i) => `b${i}: &b${i} [${'*a,'.repeat(9)}*${i ? `b${i - 1}` : 'a'}, *${i ? `b${i - 1}` : 'a'}]`).join('\n')}`,
    ],
    ['an alias of itself', 'a: &a [*a]'],
    ['more than 1 MiB', `a: ${'x'.repeat(1024 * 1024)}`],
    ['many keys', Array.from({ length: 20_000 }, (_, i) => `k${i}: 1`).join('\n')],
  ])('%s ends in problems', async (_, text) => {
    const { problems } = await checkProject(await project({ 'topologies/load.yaml': text }))
    expect(problems.length).toBeGreaterThan(0)
    expect(problems.length).toBeLessThanOrEqual(200)
  })
})

describe('problems', () => {
  it('are rendered one a line, with what was expected and meant', () => {
    const problem = { file: 'a.yaml', line: 2, column: 3, code: 'unknown-key', message: "unknown key 'b'" } as const
    expect(renderProblems([{ ...problem, expected: 'one of c', suggestion: 'c' }, problem])).toBe(
      "a.yaml:2:3: unknown key 'b'\n    expected one of c\n    did you mean c?\na.yaml:2:3: unknown key 'b'",
    )
  })
})

it('leaves alone what editors hide beside the topologies', async () => {
  const directory = await project({ 'topologies/README.md': '', 'topologies/.a.yaml': 'half written: [' })
  await symlink('somebody@somewhere.1', join(directory, 'topologies/.#a.yaml'))
  expect((await checkProject(directory)).problems).toEqual([])
})

it('a mapping where millrace.yaml wants the name of a part is a problem', async () => {
  for (const config of ['state: { kind: { a: 1 } }', 'state: [{ a: 1 }]'])
    expect(await found({ 'topologies/load.yaml': RIGHT, 'millrace.yaml': config })).toHaveLength(1)
})

it('a file of so many tokens that reading it would take long is refused before', async () => {
  expect(await found({ 'topologies/load.yaml': `${RIGHT}x: ${'['.repeat(300_000)}` })).toEqual([
    'topologies/load.yaml:1:1 the file is larger than 200000 tokens',
  ])
})

it('what is no file that can be read is a fault of its own, and hides no others', async () => {
  const directory = await project({ 'topologies/right.yaml': RIGHT, 'topologies/huge.yaml': '#'.repeat(1_100_000) })
  const path = (name: string) => join(directory, 'topologies', name)
  await mkdir(path('folder.yaml'))
  await symlink('circle.yaml', path('circle.yaml'))
  await symlink('nowhere', path('dangling.yaml'))
  await symlink('/dev/zero', path('zero.yaml'))
  await rm(join(directory, 'schemas/orders.avsc'))
  await mkdir(join(directory, 'schemas/orders.avsc'))
  const { problems } = await checkProject(directory)
  expect(problems.map(({ file, message }) => `${file} ${message}`)).toEqual([
    'schemas/orders.avsc it is a folder',
    'topologies/circle.yaml it is a link that leads in a circle',
    'topologies/dangling.yaml it is a link that leads nowhere',
    'topologies/folder.yaml it is a folder',
    'topologies/huge.yaml the file is larger than 1048576 bytes',
    'topologies/zero.yaml it is no regular file',
  ])
})
