import { describe, expect, it } from 'vitest'
import { MillraceError } from '../../src/core/errors.ts'
import type { Batch, Draft, Flow, Transport } from '../../src/core/model.ts'
import { SILENT } from '../../src/core/part.ts'
import type { MemoryTransport } from '../../src/testing/memory-transport.ts'
import { World } from './world.ts'

const KEYS = ['a', 'b', 'c', 'd', 'e']

/** Events of half a minute, spread over three partitions. */
async function send(world: World, count: number): Promise<void> {
  for (let i = 0; i < count; i++)
    await world.send('events', i % 3, {
      key: KEYS[i % 5] as string,
      at: world.clock.now() - (i % 30) * 1_000,
      value: i,
    })
}

interface Watched {
  /** Records that the group's member was given, and those that were read outside of the group. */
  delivered: Batch[]
  read: Batch[]
  /** Drafts that are refused. */
  refuses: (draft: Draft) => boolean
  /** Called before each batch of the group's member, and before each read outside of the group. */
  delivering?: (batch: Batch) => Promise<void>
  reading?: () => Promise<void>
}

function watching(seen: Watched): (real: MemoryTransport) => Transport {
  return (real) =>
    Object.assign(Object.create(real) as MemoryTransport, {
      join: (...[group, topics, on]: Parameters<Transport['join']>) =>
        real.join(group, topics, {
          opened: (partition) => on.opened(partition),
          closed: (partition) => on.closed(partition),
          batch: async (batch) => {
            await seen.delivering?.(batch)
            seen.delivered.push(batch)
            return on.batch(batch)
          },
        }),
      read: async (...args: Parameters<Transport['read']>) => {
        await seen.reading?.()
        const batch = await real.read(...args)
        seen.read.push(batch)
        return batch
      },
      write: (drafts: readonly Draft[]) =>
        drafts.some((draft) => seen.refuses(draft)) ? Promise.reject(new Error('refused')) : real.write(drafts),
    })
}

/** Positions below are no longer in the log. */
const GONE = 6_000

const nothing = (): Watched => ({ delivered: [], read: [], refuses: () => false })
const ofEvents = (batches: readonly Batch[]) => batches.filter(({ topic }) => topic === 'events')
const conditionOf = (worker: ReturnType<World['worker']>, { name }: Flow) => [
  ...new Set(worker.status().flatMap(({ topology, condition }) => (topology === name ? [condition] : []))),
]

/** 60 events, which a first worker has read. */
async function readOnce(world: World): Promise<void> {
  for (let i = 0; i < 60; i++) await world.send('events', 0, { key: 'a', at: world.clock.now(), value: i })
  const first = world.worker()
  await first.start()
  await world.settle(first)
  await first.stop()
}

describe('the tasks of a partition', () => {
  it('that open far behind read by themselves, and what the others have read is not read again for them', async () => {
    const seen = nothing()
    const world = await World.create({ transport: watching(seen) })
    await send(world, 600)
    const first = world.worker()
    await first.start()
    await world.settle(first)
    await first.stop()
    seen.delivered.length = 0
    const late = await world.topology('late')
    const worker = world.worker(undefined, world.flow, late)
    await worker.start()
    await send(world, 60)
    expect(await world.settle(worker)).toBe(true)
    const records = ofEvents(seen.delivered).flatMap((batch) => batch.records)
    expect(records.length).toBeLessThanOrEqual(60)
    expect(ofEvents(seen.read).flatMap((batch) => batch.records).length).toBeGreaterThanOrEqual(600)
    const before = seen.read.length
    await send(world, 60)
    expect(await world.settle(worker)).toBe(true)
    // they have met: nothing is read twice any more
    expect(ofEvents(seen.read.slice(before))).toEqual([])
    await world.expectExact()
    await world.expectExact('late@g1')
    await worker.stop()
  })

  it('that read by themselves go on where they were once the log can be read again, and say meanwhile why not', async () => {
    const seen = nothing()
    const said: object[] = []
    const log = { ...SILENT, warn: (about: object, what: string) => said.push({ ...about, what }) }
    const world = await World.create({ transport: watching(seen), topics: { events: 1 }, log })
    await readOnce(world)
    let failures = 3
    seen.reading = async () => {
      if (failures-- > 0) throw new Error('no broker')
    }
    const late = await world.topology('late')
    const worker = world.worker(undefined, world.flow, late)
    await worker.start()
    expect(await world.settle(worker)).toBe(true)
    await world.expectExact('late@g1')
    const failed = { topic: 'events', partition: 0, reason: 'Error: no broker' }
    expect(said).toEqual(Array(3).fill({ ...failed, what: 'the log could not be read; trying again' }))
    await worker.stop()
  })

  it('are not waited for, and say nothing of a read that fails, once the worker has stopped', async () => {
    const seen = nothing()
    const said: unknown[] = []
    const log = { ...SILENT, warn: (about: object) => said.push(about) }
    const world = await World.create({ transport: watching(seen), topics: { events: 1 }, log })
    await readOnce(world)
    const held = Promise.withResolvers<void>()
    seen.reading = () => held.promise
    const worker = world.worker(undefined, world.flow, await world.topology('late'))
    await worker.start()
    await world.clock.advance(5_000)
    const stopped = worker.stop()
    await world.clock.advance(5_000)
    await stopped
    held.reject(new Error('closed'))
    await world.clock.advance(5_000)
    expect(said).toEqual([])
  })

  it('that read by themselves take along who opens later and is near', async () => {
    const seen = nothing()
    const world = await World.create({ transport: watching(seen), topics: { events: 1 } })
    await readOnce(world)
    const held = Promise.withResolvers<void>()
    seen.reading = () => held.promise
    const [late, later] = [await world.topology('late'), await world.topology('later')]
    const worker = world.worker(undefined, world.flow, late)
    await worker.start()
    await world.clock.advance(3_000)
    await worker.prepare(later)
    const updated = worker.update([world.flow, late, later])
    await world.clock.advance(3_000)
    await updated
    held.resolve()
    expect(await world.settle(worker)).toBe(true)
    for (const namespace of ['load@g1', 'late@g1', 'later@g1']) await world.expectExact(namespace)
    expect(ofEvents(seen.read).flatMap(({ records }) => records)).toHaveLength(60)
    await worker.stop()
  })

  it('that read by themselves wait at the end for the others to come there', async () => {
    const seen = nothing()
    const world = await World.create({ transport: watching(seen), topics: { events: 1 } })
    await readOnce(world)
    const held = Promise.withResolvers<void>()
    const worker = world.worker(undefined, world.flow, await world.topology('late'))
    await worker.start()
    seen.delivering = async ({ topic }) => (topic === 'events' ? held.promise : undefined)
    const send = async () => {
      for (let i = 0; i < 30; i++) await world.send('events', 0, { key: 'a', at: world.clock.now(), value: i })
    }
    await send()
    await world.clock.advance(5_000)
    await world.expectExact('late@g1')
    const before = seen.read.length
    await world.clock.advance(1_000)
    expect(seen.read.length - before, 'looks at the end').toBe(10)
    held.resolve()
    await world.clock.advance(1_000)
    seen.read.length = 0
    await send()
    expect(await world.settle(worker)).toBe(true)
    for (const namespace of ['load@g1', 'late@g1']) await world.expectExact(namespace)
    expect(ofEvents(seen.read)).toEqual([])
    await worker.stop()
  })

  it('wait for one of them that cannot write its frames for a moment, and read nothing twice', async () => {
    const seen = nothing()
    const world = await World.create({
      transport: watching(seen),
      topics: { events: 1 },
      settings: { waitingRecords: 100 },
    })
    const stuck = await world.topology('stuck')
    const worker = world.worker(undefined, world.flow, stuck)
    await worker.start()
    await world.clock.advance(1_000)
    seen.refuses = ({ topic }) => topic === worker.shuffleTopic(stuck)
    for (let i = 0; i < 1_000; i++) await world.send('events', 0, { key: 'a', at: world.clock.now(), value: i })
    await world.clock.advance(500)
    expect(ofEvents(seen.delivered).flatMap(({ records }) => records).length).toBeLessThan(1_000)
    seen.refuses = () => false
    expect(await world.settle(worker)).toBe(true)
    for (const namespace of ['load@g1', 'stuck@g1']) await world.expectExact(namespace)
    expect(ofEvents(seen.read)).toEqual([])
    await worker.stop()
  })

  it('go on while one of them cannot write its frames, and it catches up when it can', async () => {
    for (const inboxes of [400, 15_000]) {
      const seen = nothing()
      const world = await World.create({ transport: watching(seen), settings: { maxRecords: 2_000 } })
      const stuck = await world.topology('stuck')
      const beside = await world.topology('beside')
      const worker = world.worker(undefined, world.flow, stuck, beside)
      await worker.start()
      await world.clock.advance(1_000)
      const refused = [stuck, beside].map((flow) => worker.shuffleTopic(flow))
      seen.refuses = ({ topic }) => refused.includes(topic)
      await send(world, inboxes)
      await world.clock.advance(30_000)
      await world.expectExact()
      expect(conditionOf(worker, stuck)).toContain('waiting')
      expect((await world.features('a', 'stuck@g1'))?.values.total ?? 0).toBe(0)
      seen.refuses = () => false
      expect(await world.settle(worker)).toBe(true)
      await world.expectExact()
      await world.expectExact('stuck@g1')
      await world.expectExact('beside@g1')
      await worker.stop()
    }
  })

  it('go on while one of them is stopped by a later definition elsewhere', async () => {
    const world = await World.create()
    const later = await world.topology('other', { definition: 'd2', declaredAt: 2 })
    const first = world.worker(undefined, world.flow, later)
    await first.start()
    await send(world, 30)
    expect(await world.settle(first)).toBe(true)
    await first.stop()
    const older = await world.topology('other')
    const worker = world.worker(undefined, world.flow, older)
    await worker.start()
    await send(world, 15_000)
    await world.clock.advance(30_000)
    await world.expectExact()
    const reasons = worker.status().filter(({ condition }) => condition === 'blocked')
    expect(reasons.length).toBeGreaterThan(0)
    for (const { topology, reason } of reasons)
      expect([topology, reason]).toEqual(['other', expect.stringMatching(/^definition-older/)])
    await worker.stop()
  })

  it('that have fallen out of the log while they read by themselves stop clearly, and the others go on', async () => {
    const seen = nothing()
    let gone = false
    const world = await World.create({
      transport: (real) =>
        Object.assign(Object.create(watching(seen)(real)) as MemoryTransport, {
          ranges: async (topic: string) => {
            const ranges = await real.ranges(topic)
            return topic === 'events' && gone ? ranges.map(({ end }) => ({ start: GONE, end })) : ranges
          },
          read: async (...args: Parameters<Transport['read']>) => {
            if (gone && args[1] < GONE) throw new MillraceError('position-outside-log', 'no longer there')
            return real.read(...args)
          },
        }),
      settings: { maxRecords: 2_000 },
    })
    const stuck = await world.topology('stuck')
    const worker = world.worker(undefined, world.flow, stuck)
    await worker.start()
    await world.clock.advance(1_000)
    seen.refuses = ({ topic }) => topic === worker.shuffleTopic(stuck)
    await send(world, 20_000)
    await world.clock.advance(20_000)
    gone = true
    seen.refuses = () => false
    await world.clock.advance(30_000)
    await world.expectExact()
    const blocked = worker.status().filter(({ condition }) => condition === 'blocked')
    expect(blocked.length).toBe(3)
    for (const { topology, reason } of blocked)
      expect([topology, reason]).toEqual(['stuck', expect.stringMatching(/^position-outside-log/)])
    await worker.stop()
  })
})
