import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { systemClock } from '../../src/core/clock.ts'
import { MillraceError } from '../../src/core/errors.ts'
import type { Transport } from '../../src/core/model.ts'
import { type TailOptions, tail } from '../../src/engine/tail.ts'
import { MemoryTransport } from '../../src/testing/memory-transport.ts'

async function filled(records: readonly (readonly [partition: number, timestamp: number])[]) {
  const transport = new MemoryTransport()
  await transport.create({ name: 'things', partitions: 2, retentionMs: -1 })
  const write = (partition: number, timestamp: number) =>
    transport.write([{ topic: 'things', partition, key: null, value: Buffer.from(String(timestamp)), timestamp }])
  for (const [partition, timestamp] of records) await write(partition, timestamp)
  return { transport, write }
}

const options = (transport: TailOptions['transport'], more: Partial<TailOptions> = {}): TailOptions => ({
  transport,
  topic: 'things',
  from: 'earliest',
  follow: false,
  clock: systemClock,
  signal: new AbortController().signal,
  ...more,
})

async function timestamps(given: TailOptions): Promise<number[]> {
  const found: number[] = []
  for await (const { record } of tail(given)) found.push(record.timestamp)
  return found
}

it('gives the oldest record of all partitions first, and ends where the log ended', async () => {
  const { transport } = await filled([
    [0, 10],
    [0, 40],
    [1, 20],
    [1, 30],
    [0, 50],
  ])
  expect(await timestamps(options(transport))).toEqual([10, 20, 30, 40, 50])
})

it('keeps the order of a partition where its timestamps go back', async () => {
  const { transport } = await filled([
    [0, 30],
    [0, 10],
    [1, 20],
  ])
  expect(await timestamps(options(transport))).toEqual([20, 30, 10])
})

it('begins at a time, or at the end', async () => {
  const { transport } = await filled([
    [0, 10],
    [1, 20],
    [0, 30],
  ])
  expect(await timestamps(options(transport, { from: 20 }))).toEqual([20, 30])
  expect(await timestamps(options(transport, { from: 'latest' }))).toEqual([])
})

it('does not end while it follows, until the signal', async () => {
  const { transport, write } = await filled([[0, 10]])
  const stop = new AbortController()
  const found: number[] = []
  const reading = (async () => {
    for await (const { record } of tail(options(transport, { follow: true, signal: stop.signal })))
      found.push(record.timestamp)
  })()
  while (found.length < 1) await sleep(5)
  await write(1, 20)
  while (found.length < 2) await sleep(5)
  stop.abort()
  await reading
  expect(found).toEqual([10, 20])
})

it('passes over what retention removes while it reads', async () => {
  const { transport } = await filled([
    [0, 10],
    [0, 20],
    [0, 30],
  ])
  let removed = false
  const read: Transport['read'] = async (partition, position) => {
    if (partition.partition === 0 && position < 2 && !removed) {
      removed = true
      throw new MillraceError('position-outside-log', 'gone')
    }
    return transport.read(partition, position)
  }
  const shortened = {
    topics: transport.topics.bind(transport),
    positionAt: transport.positionAt.bind(transport),
    read,
    ranges: async (topic: string) => {
      const [first, ...others] = await transport.ranges(topic)
      return removed ? [{ start: 2, end: first?.end ?? 0 }, ...others] : [first ?? { start: 0, end: 0 }, ...others]
    },
  }
  expect(await timestamps(options(shortened))).toEqual([30])
})

it('says that a topic is missing', async () => {
  const { transport } = await filled([])
  await expect(timestamps(options(transport, { topic: 'nothing' }))).rejects.toMatchObject({ code: 'topic-missing' })
})

/** A topic whose partitions have records of these timestamps, each partition in one batch, whatever of it was there at the start. */
function topicOf(partitions: readonly (readonly number[])[], ends = partitions.map(({ length }) => length)) {
  const reads: string[] = []
  const transport: TailOptions['transport'] = {
    topics: async (names) => new Map(names.map((name) => [name, { partitions: partitions.length, incarnation: 'a' }])),
    ranges: async () => ends.map((end) => ({ start: 0, end })),
    positionAt: async () => 0,
    read: async ({ topic, partition }, from) => {
      reads.push(`${partition}/${from}`)
      const all = partitions[partition] as readonly number[]
      const records = all.map((timestamp, position) => ({ position, timestamp, key: null, value: null, headers: {} }))
      return { topic, partition, records: records.slice(from), next: all.length, end: all.length }
    },
  }
  return { transport, reads }
}

it('reads a partition on once all that it had of it is given, and none beyond where it ended', async () => {
  const { transport, reads } = topicOf([[10, 30, 50], [20, 40], []], [3, 1, 0])
  expect(await timestamps(options(transport))).toEqual([10, 20, 30, 50])
  expect(reads).toEqual(['0/0', '1/0'])
})

it('of records of one time gives that of the lower partition first', async () => {
  const found: number[] = []
  for await (const { partition } of tail(options(topicOf([[20], [10], [10]]).transport))) found.push(partition)
  expect(found).toEqual([1, 2, 0])
})

it('gives nothing of what was there when it begins at the end', async () => {
  const { transport, reads } = topicOf([[10], [20, 30]])
  expect(await timestamps(options(transport, { from: 'latest' }))).toEqual([])
  expect(reads).toEqual([])
})

it('asks nothing of a topic that is not there', async () => {
  const { transport } = topicOf([[10]])
  const given = options({ ...transport, topics: async () => new Map() })
  await expect(timestamps(given)).rejects.toThrow("there is no topic 'things'")
})

it.each([
  ['cannot be read', new Error('no broker'), [{ start: 5, end: 9 }]],
  ['is no longer allowed', new MillraceError('topic-missing', 'gone'), [{ start: 5, end: 9 }]],
  ['lost its end', new MillraceError('position-outside-log', 'gone'), [{ start: 0, end: 0 }]],
  ['was made again with fewer partitions', new MillraceError('position-outside-log', 'gone'), []],
])('ends with the error where the log %s', async (_, error, later) => {
  const { transport } = topicOf([[10]])
  let asked = 0
  const failing: TailOptions['transport'] = {
    ...transport,
    ranges: async () => (asked++ === 0 ? [{ start: 0, end: 9 }] : later),
    read: () => Promise.reject(error),
  }
  await expect(timestamps(options(failing))).rejects.toBe(error)
})
