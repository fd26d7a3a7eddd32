/** Which records become rows, and where those that do not go. */
import { describe, expect, it } from 'vitest'
import type { Event, FeatureFlow, FlowSource, RowPlan } from '../../src/core/model.ts'
import { RowBuffer, tieOf } from '../../src/engine/rows.ts'
import { FrameReader } from '../../src/engine/shuffle.ts'
import { World } from './world.ts'

const BOTH = [2, undefined] as const

/** Events with value 0 are not wanted; the time is that of the record. */
async function worldOf(shuffle: number | undefined, plan: Partial<RowPlan>, settings = {}): Promise<World> {
  const world = await World.create({ shuffle, topics: { events: 1 }, settings })
  const [source] = world.flow.sources as [FlowSource]
  return Object.assign(world, { flow: { ...world.flow, sources: [{ ...source, plan: { ...source.plan, ...plan } }] } })
}

async function ran(world: World, flow: FeatureFlow = world.flow): Promise<void> {
  const worker = world.worker(undefined, flow)
  await worker.start()
  expect(await world.settle(worker)).toBe(true)
  await worker.stop()
}

const skipped = async (world: World) =>
  Object.fromEntries((await world.metrics.rowsSkipped.get()).values.map(({ labels, value }) => [labels.reason, value]))
const letters = (world: World) =>
  world.transport
    .records('test.dead-letters')
    .map(({ headers }) => `${headers['millrace-error-code']}: ${headers['millrace-error-reason']}`)

describe.each(BOTH)('a record (shuffle: %s)', (shuffle) => {
  it('that is not wanted, belongs to no entity or has no value is counted, and changes nothing', async () => {
    const world = await worldOf(shuffle, {
      where: (event) => event.value !== 0,
      key: (event) => (event.key === 'nobody' ? null : (event.key as string)),
      time: undefined,
    })
    for (const [key, value] of [
      ['a', 1],
      ['a', 0],
      ['nobody', 2],
      ['a', 3],
    ] as const)
      await world.send('events', 0, { key, at: 0, value })
    await world.write([{ topic: 'events', partition: 0, key: 'a', value: null }])
    await ran(world)
    expect((await world.features('a'))?.values).toMatchObject({ total: 2, sum: 4 })
    expect(await skipped(world)).toEqual({ filtered: 1, no_key: 1, tombstone: 1 })
    expect(letters(world)).toEqual([])
  })

  it('without a time, far ahead of its own, or of a key that no entity has is a dead letter, and the rest goes on', async () => {
    const world = await worldOf(shuffle, {
      time: (event) => (event.at === 0 ? null : (event.at as number)),
      key: (event: Event) => {
        if (event.key === 'wrong') throw new TypeError('no such store')
        return event.key as string
      },
    })
    const at = world.clock.now()
    await world.send('events', 0, { key: 'a', at, value: 1 }, { key: 'a', at: 0, value: 1 })
    await world.send('events', 0, { key: 'a', at: at + 3_600_000, value: 1 }, { key: 'wrong', at, value: 1 })
    await world.send('events', 0, { key: 'a', at, value: 1 })
    await ran(world)
    expect((await world.features('a'))?.values).toMatchObject({ total: 2 })
    expect(letters(world).sort()).toEqual([
      'expression-failed: no such store',
      expect.stringContaining('time-in-future: event time'),
      'time-missing: the event time is null or not a number',
    ])
  })
})

it('a partition in which nothing came in time to be said has no time, and holds up nobody', async () => {
  const world = await worldOf(undefined, { time: () => null })
  await world.send('events', 0, { key: 'a', at: 1, value: 1 })
  await ran(world)
  expect(letters(world)).toHaveLength(1)
  expect(await world.features('a')).toBeUndefined()
})

it('a reducer that is behind waits for a little while for more rows, so that it commits less often, and says the same', async () => {
  const commits = async (linger: number) => {
    const world = await World.create({
      topics: { events: 1 },
      settings: { linger, maxRecords: 5, maxKeys: 1, maxKeysBehind: 100 },
    })
    for (let i = 0; i < 200; i++) await world.send('events', 0, { key: `k${i % 7}`, at: world.clock.now(), value: i })
    let count = 0
    const commit = world.state.commit.bind(world.state)
    world.state.commit = async (open, change) => {
      if (open.task.startsWith('reduce')) count++
      return commit(open, change)
    }
    await ran(world)
    await world.expectExact()
    return count
  }
  expect(await commits(400)).toBeLessThan(await commits(0))
})

it('a frame has room for many rows also where its columns take more than rows do', async () => {
  const columns = Array.from({ length: 70 }, (_, i) => ({
    id: i === 0 ? 'value' : `${i}${'x'.repeat(1_000)}`,
    kind: 'number' as const,
    fill: (event: Event) => (i === 0 ? (event.value as number) : null),
  }))
  const world = await worldOf(2, { columns })
  for (let i = 0; i < 200; i++) await world.send('events', 0, { key: 'a', at: 0, value: 1 })
  await ran(world)
  expect((await world.features('a'))?.values).toMatchObject({ total: 200, sum: 200 })
  const frames = world.transport
    .records('test.load.g1.shuffle')
    .map(({ value }) => new FrameReader().read(value as Buffer))
  expect(frames.reduce((rows, frame) => rows + frame.rows.length, 0)).toBe(200)
  // a row has 586 bytes, and a step 50 records
  expect(frames.map(({ rows }) => rows.length).filter((rows) => rows > 0)).toEqual([50, 50, 50, 50])
})

it('a row buffer has no more rows than its keys can be counted', () => {
  const plan = { columns: [], where: () => true, key: () => '', time: undefined, id: undefined }
  expect(() => new RowBuffer(plan, 65_536)).toThrow(RangeError)
  expect(new RowBuffer(plan, 65_535).capacity).toBe(65_535)
})

it('rows of many keys are told apart, also where their hashes are alike, and again once the buffer was emptied', () => {
  const plan = { columns: [], where: () => true, key: () => '', time: undefined, id: undefined }
  const rows = new RowBuffer(plan, 4)
  expect(rows.keys).toEqual([])
  for (const keys of ['abca', 'dcba', 'efgh', 'ijkl', 'mnop', 'qrst', 'uvwx']) {
    for (const [i, key] of [...keys].entries()) rows.add(key, 7, i, 100 + i, 200 + i, {})
    expect([...rows.keyOf].map((index) => rows.keys[index]).join('')).toBe(keys)
    expect([rows.length, [...rows.position], [...rows.time], [...rows.tie]]).toEqual([
      4,
      [0, 1, 2, 3],
      [100, 101, 102, 103],
      [200, 201, 202, 203],
    ])
    expect(rows.text).toBe(new Set(keys).size * 3)
    rows.clear()
    expect([rows.length, rows.text, rows.keys]).toEqual([0, 0, []])
  }
})

it('what is wanted of the order of rows at one time holds up to the last topic, partition and position', () => {
  const ties = [
    tieOf(0, 0, 5),
    tieOf(0, 1, 0),
    tieOf(1, 0, 0),
    tieOf(7, 1_023, 2 ** 40 - 2),
    tieOf(7, 1_023, 2 ** 40 - 1),
  ]
  expect(ties).toEqual([...new Set(ties)].sort((a, b) => a - b))
})

it('a topology that reads more topics than rows can be ordered by stops clearly', async () => {
  const topics = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`t${i}`, 1]))
  const world = await World.create({ topics })
  const worker = world.worker()
  await worker.start()
  await world.clock.advance(2_000)
  const blocked = worker.status().filter(({ condition }) => condition === 'blocked')
  expect(blocked.map(({ reason }) => reason)).toEqual([
    expect.stringMatching(/^topic-mismatch: a topology reads at most 8 topics of 1024 partitions/),
  ])
  await worker.stop()
})

it('what a mapper makes of one batch is frames of bounded size, in order', async () => {
  const world = await World.create({ shuffle: 1, topics: { events: 1 }, settings: { maxRecords: 500 } })
  const at = world.clock.now()
  const key = (i: number) => `${'k'.repeat(300)}${i}`
  await world.send('events', 0, ...Array.from({ length: 500 }, (_, i) => ({ key: key(i), at, value: i })))
  await ran(world)
  const values = world.transport.records('test.load.g1.shuffle').map(({ value }) => value as Buffer)
  for (const { length } of values) expect(length).toBeLessThanOrEqual(65_536)
  const frames = values.map((value) => new FrameReader().read(value)).filter(({ rows }) => rows.length > 0)
  expect(frames.length).toBe(3)
  expect(frames.flatMap(({ rows }) => [...rows.position])).toEqual(Array.from({ length: 500 }, (_, i) => i))
  expect(frames.map(({ after }) => after)).toEqual([-1, ...frames.slice(0, -1).map(({ rows }) => rows.position.at(-1))])
  await world.expectExact()
})
