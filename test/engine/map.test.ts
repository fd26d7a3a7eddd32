import { expect, it } from 'vitest'
import type { ColumnKind, Draft, FlowSource } from '../../src/core/model.ts'
import { FRAME_BYTES, FrameReader } from '../../src/engine/shuffle.ts'
import type { Worker } from '../../src/engine/worker.ts'
import { World } from './world.ts'

/** What mappers have written for the reducers. */
function framesIn(world: World, worker: Worker) {
  const records = world.transport.records(worker.shuffleTopic(world.flow))
  return records.map(({ value }) => ({ ...new FrameReader().read(value as Buffer), bytes: value?.length ?? 0 }))
}

it('a mapper far from the end of its source makes few frames of few rows, and a reducer the same of them', async () => {
  const frames = async (linger: number) => {
    const world = await World.create({ topics: { events: 1 }, settings: { linger, maxRecords: 5 } })
    for (let i = 0; i < 200; i++) await world.send('events', 0, { key: `k${i % 7}`, at: world.clock.now(), value: i })
    const worker = world.worker()
    await worker.start()
    expect(await world.settle(worker)).toBe(true)
    await worker.stop()
    await world.expectExact()
    return framesIn(world, worker).filter(({ rows }) => rows.length > 0).length
  }
  expect(await frames(400)).toBeLessThan((await frames(0)) / 4)
})

it('a source that had no event yet says no time; one that had tells it every 250 ms, not for each record without a row', async () => {
  const world = await World.create({ topics: { events: 1 }, shuffle: 1 })
  const worker = world.worker()
  await worker.start()
  const tombstone = { topic: 'events', partition: 0, key: 'a', value: null }
  const saidOf = async (write: Promise<void>, ms = 0) => {
    const before = framesIn(world, worker).length
    await write
    await world.clock.advance(ms)
    await world.clock.rest()
    return framesIn(world, worker)
      .slice(before)
      .map(({ upto, watermark, rows }) => [upto, watermark, rows.length])
  }
  expect(await saidOf(world.write([tombstone]))).toEqual([[1, Number.NaN, 0]])
  expect(await saidOf(world.write([tombstone]), 249)).toEqual([])
  const at = world.clock.now()
  expect(await saidOf(world.send('events', 0, { key: 'a', at, value: 1 }), 249)).toEqual([[3, at, 1]])
  expect(await saidOf(world.write([tombstone]), 1)).toEqual([])
  expect(await saidOf(world.write([tombstone]))).toEqual([[5, at, 0]])
  await worker.stop()
})

it.each<[ColumnKind, number]>([
  ['flag', 2],
  ['number', 4],
])('two batches of 500 events with twenty %ss each go in %d frames, none over 64 KiB', async (kind, count) => {
  const world = await World.create({ topics: { events: 1 }, shuffle: 1, settings: { maxRecords: 500 } })
  const [source] = world.flow.sources as [FlowSource]
  const fill = () => (kind === 'flag' ? true : 1)
  const columns = [...source.plan.columns, ...Array.from({ length: 20 }, (_, i) => ({ id: `c${i}`, kind, fill }))]
  const sources = [{ ...source, plan: { ...source.plan, columns } }]
  for (let i = 0; i < 1_000; i++) await world.send('events', 0, { key: 'a', at: world.clock.now(), value: i })
  const worker = world.worker(undefined, { ...world.flow, sources })
  await worker.start()
  expect(await world.settle(worker)).toBe(true)
  await worker.stop()
  await world.expectExact()
  const frames = framesIn(world, worker).filter(({ rows }) => rows.length > 0)
  expect(frames).toHaveLength(count)
  for (const { bytes } of frames) expect(bytes).toBeLessThan(FRAME_BYTES)
})

it('what came while frames were written goes into one step', async () => {
  let written = Promise.withResolvers<void>()
  written.resolve()
  const world = await World.create({
    topics: { events: 1 },
    shuffle: 1,
    transport: (real) =>
      Object.assign(Object.create(real), {
        write: async (drafts: readonly Draft[]) => {
          await written.promise
          await real.write(drafts)
        },
      }),
  })
  const worker = world.worker()
  await worker.start()
  const send = async (value: number) => {
    await world.send('events', 0, { key: 'a', at: world.clock.now(), value })
    await world.clock.rest()
  }
  await send(1)
  written = Promise.withResolvers()
  for (let i = 2; i <= 12; i++) await send(i)
  written.resolve()
  expect(await world.settle(worker)).toBe(true)
  await worker.stop()
  await world.expectExact()
  const rows = framesIn(world, worker).map((frame) => frame.rows.length)
  expect(rows.filter((count) => count > 0)).toEqual([1, 1, 10])
})
