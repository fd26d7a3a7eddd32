import { symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { checkProject } from '../../src/project/check.ts'
import { testTopology } from '../../src/testing/driver.ts'
import { weatherProject } from '../testing/project.ts'

const SUM = `{
  of: 'required', takes: 'numbers', type: 'double', empty: null,
  create: () => ({ sum: 0, n: 0 }),
  add: (acc, value) => { acc.sum += value; acc.n++ },
  merge: (into, from) => { into.sum += from.sum; into.n += from.n },
  result: ({ sum, n }) => (n === 0 ? null : sum),
  encode: ({ sum, n }, to) => { to.double(sum); to.varint(n) },
  decode: (from) => ({ sum: from.double(), n: from.varint() }),
}`
const partOf = (open: string, more = '') =>
  `import { z } from 'millrace'
export default { summary: 'x', config: z.strictObject({ factor: z.number().default(1) }), example: '', ${more} open: ${open} }`

const topology = (feature: string, to = '[store]') => `topology: heat
kind: features
from: readings
entity: station
by: station.id
features:
  sum_1h: ${feature}
to: ${to}
`
const OPERATOR = '{ window: 1h, of: celsius, as: ./parts/own.ts }'

/** What check says of a project with this part, without the places of expectations. */
async function faults(part: string | undefined, feature = OPERATOR, to?: string): Promise<string[]> {
  const files = {
    'topologies/heat.yaml': topology(feature, to),
    ...(part === undefined ? {} : { 'parts/own.ts': part }),
  }
  const { problems } = await checkProject(weatherProject(files))
  return problems.map(({ line, column, code, message }) => `${line}:${column} ${code} ${message}`)
}

it.each([
  ['is not there', undefined, 'there is no file ./parts/own.ts'],
  ['exports nothing', 'export const a = 1', './parts/own.ts has no default export'],
  ['exports something else', 'export default () => 1', 'the default export of ./parts/own.ts is a function'],
  ['has no summary', 'export default {}', "'summary' of ./parts/own.ts is missing"],
  ['has no schema of settings', "export default { summary: '', config: {} }", "'config' of ./parts/own.ts is a object"],
  ['does not open', partOf('1'), "'open' of ./parts/own.ts is a number"],
  ['has no version that counts', partOf(`() => (${SUM})`, 'version: 0,'), "'version' of ./parts/own.ts is a number"],
  ['opens nothing', partOf('() => undefined'), 'open() of ./parts/own.ts gives a undefined'],
  [
    'lacks methods',
    partOf('() => ({ create: () => 1, add() {} })'),
    'what ./parts/own.ts opens has no merge, result, encode, decode',
  ],
  [
    'answers later',
    partOf(`() => ({ ...${SUM}, add: async () => { throw new Error('unheard') } })`),
    'add of what ./parts/own.ts opens is async',
  ],
  ['fails to open', partOf("() => { throw new Error('no luck') }"), 'open() of ./parts/own.ts fails: no luck'],
  ['never opens', partOf('() => { for (;;); }'), 'open() of ./parts/own.ts fails: no answer within 2000 ms'],
  [
    'says two things over nothing',
    partOf(`() => ({ ...${SUM}, empty: 0 })`),
    './parts/own.ts says null over no events',
  ],
  [
    'has no known type',
    partOf(`() => ({ ...${SUM}, type: 'number' })`),
    '\'type\' of what ./parts/own.ts opens is "number"',
  ],
  ['fails to load', "throw new Error('at once')", './parts/own.ts cannot be imported: at once'],
])('a part that %s is a fault at the place that names it', async (_, part, message) => {
  expect(await faults(part)).toEqual([expect.stringContaining(`7:42 bad-part ${message}`)])
})

it('the fault of a part that is no TypeScript names its line', async () => {
  const [fault] = await faults('export default {\n  summary: 1 2,\n}')
  expect(fault).toMatch(/^7:42 bad-part \.\/parts\/own\.ts(:\d+)? cannot be imported/)
})

it('a path that leads out of the project is refused, also by a link', async () => {
  const [outside] = await faults(undefined, '{ window: 1h, of: celsius, as: ../../etc/own.js }')
  expect(outside).toMatch(/^7:42 bad-part (there is no file|\.\.\/\.\.\/etc\/own\.js is outside)/)
  const [other, project] = [
    weatherProject(),
    weatherProject({ 'topologies/heat.yaml': topology(OPERATOR.replace('parts/', '')) }),
  ]
  writeFileSync(join(other, 'own.ts'), partOf(`() => (${SUM})`))
  symlinkSync(join(other, 'own.ts'), join(project, 'own.ts'))
  const { problems } = await checkProject(project)
  expect(problems).toMatchObject([{ code: 'bad-part', message: './own.ts is outside of the project' }])
})

it('settings of a part are checked by its own schema, at their place', async () => {
  const wrong = '{ window: 1h, of: celsius, as: { ./parts/own.ts: { factor: warm, fcator: 2 } } }'
  expect(await faults(partOf(`() => (${SUM})`), wrong)).toEqual([
    "7:70 bad-value features.sum_1h.as../parts/own.ts.factor is 'warm'",
    "7:84 unknown-key unknown key 'fcator'",
  ])
  const right = '{ window: 1h, of: celsius, as: { ./parts/own.ts: { factor: 2 } } }'
  expect(await faults(partOf(`() => (${SUM})`), right)).toEqual([])
})

it('a sink and an aggregation of one’s own are checked too', async () => {
  const builtIn = '{ window: 1h, of: celsius, as: mean }'
  expect(await faults('export default 1', builtIn, '[store, ./parts/own.ts]')).toEqual([
    '8:13 bad-part the default export of ./parts/own.ts is a number',
  ])
  expect(await faults('export default 1', builtIn, '[{ ./parts/own.ts: {} }]')).toHaveLength(1)
  const mine = '{ ./parts/own.ts: {}, of: celsius, as: mean }'
  expect(await faults(partOf("() => ({ memory: 'past', slots: () => [] })"), mine)).toEqual([
    "7:13 bad-part 'memory' of ./parts/own.ts is past",
  ])
  expect(await faults(partOf("() => ({ memory: 'all', slots: () => [] })"), mine)).toEqual([
    expect.stringContaining('bad-part the slots of ./parts/own.ts answer nothing'),
  ])
})

it('what a part remembers is named by its path and version, and its text is part of the definition', async () => {
  const compiled = async (part: string) => {
    const project = weatherProject({
      'topologies/heat.yaml': topology('{ lifetime: true, of: celsius, as: ./parts/own.ts }'),
      'parts/own.ts': part,
    })
    const [heat] = (await checkProject(project)).project?.topologies ?? []
    if (heat?.kind !== 'features') throw new Error('no features')
    return { slots: heat.flow([]).reducer([]).slots, definition: heat.definition, generation: heat.generation }
  }
  const first = await compiled(partOf(`() => (${SUM})`))
  const edited = await compiled(`${partOf(`() => (${SUM})`)} // edited`)
  const other = await compiled(partOf(`() => (${SUM})`, 'version: 2,'))
  expect(first.slots).toEqual([expect.stringContaining('./parts/own.ts@1')])
  expect(edited.slots).toEqual(first.slots)
  expect(other.slots).toEqual([expect.stringContaining('./parts/own.ts@2')])
  expect(new Set([first, edited, other].map(({ definition }) => definition)).size).toBe(3)
  expect(new Set([first, edited, other].map(({ generation }) => generation)).size).toBe(1)
})

it('an event that a part fails on is a dead letter of its own, in the driver as in a worker', async () => {
  const failing = SUM.replace('acc.sum += value;', "if (value > 100) throw new Error('too hot'); acc.sum += value;")
  const files = { 'topologies/heat.yaml': topology(OPERATOR), 'parts/own.ts': partOf(`() => (${failing})`) }
  const test = await testTopology({ directory: weatherProject(files), topology: 'heat' })
  onTestFinished(() => test.close())
  for (const celsius of [1, 1_000, 2]) await test.send('readings', { station: { id: 'north' }, celsius })
  expect((await test.features('north'))?.values).toEqual({ sum_1h: 3 })
  expect(test.deadLetters()).toEqual([{ code: 'part-failed', reason: 'too hot', topic: 'readings' }])
})

it('a promise is no answer, and one that rejects ends nothing', async () => {
  const later = SUM.replace('acc.n++ }', "acc.n++; if (value > 100) return Promise.reject(new Error('unheard')) }")
  const files = { 'topologies/heat.yaml': topology(OPERATOR), 'parts/own.ts': partOf(`() => (${later})`) }
  const test = await testTopology({ directory: weatherProject(files), topology: 'heat' })
  onTestFinished(() => test.close())
  for (const celsius of [1, 1_000, 2]) await test.send('readings', { station: { id: 'north' }, celsius })
  expect((await test.features('north'))?.values).toEqual({ sum_1h: 3 })
  expect(test.deadLetters()).toEqual([
    { code: 'part-failed', reason: 'add() gives a promise: it has to answer at once', topic: 'readings' },
  ])
  expect(await faults(partOf(`() => ({ ...${SUM}, create: () => Promise.reject(new Error('unheard')) })`))).toEqual([
    expect.stringContaining('open() of ./parts/own.ts fails: create() gives a promise'),
  ])
})

it('a part may be named in a dimension, where a fault of it is told', async () => {
  const dimensions = `topology: heat
kind: features
from: readings
dimensions:
  station: { by: station.id, features: { sum_1h: ${OPERATOR} } }
  sky: { by: sky, features: { sky_sum_1h: { window: 1h, of: celsius, as: mean } }, to: [store, ./parts/sink.ts] }
`
  const files = { 'topologies/heat.yaml': dimensions, 'parts/own.ts': partOf(`() => (${SUM})`) }
  const found = async (sink: string) => {
    const { problems, project } = await checkProject(weatherProject({ ...files, 'parts/sink.ts': sink }))
    return [problems.map(({ message }) => message), project?.topologies.map(({ name }) => name)]
  }
  expect(await found('export default 1')).toEqual([['the default export of ./parts/sink.ts is a number'], undefined])
  expect(await found(partOf('() => () => ({})'))).toEqual([[], ['heat-station', 'heat-sky']])
})

it('says what was probably meant: a path without its ./, another file, another setting', async () => {
  const meant = async (as: string) => {
    const feature = `{ window: 1h, of: celsius, as: ${as} }`
    const files = { 'topologies/heat.yaml': topology(feature), 'parts/own.ts': partOf(`() => (${SUM})`) }
    return (await checkProject(weatherProject(files))).problems.map(({ suggestion }) => suggestion)
  }
  expect(await meant('parts/own.ts')).toEqual(['./parts/own.ts'])
  expect(await meant('./parts/onw.ts')).toEqual(['./parts/own.ts'])
  expect(await meant('{ ./parts/own.ts: { fcator: 2 } }')).toEqual(['factor'])
})
