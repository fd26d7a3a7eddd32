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
