import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { hash53 } from '../../src/core/key.ts'
import { type FeatureTopology, outputSchema } from '../../src/features/compile.ts'
import { checkProject } from '../../src/project/check.ts'

const temporary: string[] = []
afterEach(async () => {
  for (const directory of temporary.splice(0)) await rm(directory, { recursive: true })
})

async function check(features: string, from = 'orders') {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-operators-'))
  temporary.push(directory)
  await cp(new URL('../../schemas', import.meta.url), join(directory, 'schemas'), { recursive: true })
  await mkdir(join(directory, 'topologies'))
  const text = `topology: it\nkind: features\nfrom: ${from}\nentity: store\nby: storeId\nfeatures:\n${features}\n`
  await writeFile(join(directory, 'topologies', 'it.yaml'), text)
  return checkProject(directory)
}

/** The problem stands at the `^`. */
const WRONG: readonly (readonly [what: string, feature: string, said: string])[] = [
  [
    'a setting of the wrong kind',
    '{ last: 5, of: totalCents, as: { percentile: ^high } }',
    "features.made.as.percentile is 'high'; a number",
  ],
  [
    'settings that are missing',
    '{ last: 5, of: totalCents, as: ^percentile }',
    'percentile needs settings; a mapping as in ',
  ],
  [
    'a setting too large',
    '{ last: 5, of: totalCents, as: { percentile: ^101 } }',
    'features.made.as.percentile is 101; at most 100',
  ],
  ['an unknown setting', '{ last: 5, of: city, as: { top: 3, ^off: 1 } }', "unknown key 'off'; one of top"],
  [
    'settings that the operator does not take',
    '{ last: 5, of: totalCents, as: ^{ mean: 5 } }',
    'mean takes no settings; as: mean',
  ],
  [
    'settings of no operator',
    '{ last: 5, of: totalCents, as: ^{ percentil: 5 } }',
    "no operator 'percentil' → percentile",
  ],
  ['an operator of another name', '{ last: 5, of: totalCents, as: ^p95 }', "no operator 'p95' → percentile"],
  ['a list of operators', '{ last: 5, of: totalCents, as: ^[mean] }', 'no operator a list'],
  [
    'a rate over no span of time',
    '{ lifetime: true, as: ^rate }',
    "rate makes no sense over 'lifetime': a rate is over a span of time; one of",
  ],
  [
    'a spectrum of what is open',
    '{ lifecycle: orderId, opens: event.city == "A", closes: event.city == "B", of: totalCents, as: ^{ spectral: 1m } }',
    "spectral makes no sense over 'lifecycle': a spectrum is of a series of times; one of last, lifetime",
  ],
  [
    "a value of one's own where the aggregation measures",
    '{ lifecycle: orderId, opens: event.city == "A", closes: event.city == "B", measure: age, ^of: totalCents, as: max }',
    "'lifecycle' gives values of its own here; no 'of'",
  ],
  [
    'a refresh of what does not age',
    '{ lifecycle: orderId, opens: event.city == "A", closes: event.city == "B", measure: duration, every: ^1m, as: max }',
    'every goes with measure: age alone',
  ],
  [
    'an allowance longer than the window',
    '{ tumbling: 10m, allowance: ^11m, as: count }',
    'allowance is longer than the windows',
  ],
  [
    'a window that is no multiple of its resolution',
    '{ window: 10m, resolution: ^7m, as: count }',
    'window is not 1 to 1000 times as long as resolution',
  ],
  ['the mean of texts', '{ last: 5, of: ^city, as: mean }', 'this is a text; a number'],
  [
    'the last of true or false',
    '{ last: 5, of: ^event.city == "A", as: last }',
    'this is true or false; a number or a text',
  ],
  [
    'a default that is no text',
    '{ last: 5, of: city, as: last, default: ^5 }',
    'features.made.default is 5; a value of type string',
  ],
  [
    'a default that is no list',
    '{ last: 5, of: city, as: { top: 3 }, default: ^none }',
    "features.made.default is 'none'; a value of type list of string",
  ],
  [
    'a default that is no whole number',
    '{ last: 5, of: totalCents, as: last, default: ^0.5 }',
    'features.made.default is 0.5; a value of type long',
  ],
  [
    'a default of what is never null',
    '{ last: 5, of: city, as: distinct, ^default: 0 }',
    'distinct over nothing is 0, so a default is never used; no default',
  ],
  [
    'a ratio of what is not there',
    '{ ratio: [orders, ^ordes] }',
    "no feature 'ordes' to take a ratio of; one of orders → orders",
  ],
  ['a ratio of itself', '{ ratio: [^made, orders] }', "no feature 'made' to take a ratio of; one of orders"],
  ['a ratio of a text', '{ ratio: [^city, orders] }', "'city' is not a number; one of orders"],
  ['a ratio of one', '{ ratio: ^[orders] }', 'features.made.ratio is a list; at least 2 items'],
  [
    'a ratio that remembers',
    '{ ratio: [orders, orders], ^window: 5m }',
    "unknown key 'window'; one of ratio, default, description",
  ],
]

describe('a feature with', () => {
  it.each(WRONG)('%s is refused at its place', async (_, feature, said) => {
    const orders = '  orders: { last: 5, as: count }\n  city: { last: 5, of: city, as: last }'
    const { problems } = await check(`  made: ${feature.replace('^', '')}\n${orders}`)
    const [first] = problems
    expect(problems).toHaveLength(1)
    expect([first?.line, first?.column]).toEqual([7, '  made: '.length + feature.indexOf('^') + 1])
    const { message, expected, suggestion } = first as (typeof problems)[0]
    const whole = [
      message,
      expected === undefined ? [] : `; ${expected}`,
      suggestion === undefined ? [] : ` → ${suggestion}`,
    ]
    for (const part of said.split(/(?=; | → )/)) expect(whole.flat().join('')).toContain(part)
  })

  it('a value that is a number on one topic and a text on another is refused', async () => {
    const { problems } = await check(
      '  made: { last: 5, of: { orders: totalCents, acceptances: by }, as: distinct }',
      '[orders, acceptances]',
    )
    expect(problems.map(({ column, message }) => [column, message])).toEqual([
      [24, 'this is a number on one topic and a text on another'],
    ])
  })
})

async function topologyOf(features: string): Promise<FeatureTopology> {
  const { problems, project } = await check(features)
  expect(problems).toEqual([])
  return project?.topologies[0] as FeatureTopology
}

describe('the type of a feature', () => {
  it('is that of its operator, of its values, or a list of them; the output has the Avro type', async () => {
    const topology = await topologyOf(`
  count: { last: 5, as: count }
  percentile: { last: 5, of: totalCents, as: { percentile: 95 } }
  cents: { last: 5, of: totalCents, as: last }
  seconds: { last: 5, of: prepSeconds, as: first, default: 0.5 }
  city: { last: 5, of: city, as: last, default: NOWHERE }
  type: { lifetime: true, of: event.type, as: first }
  cities: { last: 5, of: city, as: { top: 3 }, default: [] }
  amounts: { last: 5, of: totalCents, as: { top: 3 } }
  spectrum: { window: 1h, of: prepSeconds, as: { spectral: 1m, points: 8 } }
  power: { window: 1h, of: prepSeconds, as: { spectral: 1m, points: 8, between: [2m, 4m] } }
  distinct: { window: 1h, of: customerId, as: distinct }
  share: { ratio: [count, cents] }`)
    const types = Object.fromEntries(topology.features.map(({ name, type }) => [name, type]))
    expect(types).toEqual({
      count: 'long',
      percentile: 'double',
      cents: 'long',
      seconds: 'double',
      city: 'string',
      type: 'string',
      cities: 'list of string',
      amounts: 'list of long',
      spectrum: 'list of double',
      power: 'double',
      distinct: 'long',
      share: 'double',
    })
    const { fields } = outputSchema(topology)
    const avro = (name: string) => fields.find((field) => field.name === name)?.type
    expect([avro('city'), avro('cities')]).toEqual([
      ['null', 'string'],
      ['null', { type: 'array', items: 'string' }],
    ])
  })
})

describe('texts in rows', () => {
  it('stand as they are for operators that say them, the long ones cut, and as hashes for those that only tell them apart', async () => {
    const topology = await topologyOf(`
  city: { last: 5, of: city, as: last }
  cities: { last: 5, of: city, as: distinct }
  counted: { last: 5, of: city, as: count }`)
    const columns = topology.flow([]).sources[0]?.plan.columns ?? []
    expect(columns[0]?.fill({ city: 'x'.repeat(1_000_000) })).toBe('x'.repeat(256))
    expect(columns.map(({ id, kind, fill }) => [id, kind, fill({ city: 'TURIN' }), fill({ city: null })])).toEqual([
      ['cut:event.city', 'text', 'TURIN', null],
      ['hash:event.city', 'number', hash53('TURIN'), null],
    ])
  })
})

describe('a ratio', () => {
  it('stands where it was declared, and is of the two features at the same moment, with their defaults', async () => {
    const topology = await topologyOf(`
  share: { ratio: [big, all] }
  all: { lifetime: true, as: count }
  share_or_0: { ratio: [big, all], default: 0 }
  big: { lifetime: true, as: count, when: event.totalCents > 1000 }
  share_of_mean: { ratio: [mean, all], default: -1 }
  mean: { lifetime: true, as: mean, of: prepSeconds }`)
    const flow = topology.flow([])
    expect(flow.features).toEqual(['share', 'all', 'share_or_0', 'big', 'share_of_mean', 'mean'])
    const reducer = flow.reducer([])
    const state = reducer.create()
    expect(reducer.evaluate(state, 0)).toEqual([null, 0, 0, 0, -1, null])
    const { plan } = flow.sources[0] as (typeof flow.sources)[0]
    const events = [500, 1_500, 2_500].map((totalCents) => ({ totalCents, prepSeconds: null }))
    const columns = plan.columns.map(({ id, kind, fill }) => {
      const values = events.map((event) => fill(event))
      return [
        id,
        kind === 'flag'
          ? Uint8Array.from(values, Number)
          : Float64Array.from(values, (each) => (each as number | null) ?? Number.NaN),
      ] as const
    })
    const apply = reducer.apply({
      length: 3,
      position: new Float64Array(3),
      time: new Float64Array(3),
      tie: new Float64Array(3),
      keys: ['a'],
      keyOf: new Uint16Array(3),
      columns: new Map(columns),
    })
    for (const row of [0, 1, 2]) apply(state, row, 0)
    expect(reducer.evaluate(state, 0)).toEqual([2 / 3, 3, 2 / 3, 2, -1, null])
  })
})
