import { expect, it, onTestFinished } from 'vitest'
import { testTopology } from '../../src/testing/driver.ts'
import { weatherProject } from './project.ts'

const START = Date.parse('2026-01-01T00:00:00Z')
const HOUR = 3_600_000
const DIRECT = 'topics:\n  readings: { time: at, key: station.id, partitions: 4 }\n'

async function open(files: Readonly<Record<string, string>> = {}, start?: string) {
  const options = { directory: weatherProject(files), topology: 'heat' }
  const test = await testTopology(start === undefined ? options : { ...options, start })
  onTestFinished(() => test.close())
  return test
}
const reading = (celsius: number, more: object = {}) => ({ station: { id: 'north' }, celsius, sky: 'CLEAR', ...more })

it.each(['', DIRECT])(
  'computes what an event does at once, and what time does when the clock is moved',
  async (yaml) => {
    const test = await open(yaml === '' ? {} : { 'millrace.yaml': yaml })
    expect(await test.features('north')).toBeUndefined()
    await test.send('readings', reading(10), { at: '0s' })
    await test.send('readings', reading(20, { sky: 'CLOUDY' }), { at: '20m' })
    expect(test.now).toBe(START + HOUR / 3)
    expect((await test.features('north'))?.values).toEqual({ celsius_mean_1h: 15, cloudy_1h: 1 })
    await test.advance('40m')
    expect(await test.features('north')).toEqual({ at: START + HOUR, values: { celsius_mean_1h: 20, cloudy_1h: 1 } })
    await test.advance('7d')
    expect(test.now).toBe(START + 169 * HOUR)
    expect(await test.features('north')).toBeUndefined()
    expect(test.deadLetters()).toEqual([])
  },
)

it('meets every timer at its own time, and says each change to output topics in order', async () => {
  const test = await open()
  for (const at of ['0s', '10s', '70s']) await test.send('readings', reading(10), { at })
  const before = await test.outputs('heat')
  expect(before.map(({ value }) => value?.at)).toEqual([0, 10, 70].map((s) => START + s * 1000))
  await test.advance('30d')
  const after = await test.outputs('heat')
  expect(after.map(({ value }) => value?.at)).toEqual([...[0, 10, 70].map((s) => START + HOUR + s * 1000), undefined])
  expect(after.at(-1)).toEqual({ key: 'north', value: null })
  expect(await test.outputs('heat')).toEqual([])
})

it('lets windows of events that are older than the clock end too', async () => {
  const test = await open()
  await test.send('readings', reading(10, { at: '-3h' }))
  expect((await test.features('north'))?.at).toBe(START - 3 * HOUR)
  await test.advance('59m')
  expect((await test.features('north'))?.values.celsius_mean_1h).toBe(10)
  await test.advance('2m')
  expect((await test.features('north'))?.values.celsius_mean_1h).toBe(null)
})

it('takes times as offsets, ISO 8601 or milliseconds, from the start that was asked for', async () => {
  const test = await open({}, '2026-03-01T12:00:00Z')
  await test.send('readings', reading(1), { at: '2026-03-01T13:00:00+01:00' })
  await test.send('readings', reading(2), { at: '+10m' })
  await test.send('readings', reading(3, { at: Date.parse('2026-03-01T12:20:00Z') }))
  expect(await test.features('north')).toMatchObject({
    at: Date.parse('2026-03-01T12:20:00Z'),
    values: { celsius_mean_1h: 2 },
  })
})

it('tells what ended in the dead letters', async () => {
  const test = await open()
  await test.send('readings', reading(1, { at: '10m' }), { at: '0s' })
  await test.send('readings', reading(1, { station: { id: 'x'.repeat(2000) } }))
  expect(test.deadLetters()).toEqual([
    { code: 'time-in-future', topic: 'readings', reason: expect.stringContaining('600000 ms after') },
    { code: 'id-unfit', topic: 'readings', reason: expect.stringContaining('1024 bytes') },
  ])
  expect(test.deadLetters()).toEqual([])
})

it('fills fields that nobody reads, and refuses an event that lacks one that is read', async () => {
  const test = await open()
  const wrong = { station: {}, celsius: 'warm', sky: 'CLOUDI', windd: 3 }
  await expect(test.send('readings', wrong)).rejects.toMatchObject({
    code: 'value-unfit',
    message: expect.stringMatching(/windd.*station\.id.*celsius is 'warm'.*sky is 'CLOUDI'/),
  })
  await expect(test.send('reading', reading(1))).rejects.toThrow("heat does not read 'reading', it reads readings")
})

it('refuses an event that lacks a field that is read, also where every field is read', async () => {
  const every = `topology: heat
kind: features
from: readings
entity: station
by: station.id
features:
  reading: { lifetime: true, of: readingId, as: last }
  celsius: { lifetime: true, of: celsius, as: last }
  sky: { lifetime: true, of: sky, as: last }
  wind: { lifetime: true, of: wind, as: last }
  sensors: { lifetime: true, as: count, when: size(event.sensors) > 0 }
to: [store]
`
  const test = await open({ 'topologies/heat.yaml': every })
  await expect(test.send('readings', {})).rejects.toMatchObject({
    code: 'value-unfit',
    message: expect.stringMatching(/'station\.id'.*'celsius'.*'sky'.*'sensors'/),
  })
})

it("has states written and read back at every step, those of operators of one's own too", async () => {
  const forgetful = `import { z } from 'millrace'
export default {
  summary: 'Sum that decode loses half of.', config: z.strictObject({}), example: '',
  open: () => ({
    of: 'required', takes: 'numbers', type: 'double', empty: 0,
    create: () => ({ sum: 0 }), add: (acc, value) => { acc.sum += value }, merge: (acc, other) => { acc.sum += other.sum },
    result: ({ sum }) => sum, encode: ({ sum }, to) => to.double(sum), decode: (from) => ({ sum: from.double() / 2 }),
  }),
}
`
  const test = await open({
    'parts/forgetful.ts': forgetful,
    'topologies/heat.yaml': `topology: heat
kind: features
from: readings
entity: station
by: station.id
features:
  sum: { lifetime: true, of: celsius, as: ./parts/forgetful.ts }
to: [store]
`,
  })
  await test.send('readings', reading(8))
  await test.send('readings', reading(0))
  await test.send('readings', reading(0))
  expect((await test.features('north'))?.values).toEqual({ sum: 2 })
})

it.each([
  ['all that `keep: all` takes may be left out', 'keep: all', undefined],
  ['not what is kept by name', 'keep: [sky]', "'sky'"],
  ['not what map reads', 'map: { warm: event.celsius > 20.0 }', "'celsius'"],
  ['not what where reads', 'keep: all\nwhere: event.celsius > 20.0', "'celsius'"],
  ['not what the key reads', 'keep: all\nkey: event.station.id', "'station.id'"],
])('of the fields of an event for a transform, %s', async (_, written, missing) => {
  const transform = `topology: heat\nkind: transform\nfrom: readings\n${written}\nto: warm\n`
  const test = await open({ 'topologies/heat.yaml': transform })
  const sent = test.send('readings', {})
  if (missing === undefined) await sent
  else await expect(sent).rejects.toThrow(`the event has no ${missing}, which the topology reads`)
})

it('refuses a project that is wrong and a topology that it does not have', async () => {
  const directory = weatherProject()
  await expect(testTopology({ directory, topology: 'heet' })).rejects.toThrow("no topology 'heet', there are heat")
  const broken = weatherProject({ 'topologies/heat.yaml': 'topology: heat\n' })
  await expect(testTopology({ directory: broken, topology: 'heat' })).rejects.toThrow("'kind' is missing")
})

it('runs transforms: records made, looked up in tables, and routed', async () => {
  const station = {
    type: 'record',
    name: 'Place',
    fields: [
      { name: 'city', type: 'string' },
      { name: 'metres', type: 'int' },
    ],
  }
  const files = {
    'schemas/stations.avsc': JSON.stringify(station),
    'topologies/cities.yaml': `topology: cities
kind: transform
from: readings
tables: { place: { topic: stations, key: event.station.id } }
map: { celsius: event.celsius, city: place.city }
to: [city-readings, { topic: hot, when: event.celsius > 30.0 }]
`,
  }
  const test = await testTopology({ directory: weatherProject(files), topology: 'cities' })
  onTestFinished(() => test.close())
  await test.send('stations', { city: 'Kiel' }, { key: 'north' })
  await test.send('readings', reading(10))
  await test.send('readings', reading(35, { station: { id: 'south' } }), { key: 'x' })
  expect((await test.outputs('city-readings')).map(({ value }) => value)).toEqual([
    { celsius: 10, city: 'Kiel' },
    { celsius: 35, city: null },
  ])
  expect(await test.outputs('hot')).toEqual([{ key: 'x', value: { celsius: 35, city: null } }])
  expect(await test.features('north')).toBeUndefined()
})

it('reads the records of a topic of JSON as those of Avro', async () => {
  const hot = `topology: hot
kind: transform
from: readings
where: event.celsius > 30.0
map: { station: event.station.id, celsius: event.celsius, kelvin: event.celsius + 273.0 }
key: event.station.id
to: [{ topic: hot, format: json }, dry]
`
  const directory = weatherProject({ 'topologies/hot.yaml': hot })
  const test = await testTopology({ directory, topology: 'hot' })
  onTestFinished(() => test.close())
  for (const celsius of [20, 31]) await test.send('readings', reading(celsius))
  const record = { key: 'north', value: { station: 'north', celsius: 31, kelvin: 304 } }
  expect(await test.outputs('hot')).toEqual([record])
  expect(await test.outputs('dry')).toEqual([record])
})
