import { expect, it, onTestFinished } from 'vitest'
import { checkProject } from '../../src/project/check.ts'
import { testTopology } from '../../src/testing/driver.ts'
import { weatherProject } from '../testing/project.ts'

const TOPOLOGY = `topology: fahrenheit
kind: transform
from: readings
use: ./parts/convert.ts
to: fahrenheit
`
const SCHEMA = `{ type: 'record', name: 'F', fields: [{ name: 'f', type: 'double' }] }`
const PART = `import { z } from 'millrace'
export default {
  summary: 'x',
  config: z.strictObject({ offset: z.number().default(32) }),
  example: '',
  open: ({ offset }) => ({
    schema: ${SCHEMA},
    make: ({ event }) => {
      if (event.celsius === 1000) throw new Error('too hot')
      if (event.celsius === 2000) for (;;);
      return event.sky === 'CLOUDY' ? null : { f: event.celsius * 1.8 + offset }
    },
  }),
}`

const files = (more: Readonly<Record<string, string>> = {}) => ({
  'topologies/fahrenheit.yaml': TOPOLOGY,
  'parts/convert.ts': PART,
  ...more,
})
const yaml = (own: string) => `topics: { readings: { time: at, id: readingId } }\nownParts: { ${own} }\n`

async function open(more: Readonly<Record<string, string>> = {}) {
  const test = await testTopology({ directory: weatherProject(files(more)), topology: 'fahrenheit' })
  onTestFinished(() => test.close())
  return test
}

it('code of one’s own makes the records, from the whole event and its settings', async () => {
  const use = 'use: { ./parts/convert.ts: { offset: 0 } }'
  const test = await open({ 'topologies/fahrenheit.yaml': TOPOLOGY.replace('use: ./parts/convert.ts', use) })
  await test.send('readings', { celsius: 10 })
  await test.send('readings', { celsius: 20, sky: 'CLOUDY' })
  expect((await test.outputs('fahrenheit')).map(({ value }) => value)).toEqual([{ f: 18 }])
})

it('an event that it fails on, or gives no answer to, is a dead letter; those around it go on', async () => {
  const test = await open({ 'millrace.yaml': yaml('timeout: 100ms') })
  for (const celsius of [0, 1000, 10, 2000, 20]) await test.send('readings', { celsius })
  expect((await test.outputs('fahrenheit')).map(({ value }) => value)).toEqual([{ f: 32 }, { f: 50 }, { f: 68 }])
  expect(test.deadLetters()).toEqual([
    { code: 'part-failed', reason: 'too hot', topic: 'readings' },
    { code: 'part-timeout', reason: 'no answer within 100 ms', topic: 'readings' },
  ])
})

it.each([
  ['changes it', 'event.celsius = 0', 'read only'],
  ['changes a list in it', "event.sensors.push('x')", 'not extensible'],
])('an event is shared with other topologies: code of one’s own that %s fails on it', async (_, change, reason) => {
  const part = PART.replace('make: ({ event }) => {', `make: ({ event }) => { ${change};`)
  const test = await open({ 'parts/convert.ts': part })
  await test.send('readings', { celsius: 10 })
  expect(await test.outputs('fahrenheit')).toEqual([])
  expect(test.deadLetters()).toEqual([
    { code: 'part-failed', reason: expect.stringContaining(reason), topic: 'readings' },
  ])
})

it('a promise is no record, and one that rejects ends nothing', async () => {
  const part = PART.replace(
    /make: \(\{ event \}\) => \{/,
    (from) => `make: () => Promise.reject(new Error('unheard')), unused: ${from.slice(6)}`,
  )
  const test = await open({ 'parts/convert.ts': part })
  await test.send('readings', { celsius: 1000 })
  expect(await test.outputs('fahrenheit')).toEqual([])
  expect(test.deadLetters()).toEqual([
    { code: 'part-failed', reason: expect.stringContaining('promise'), topic: 'readings' },
  ])
})

it('an async make is refused', async () => {
  await expect(open({ 'parts/convert.ts': PART.replace('make: ({', 'make: async ({') })).rejects.toThrow(
    'make of what ./parts/convert.ts opens is async',
  )
})

it('stops at such an event where that was chosen', async () => {
  const test = await open({ 'millrace.yaml': yaml('failures: stop') })
  await test.send('readings', { celsius: 0 })
  await expect(test.send('readings', { celsius: 1000 })).rejects.toThrow(
    'fahrenheit has stopped: part-failed: readings/0@1: too hot',
  )
  expect(test.deadLetters()).toEqual([])
})

it.each([
  [
    'names no file',
    { 'topologies/fahrenheit.yaml': TOPOLOGY.replace('./parts/convert.ts', 'convert') },
    "'use' names no file",
  ],
  ['is not there', { 'parts/convert.ts': 'export {}' }, './parts/convert.ts has no default export'],
  [
    'stands beside a map',
    { 'topologies/fahrenheit.yaml': `${TOPOLOGY}map: { f: event.celsius }\n` },
    "'keep' and 'map' have no place",
  ],
  [
    'has no schema of a record',
    { 'parts/convert.ts': PART.replace(SCHEMA, "'string'") },
    'the schema of ./parts/convert.ts is wrong',
  ],
  [
    'makes nothing',
    { 'parts/convert.ts': PART.replace('make:', 'maek:') },
    'what ./parts/convert.ts opens has no make',
  ],
])('a part that %s is a fault', async (_, more, message) => {
  const { problems } = await checkProject(weatherProject(files(more)))
  expect(problems.map((problem) => problem.message)).toEqual([expect.stringContaining(message)])
})
