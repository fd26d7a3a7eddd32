import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Event } from '../../src/core/model.ts'
import { checkProject } from '../../src/project/check.ts'
import { featuresOf } from '../../src/project/kinds.ts'

const timestamp = { type: 'long', logicalType: 'timestamp-millis' }
const visits = {
  type: 'record',
  name: 'Visit',
  fields: [
    { name: 'store', type: 'string' },
    { name: 'courier', type: ['null', 'string'] },
    { name: 'arrivedAt', type: timestamp },
    { name: 'leftAt', type: ['null', timestamp] },
  ],
}
const pauses = { ...visits, name: 'Pause', fields: [...visits.fields, { name: 'minutes', type: 'int' }] }

async function check(yaml: string) {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-dimensions-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  const files = { 'schemas/visits.avsc': visits, 'schemas/pauses.avsc': pauses, 'topologies/visits.yaml': yaml }
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(directory, name)), { recursive: true })
    await writeFile(join(directory, name), typeof content === 'string' ? content : JSON.stringify(content))
  }
  const { problems, project } = await checkProject(directory)
  return {
    said: problems.map(({ line, column, message, suggestion = '' }) => `${line}:${column} ${message} → ${suggestion}`),
    topologies: featuresOf(project?.topologies ?? []),
  }
}

const SEVERAL = `topology: visits
kind: features
from: visits
where: waiting > 0
let:
  waiting: event.leftAt - event.arrivedAt
dimensions:
  store:
    by: store
    features:
      waiting_mean_50: { last: 50, of: waiting, as: mean }
  courier:
    by: courier
    features:
      visits_1h: { window: 1h, as: count }
      long_1h: { window: 1h, as: count, when: waiting > 60000 }
    to: [store, { topic: courier-visits }]
  pair:
    by: [store, courier]
    features:
      visits_total: { lifetime: true, as: count }
`

describe('several dimensions of one topology', () => {
  it('are topologies of their own, with what they share', async () => {
    const { said, topologies } = await check(SEVERAL)
    expect(said).toEqual([])
    expect(
      topologies.map(({ name, entity, by, features }) => [name, entity, by, features.map((one) => one.name)]),
    ).toEqual([
      ['visits-store', 'store', ['store'], ['waiting_mean_50']],
      ['visits-courier', 'courier', ['courier'], ['visits_1h', 'long_1h']],
      ['visits-pair', 'pair', ['store', 'courier'], ['visits_total']],
    ])
    expect(topologies.map(({ outputs }) => outputs.map(({ kind }) => kind))).toEqual([
      ['store'],
      ['store', 'topic'],
      ['store'],
    ])
  })

  it('compute what they would in files of their own', async () => {
    const alone = `topology: visits-courier
kind: features
from: visits
where: event.leftAt - event.arrivedAt > 0
entity: courier
by: courier
features:
  visits_1h: { window: 1h, as: count }
  long_1h: { window: 1h, as: count, when: event.leftAt - event.arrivedAt > 60000 }
to: [store, { topic: courier-visits }]
`
    const columnsOf = async (yaml: string) => {
      const flow = (await check(yaml)).topologies.find(({ name }) => name === 'visits-courier')?.flow([])
      return [flow?.generation, flow?.sources[0]?.plan.columns.map(({ id }) => id), flow?.sources[0]?.fields]
    }
    expect(await columnsOf(SEVERAL)).toEqual(await columnsOf(alone))
  })

  it('keep their definition while another one changes', async () => {
    const definitions = async (yaml: string) => (await check(yaml)).topologies.map(({ definition }) => definition)
    const [before, after] = [await definitions(SEVERAL), await definitions(SEVERAL.replace('last: 50', 'last: 40'))]
    expect(after.map((definition, i) => definition === before[i])).toEqual([false, true, true])
  })

  it('have the parts of an id joined', async () => {
    const { topologies } = await check(SEVERAL)
    const key = topologies[2]?.flow([]).sources[0]?.plan.key as (event: Event) => string | null
    expect(key({ store: 'a:b', courier: 'c' })).toBe('a%3Ab:c')
    expect(key({ store: 'a', courier: null })).toBe(null)
  })

  it.each([
    ['by: courier\n', 'by: couriers\n', "13:9 no field 'couriers' → courier"],
    ['of: waiting', 'of: waitin', "11:40 no field 'waitin' → waiting"],
    ['    to: [store, {', '    to: [stor, {', "17:10 no sink 'stor' → store"],
    ['  store:\n    by: store', '  store:\n    where: waiting > 5\n    by: store', "9:5 unknown key 'where' → "],
    ['dimensions:', 'by: store\ndimensions:', "7:1 'by' stands beside 'dimensions' → "],
    ['    by: store\n', '', "9:5 'by' is missing → "],
    ['where: waiting > 0', 'where: waiting', '4:8 this is a whole number (int) → '],
    ['event.leftAt -', 'event.leftA -', "6:18 no field 'leftA' → leftAt"],
  ])('with %j written %j point at the place', async (right, wrong, said) => {
    expect((await check(SEVERAL.replace(right, wrong))).said).toEqual([said])
  })

  it('cannot be none', async () => {
    const { said } = await check(`${SEVERAL.slice(0, SEVERAL.indexOf('dimensions:'))}dimensions: {}\n`)
    expect(said).toEqual(['7:13 there are no dimensions → '])
  })
})

describe('a named expression', () => {
  const one = (more: string, features: string) => `topology: visits
kind: features
from: [visits, pauses]
${more}
entity: store
by: store
features:
  ${features}
`

  it('may be another one on each topic, and is null where a topic has none', async () => {
    const { said, topologies } = await check(
      one('let: { long: { pauses: event.minutes > 5 } }', 'long_1h: { window: 1h, as: count, when: long }'),
    )
    expect(said).toEqual([])
    const [visit, pause] = topologies[0]?.flow([]).sources.map(({ plan }) => plan.columns[0]?.fill) ?? []
    expect([visit?.({}), pause?.({ minutes: 6 }), pause?.({ minutes: 5 })]).toEqual([false, true, false])
  })

  it('may name the entity, and what it says decides the generation', async () => {
    const by = (text: string) =>
      check(one(`let: { spot: ${text} }`, 'visits_1h: { window: 1h, as: count }').replace('by: store', 'by: spot'))
    const { said, topologies } = await by('event.store + "/" + event.courier')
    expect(said).toEqual([])
    const [topology] = topologies
    expect(topology?.keyFields).toEqual(['spot'])
    expect(topology?.flow([]).sources[0]?.plan.key({ store: 'a', courier: 'b' })).toBe('a/b')
    expect((await by('event.store')).topologies[0]?.generation).not.toBe(topology?.generation)
  })

  it.each([
    ['let: { store: event.store }', "4:8 'store' is a field of the events already → "],
    ['let: { event: store }', "4:8 'event' is a name already → "],
    ['let: { a: b, b: event.store }', "4:11 no field 'b' → "],
    ['let: { a: event.store + 1 }', "4:25 '+' does not go between a text and a whole number (int) → "],
    ['let: { a: { visit: event.store } }', "4:13 'visit' is not in from → visits"],
  ])('as in %j is refused at its place', async (wrong, said) => {
    expect((await check(one(wrong, 'visits_1h: { window: 1h, as: count }'))).said).toEqual([said])
  })
})
