import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { weatherProject } from '../testing/project.ts'
import { call, start } from './cli.ts'

const ROOT = new URL('../..', import.meta.url).pathname

const RIGHT = `topology: heat
cases:
  - case: the mean forgets after an hour
    given:
      - { readings: { station: { id: north }, celsius: 10, sky: CLEAR } }
      - { at: 20m, readings: { station: { id: north }, celsius: 20.3, sky: CLEAR } }
    steps:
      - expect: { features: { north: { celsius_mean_1h: 15.15 }, south: { celsius_mean_1h: null }, west: null } }
      - advance: 40m
        expect:
          features: { north: { celsius_mean_1h: 20.3 } }
          outputs: { heat: [{ at: 0s }, { at: +20m, station_id: north }, { at: 2026-01-01T01:00:00Z }] }
`

const WRONG = `topology: heat
cases:
  - case: values
    given:
      - { at: 0s, readings: { station: { id: north }, celsius: 10, sky: CLOUDY } }
    advance: 1m
    expect:
      features:
        north: { celsius_mean_1h: 10, cloudy_1h: 2 }
        south: { cloudy_1h: 1 }
      outputs: { heat: [{ cloudy_1h: 3 }, { cloudy_1h: 0 }] }
  - case: dead letters
    given:
      - { at: 0s, readings: { at: 1d, station: { id: north }, celsius: 10, sky: CLOUDY } }
    expect: { features: { north: null } }
  - case: right
    given:
      - { at: 0s, readings: { at: 1d, station: { id: north }, celsius: 10, sky: CLOUDY } }
    expect: { deadLetters: [{ code: time-in-future, reason: 86400000 ms after }] }
`

it('runs the cases of the shipped topologies', async () => {
  const { code, out } = await call('test', '-d', ROOT)
  expect(out).toMatch(/\d+ cases: as expected\n$/)
  expect(code).toBe(0)
})

it('passes cases that are as expected, each in a world of its own', async () => {
  const project = weatherProject({ 'topologies/heat.test.yaml': RIGHT })
  const { code, out } = await call('test', '-d', project)
  expect(out).toBe('topologies/heat.test.yaml\n  ✓ the mean forgets after an hour\n1 case: as expected\n')
  expect(code).toBe(0)
  expect((await call('check', '-d', project)).out).toBe('1 topology is right: heat\n')
})

it('says what was expected, what is, as of when, and where that stands', async () => {
  const project = weatherProject({ 'topologies/heat.test.yaml': WRONG })
  const { code, out } = await call('test', '-d', project)
  expect(code).toBe(1)
  expect(out).toBe(`topologies/heat.test.yaml
  ✗ values
      topologies/heat.test.yaml:9:50: north cloudy_1h
          expected 2
          actual   1, as of 2026-01-01T00:00:00.000Z (+0s)
      topologies/heat.test.yaml:10:29: south cloudy_1h
          expected 1
          actual   0
      topologies/heat.test.yaml:11:38: heat, record 1, cloudy_1h
          expected 3
          actual   1
      topologies/heat.test.yaml:11:43: heat, record 2
          expected {"cloudy_1h":0}
          actual   no further record
  ✗ dead letters
      topologies/heat.test.yaml:12:11: dead letters
          expected none but those that the case expects
          actual   time-in-future: event time 1767312000000 is 86400000 ms after the record's timestamp
  ✓ right
3 cases: 2 not as expected
`)
})

it('takes numbers within what the case says, and hints at that where a percentile is nearly as expected', async () => {
  const written = (expected: string) => ({
    'topologies/heat.yaml': `topology: heat
kind: features
from: readings
entity: station
by: station.id
features:
  p50: { lifetime: true, of: celsius, as: { percentile: 50 } }
to: [store]
`,
    'topologies/heat.test.yaml': `topology: heat
cases:
  - case: the median
    given:
      - { readings: { station: { id: north }, celsius: 10 } }
      - { readings: { station: { id: north }, celsius: 50 } }
      - { readings: { station: { id: north }, celsius: 90 } }
    expect: { features: { north: { p50: ${expected} } } }
`,
  })
  const run = async (expected: string) => (await call('test', '-d', weatherProject(written(expected)))).out
  expect(await run('{ about: 50, within: 1% }')).toContain('1 case: as expected')
  expect(await run('50')).toContain('          percentile is an estimate: { about: 50, within: 1% }\n')
})

it('answers in JSON, and only what is asked for', async () => {
  const project = weatherProject({ 'topologies/heat.test.yaml': WRONG })
  const { code, out } = await call('test', '-d', project, '--json', '--filter', 'values')
  expect(code).toBe(1)
  expect(JSON.parse(out)).toMatchObject({
    problems: [],
    cases: [
      {
        case: 'values',
        topology: 'heat',
        file: 'topologies/heat.test.yaml',
        line: 3,
        column: 5,
        passed: false,
        failures: [
          { line: 9, column: 50, what: 'north cloudy_1h', expected: 2, actual: 1, asOf: '2026-01-01T00:00:00.000Z' },
          { actual: 0 },
          { expected: 3 },
          { actual: 'no further record' },
        ],
      },
    ],
  })
  const none = await call('test', '-d', project, '--filter', 'snow')
  expect(none).toMatchObject({ code: 1, error: expect.stringContaining("no case has 'snow'") })
  expect(await call('test', '-d', weatherProject())).toMatchObject({
    code: 1,
    error: 'millrace test: no test cases: write topologies/<name>.test.yaml\n',
  })
})

it('says faults in the cases as check says those of topologies, before anything runs', async () => {
  const project = weatherProject({
    'topologies/fields.test.yaml': `topology: heat
cases:
  - case: fields
    given:
      - { readings: { station: { id: north }, celsius: 1, sky: CLAER, winds: 3 } }
      - { readings: { celsius: 1, sky: CLEAR } }
      - { reading: {} }
      - {}
      - { kye: k }
      - { readings: 1 }
    expect:
      features: { north: { cloudy: 1 } }
      outputs: { haet: [{}], heat: [{ cloud: 1 }] }
      deadLetters: [{ code: time-in-furture }]
  - case: nothing
    given: []
`,
    'topologies/none.test.yaml': 'topology: heet\ncases: [{ case: a, expect: {} }]\n',
    'topologies/times.test.yaml': `topology: heat
cases:
  - { case: a, given: [{ at: 5 minutes, readings: {} }], advance: soon, expcet: {} }
`,
  })
  const { code, error } = await call('test', '-d', project)
  expect(code).toBe(1)
  const places = error.split('\n').filter((line) => /^\S/.test(line))
  expect(places).toEqual([
    "topologies/fields.test.yaml:5:64: sky is 'CLAER'",
    "topologies/fields.test.yaml:5:71: no field 'winds' in weather.Reading",
    "topologies/fields.test.yaml:6:21: the event has no 'station.id', which the topology reads",
    "topologies/fields.test.yaml:7:11: heat does not read 'reading'",
    'topologies/fields.test.yaml:8:9: there is no event',
    "topologies/fields.test.yaml:9:11: heat does not read 'kye'",
    'topologies/fields.test.yaml:10:21: readings is 1',
    "topologies/fields.test.yaml:12:28: no feature 'cloudy'",
    "topologies/fields.test.yaml:13:18: no output topic 'haet'",
    "topologies/fields.test.yaml:13:39: no field 'cloud'",
    "topologies/fields.test.yaml:14:29: no error code 'time-in-furture'",
    "topologies/fields.test.yaml:15:11: the case 'nothing' expects nothing",
    "topologies/none.test.yaml:1:11: no topology 'heet'",
    "topologies/times.test.yaml:3:30: cases.0.given.0.at is '5 minutes', not a time",
    "topologies/times.test.yaml:3:67: cases.0.advance is 'soon', not a duration",
    "topologies/times.test.yaml:3:73: unknown key 'expcet'",
  ])
  expect(error).toContain("14:29: no error code 'time-in-furture'\n    expected one of config-invalid")
  expect(error).toContain('    did you mean time-in-future?')
  expect(JSON.parse((await call('test', '-d', project, '--json')).out).problems).toHaveLength(places.length)
})

it('asks for the key of what is looked up by it', async () => {
  const project = weatherProject({
    'topologies/near.yaml': `topology: near
kind: transform
from: readings
tables: { place: { topic: stations, key: event.station.id } }
map: { city: place.city }
to: near
`,
    'schemas/stations.avsc': '{"type":"record","name":"S","fields":[{"name":"city","type":"string"}]}',
    'topologies/near.test.yaml': `topology: near
cases: [{ case: a, given: [{ stations: { city: Turin } }], expect: {} }]
`,
  })
  const { code, error } = await call('test', '-d', project)
  expect(code).toBe(1)
  expect(error).toBe(
    'topologies/near.test.yaml:2:30: an event of stations has no key, by which it would be looked up\n    expected key: … beside stations\n',
  )
})

it('runs them again when a file changes, until it is stopped', async () => {
  const project = weatherProject({ 'topologies/heat.test.yaml': WRONG })
  const run = start('test', '-d', project, '--watch')
  await run.says(/3 cases: 2 not as expected/)
  writeFileSync(join(project, 'topologies/heat.test.yaml'), RIGHT)
  await run.says(/1 case: as expected/)
  run.signal('SIGTERM')
  expect((await run.exit).code).toBe(0)
})
