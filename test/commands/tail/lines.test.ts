import { beforeEach, expect, it } from 'vitest'
import type { TailQuestion } from '../../../src/api/tail.ts'
import { avroEncoder } from '../../../src/codecs/avro/index.ts'
import { tailLines } from '../../../src/commands/tail/lines.ts'
import type { Encoder } from '../../../src/core/model.ts'
import { MemoryRegistry } from '../../../src/testing/memory-registry.ts'
import { MemoryTransport } from '../../../src/testing/memory-transport.ts'

const SCHEMA = {
  type: 'record',
  name: 'Thing',
  fields: [
    { name: 'id', type: 'string' },
    { name: 'size', type: 'long' },
    { name: 'seal', type: 'bytes' },
    { name: 'inner', type: { type: 'record', name: 'Inner', fields: [{ name: 'mark', type: ['null', 'string'] }] } },
  ],
}
const AT = Date.UTC(2026, 0, 31)

let transport: MemoryTransport
let registry: MemoryRegistry
let encoder: Encoder
beforeEach(async () => {
  transport = new MemoryTransport()
  registry = new MemoryRegistry()
  for (const name of ['things', 'letters']) await transport.create({ name, partitions: 1, retentionMs: -1 })
  encoder = avroEncoder({ schema: SCHEMA, id: await registry.register('things-value', SCHEMA) })
})

const thing = (id: string, size: number) =>
  encoder.encode({ id, size, seal: Buffer.from([255, 0]), inner: { mark: null } })

const write = (
  value: Buffer | null,
  more: { topic?: string; key?: Buffer | string; headers?: Record<string, string> } = {},
) => transport.write([{ topic: 'things', partition: 0, key: null, value, timestamp: AT, ...more }])

async function lines(question: TailQuestion = {}, topic = 'things'): Promise<Record<string, unknown>[]> {
  const found: Record<string, unknown>[] = []
  const { signal } = new AbortController()
  for await (const line of await tailLines({ transport, registry }).lines(topic, question, signal))
    found.push(JSON.parse(line))
  return found
}

it('gives each record with its place, key, headers and decoded value', async () => {
  await write(thing('a', 7), { key: 'a', headers: { origin: 'test' } })
  expect(await lines()).toEqual([
    {
      partition: 0,
      position: 0,
      timestamp: '2026-01-31T00:00:00.000Z',
      key: 'a',
      headers: { origin: 'test' },
      value: { id: 'a', size: 7, seal: { base64: '/wA=' }, inner: { mark: null } },
    },
  ])
})

it('gives what cannot be decoded as bytes with the reason, and tombstones and odd keys as they are', async () => {
  await write(Buffer.from('rubbish'))
  await write(null, { key: Buffer.from([255, 254]) })
  expect(await lines()).toMatchObject(
    [
      { key: null, value: { base64: Buffer.from('rubbish').toString('base64') }, undecoded: /^record-malformed: / },
      { key: { base64: '//4=' }, value: null },
    ].map((line) =>
      'undecoded' in line ? { ...line, undecoded: expect.stringMatching(line.undecoded as RegExp) } : line,
    ),
  )
})

it('gives dead letters decoded by the schema of the topic they come from', async () => {
  await write(thing('b', 1), { topic: 'letters', headers: { 'millrace-source-topic': 'things' } })
  await write(thing('c', 1), { topic: 'letters' })
  const [letter, other] = await lines({}, 'letters')
  expect(letter).toMatchObject({ value: { id: 'b' }, headers: { 'millrace-source-topic': 'things' } })
  expect(other).toMatchObject({ value: { base64: expect.any(String) } })
})

it('gives values that are JSON as they are', async () => {
  await write(Buffer.from('{"a":[1,null]}'))
  await write(Buffer.from('{"a":'))
  expect(await lines()).toMatchObject([{ value: { a: [1, null] } }, { value: { base64: expect.any(String) } }])
})

it('gives those only that the expression is true for, up to the limit', async () => {
  for (const size of [1, 2, 3, 4]) await write(thing(`t${size}`, size))
  await write(Buffer.from('rubbish'))
  const ids = async (question: TailQuestion) => (await lines(question)).map(({ value }) => (value as { id: string }).id)
  expect(await ids({ where: 'event.size > 1' })).toEqual(['t2', 't3', 't4'])
  expect(await ids({ where: 'event.size > 1', limit: 2 })).toEqual(['t2', 't3'])
  expect(await ids({ limit: 0 })).toEqual([])
})

it('refuses an expression that does not fit the schema, and any where there is none', async () => {
  await expect(lines({ where: 'event.siez > 1' })).rejects.toMatchObject({ suggestion: 'size', offset: 6 })
  await expect(lines({ where: 'event.size > 1' }, 'letters')).rejects.toThrow("records of 'letters' have no schema")
})

it('names the topics that there are where one is missing', async () => {
  const names = () => ['things', 'never-made', 'letters']
  const { signal } = new AbortController()
  await expect(tailLines({ transport, registry, names }).lines('thing', {}, signal)).rejects.toThrow(
    "there is no topic 'thing'. Did you mean 'things'? There are: letters, things",
  )
})

it('says that a topic is missing before anything else', async () => {
  const { signal } = new AbortController()
  await expect(tailLines({ transport, registry }).lines('nothing', {}, signal)).rejects.toMatchObject({
    code: 'topic-missing',
  })
})
