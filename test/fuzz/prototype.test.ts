/** Names that are those of every object already, in all that is read: kept as data, or refused, and no object is other than before. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { avroEncoder } from '../../src/codecs/avro/index.ts'
import { RecordError } from '../../src/core/errors.ts'
import { YamlFile } from '../../src/core/yaml.ts'
import { replayFile } from '../../src/dev/replay.ts'
import { encodeFrames } from '../../src/transports/embedded/frame.ts'
import { servers } from '../api/fixture.ts'
import { decode, record, roundTrip } from '../codecs/avro/fixture.ts'
import { recordBatch } from '../transports/kafka/batch.ts'

const NAMES = [
  ...[
    '__proto__',
    'constructor',
    'prototype',
    'toString',
    'valueOf',
    'hasOwnProperty',
    'isPrototypeOf',
    'toJSON',
    'then',
  ],
  ...['__defineGetter__', '__defineSetter__', '__lookupGetter__', 'propertyIsEnumerable', 'toLocaleString'],
]
/** With what would be seen on every object. */
const nested = (name: string) => [
  `{"${name}": {"polluted": 1}}`,
  `{"a": {"${name}": {"polluted": 1}}}`,
  `{"constructor": {"prototype": {"${name}": {"polluted": 1}}}}`,
  `{"${name}": null}`,
  `[{"${name}": {"polluted": 1}}]`,
]

const prototypes = [Object.prototype, Array.prototype, Function.prototype, Map.prototype, Buffer.prototype]
const seen = () =>
  prototypes.map((each) => Reflect.ownKeys(each).map((key) => [key, Object.getOwnPropertyDescriptor(each, key)]))
let before: ReturnType<typeof seen>
beforeAll(() => {
  before = seen()
})
afterEach(() => {
  expect(seen()).toEqual(before)
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
})

const { start, stopAll } = servers()
const folder = mkdtempSync(join(tmpdir(), 'millrace-prototype-'))
afterAll(async () => {
  await stopAll()
  rmSync(folder, { recursive: true })
})

describe.each(NAMES)('%s', (name) => {
  it('as a key of YAML is a key, or refused at its place', () => {
    for (const text of [
      `${name}: { polluted: 1 }`,
      `a: { ${name}: { polluted: 1 } }`,
      `"<<": { ${name}: 1 }`,
      `? ${name}\n: 1`,
    ]) {
      const { value, problems } = new YamlFile('f.yaml', text)
      if (name === '__proto__') expect(problems).toMatchObject([{ code: 'unknown-key', line: 1 }])
      else expect(JSON.stringify(value)).toContain(`"${name}":`)
      expect((value as { polluted?: unknown }).polluted).toBeUndefined()
    }
  })

  it('as a field of an Avro record is a field, or unfit', async () => {
    const writer = record([
      { name, type: 'string' },
      { name: 'n', type: 'int' },
    ])
    const trip = roundTrip({ writer }, { [name]: 'polluted', n: 1 })
    if (name === '__proto__') await expect(trip).rejects.toThrow(/__proto__/)
    else
      expect(Object.entries(await trip)).toEqual([
        [name, 'polluted'],
        ['n', 1],
      ])
  })

  it('as a key of an Avro map is a key, or malformed', async () => {
    const writer = record([{ name: 'm', type: { type: 'map', values: 'int' } }])
    const avro = [2, name.length * 2, ...Buffer.from(name), 2, 0]
    const decoded = decode({ writer }, avro)
    if (name === '__proto__' || name === 'constructor') await expect(decoded).rejects.toThrow(RecordError)
    else expect(Object.entries((await decoded).m as object)).toEqual([[name, 1]])
  })

  it('in the value of a field that takes none, is never written', () => {
    const encoder = avroEncoder({ schema: record([{ name: 'a', type: ['null', 'string'], default: null }]), id: 1 })
    const plain = encoder.encode({})
    for (const text of nested(name).filter((each) => !each.startsWith('[') && !each.includes('"a"')))
      expect(encoder.encode(JSON.parse(text) as Record<string, unknown>)).toEqual(plain)
  })

  it('in the body of a request is answered as any unknown key is', async () => {
    const { url } = await start()
    for (const path of ['/v1/features', '/v1/features/store'])
      for (const body of [
        ...nested(name),
        `{"ids": ["a"], "${name}": {"polluted": 1}}`,
        `{"ids": ["${name}"], "features": ["${name}"]}`,
      ]) {
        const answer = await fetch(url + path, {
          method: 'POST',
          body,
          headers: { 'content-type': 'application/json' },
        })
        expect(answer.status).toBe(400)
        expect(await answer.json()).toMatchObject({ status: 400 })
      }
    for (const path of [`/v1/features/${name}/a`, `/v1/topologies/${name}`, `/${name}`])
      expect((await fetch(url + path)).status, path).toBe(404)
    expect((await fetch(`${url}/v1/features/store/a?${name}=1&features=${name}`)).status).toBe(400)
    expect(await (await fetch(`${url}/v1/features/store/${name}`)).json()).toMatchObject({ id: name, found: false })
    await stopAll()
  })

  it('in a line of a replay is handed on as data, or is a bad line', async () => {
    const path = join(folder, 'events.ndjson')
    const lines = [
      ...nested(name),
      ...nested(name).map((event) => `{"topic": "orders", "event": ${event}, "${name}": 1}`),
    ]
    writeFileSync(path, lines.join('\n'))
    const events: unknown[] = []
    const { bad } = await replayFile(path, {
      topics: ['orders'],
      encode({ event }) {
        events.push(event)
        return { topic: 'orders', key: null, value: null }
      },
      write: async () => undefined,
      now: () => 0,
      signal: new AbortController().signal,
    })
    expect(events.length + bad).toBe(lines.length)
    for (const event of events) expect((event as { polluted?: unknown }).polluted).toBeUndefined()
  })

  it('as the name of a header is written', () => {
    const headers = Object.fromEntries([[name, Buffer.from('v')]])
    const draft = { topic: 't', key: null, value: null, headers, timestamp: 1 }
    for (const bytes of [encodeFrames([draft], 1)[0]?.bytes, recordBatch([draft])])
      expect(bytes?.includes(Buffer.from(name))).toBe(true)
  })
})
