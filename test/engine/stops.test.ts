import { describe, expect, it } from 'vitest'
import { MillraceError } from '../../src/core/errors.ts'
import type { Draft, Sink, Transport } from '../../src/core/model.ts'
import type { MemoryTransport } from '../../src/testing/memory-transport.ts'
import { World } from './world.ts'

const event = (world: World, key = 'a', value = 1) => ({ key, at: world.clock.now(), value })

/** Sends, computes and stops once, so that there is something to lose. */
async function ran(options: Parameters<typeof World.create>[0] = {}): Promise<World> {
  const world = await World.create(options)
  for (let i = 0; i < 30; i++) await world.send('events', i % 3, event(world, `k${i % 3}`))
  const worker = world.worker()
  await worker.start()
  expect(await world.settle(worker)).toBe(true)
  await worker.stop()
  return world
}

async function reasons(world: World, flow = world.flow): Promise<string[]> {
  const worker = world.worker(undefined, flow)
  await worker.start()
  await world.clock.advance(5_000)
  const found = worker.status().filter(({ condition }) => condition === 'blocked')
  await worker.stop()
  return found.map(({ reason }) => reason ?? '')
}

describe('a task stops clearly, and names what to do', () => {
  it('when the state was lost though the group has positions', async () => {
    for (const shuffle of [2, undefined]) {
      const world = await ran({ shuffle })
      world.state.clear()
      const found = await reasons(world)
      expect(found.length).toBeGreaterThan(0)
      for (const reason of found) expect(reason).toMatch(/^position-lost: .*millrace rebuild/)
    }
  })

  it('when the state is emptied while it runs, before it says anything wrong', async () => {
    for (const shuffle of [2, undefined]) {
      for (const start of ['earliest', 'latest'] as const) {
        const world = await World.create({ shuffle, flow: { start } })
        const worker = world.worker()
        await worker.start()
        await world.clock.advance(1_000)
        for (let i = 0; i < 30; i++) await world.send('events', i % 3, event(world, `k${i % 3}`))
        expect(await world.settle(worker)).toBe(true)
        world.state.clear()
        for (let i = 0; i < 30; i++) await world.send('events', i % 3, event(world, `k${i % 3}`))
        await world.clock.advance(15_000)
        for (const { condition, reason } of worker.status()) {
          expect(condition).toBe('blocked')
          expect(reason).toMatch(/^position-lost: .*millrace rebuild/)
        }
        // what was in memory may have been said before the loss was met; nothing is computed from a part of the events
        expect((await world.features('k0'))?.values.total).toBeGreaterThanOrEqual(10)
        await worker.stop()
      }
    }
  })

  it('when its log no longer holds its position', async () => {
    const world = await ran()
    world.transport.ranges = async () => Array.from({ length: 3 }, () => ({ start: 1_000, end: 2_000 }))
    const found = await reasons(world)
    expect(found).toHaveLength(5)
    for (const reason of found) expect(reason).toMatch(/^position-outside-log: /)
  })

  it('when a later definition of the topology has written the state', async () => {
    const world = await ran()
    expect(await reasons(world, { ...world.flow, definition: 'd2', declaredAt: 2 })).toEqual([])
    const found = await reasons(world)
    expect(found).toHaveLength(2)
    for (const reason of found) expect(reason).toMatch(/^definition-older: /)
  })

  it('when a topic that it reads directly has another number of partitions, or was made again', async () => {
    const grown = await ran({ shuffle: undefined })
    grown.transport.grow('events', 5)
    expect((await reasons(grown)).some((reason) => reason.startsWith('topic-mismatch: '))).toBe(true)
    const again = await ran({ shuffle: undefined })
    await again.transport.deleteTopic('events')
    await again.transport.create({ name: 'events', partitions: 3, retentionMs: -1 })
    const found = await reasons(again)
    expect(found).toHaveLength(3)
    for (const reason of found) expect(reason).toMatch(/^topic-recreated: /)
  })

  it('when a topic that it reads directly gains partitions while it runs', async () => {
    const world = await World.create({ shuffle: undefined })
    const worker = world.worker()
    await worker.start()
    for (let i = 0; i < 9; i++) await world.send('events', i % 3, event(world, `k${i % 3}`))
    expect(await world.settle(worker)).toBe(true)
    world.transport.grow('events', 6)
    for (let i = 0; i < 12; i++) await world.send('events', i % 6, event(world, `k${i % 3}`))
    await world.clock.advance(5_000)
    const found = worker.status()
    expect(found).toHaveLength(6)
    for (const { condition, reason } of found) {
      expect(condition).toBe('blocked')
      expect(reason).toMatch(/^topic-mismatch: /)
    }
    await worker.stop()
  })

  it('when the shuffle topic takes no frame of the size that frames have', async () => {
    const refusing = (real: MemoryTransport): Transport =>
      Object.assign(Object.create(real) as Transport, {
        write: async (drafts: readonly Draft[]) => {
          if (drafts.some(({ topic, value }) => topic.endsWith('.shuffle') && (value?.length ?? 0) > 200))
            throw new MillraceError('record-too-large', 'a record of 260 bytes is more than the topic takes')
          await real.write(drafts)
        },
      })
    const world = await World.create({ topics: { events: 1 }, transport: refusing })
    for (let i = 0; i < 9; i++) await world.send('events', 0, event(world, 'a'.repeat(i)))
    expect(await reasons(world)).toEqual([
      expect.stringMatching(/^record-too-large: .*more than the topic takes.*max\.message\.bytes/),
    ])
  })

  it('while its neighbours on the same partition go on', async () => {
    const world = await ran({ shuffle: undefined })
    for (let i = 0; i < 3; i++) await world.send('events', i, event(world, `k${i}`))
    await reasons(world, { ...world.flow, definition: 'd2', declaredAt: 2 })
    let said = 0
    const sink: Sink = {
      write: async ({ upto, emissions }) => {
        said += emissions.length
        return { safe: upto }
      },
      close: async () => undefined,
    }
    const worker = world.worker(undefined, world.flow, { ...world.flow, name: 'neighbour', sinks: [sink] })
    await worker.start()
    await world.clock.advance(5_000)
    expect(worker.status().map(({ topology, condition }) => `${topology} ${condition}`)).toEqual(
      [0, 1, 2].flatMap(() => ['load blocked', 'neighbour running']),
    )
    expect(said).toBeGreaterThanOrEqual(3)
    expect(worker.lag()).toBe(0)
    await worker.stop()
  })
})

describe('a topic that was made again', () => {
  it('is read from its start, as a new source', async () => {
    const world = await ran()
    await world.transport.deleteTopic('events')
    await world.transport.create({ name: 'events', partitions: 3, retentionMs: -1 })
    for (let i = 0; i < 6; i++) await world.send('events', i % 3, event(world, 'k0'))
    const worker = world.worker()
    await worker.start()
    expect(await world.settle(worker)).toBe(true)
    expect((await world.features('k0'))?.values.total).toBe(16)
    await worker.stop()
  })
})

describe('a record that cannot be processed', () => {
  it('goes to the dead letters with its bytes, place and reason, and the rest of its batch goes on', async () => {
    for (const shuffle of [2, undefined]) {
      const world = await World.create({ shuffle })
      await world.send('events', 0, event(world), event(world))
      await world.write([
        {
          topic: 'events',
          partition: 0,
          key: 'x',
          value: Buffer.from('{broken'),
          timestamp: world.clock.now(),
          headers: { trace: '7' },
        },
        { topic: 'events', partition: 0, key: null, value: Buffer.from('{"key":"a"}'), timestamp: world.clock.now() },
        {
          topic: 'events',
          partition: 0,
          key: null,
          value: Buffer.from(JSON.stringify({ ...event(world), at: world.clock.now() + 60_000 })),
          timestamp: world.clock.now(),
        },
        { topic: 'events', partition: 0, key: null, value: null, timestamp: world.clock.now() },
      ])
      await world.send('events', 0, event(world))
      const worker = world.worker()
      await worker.start()
      await world.settle(worker)
      expect((await world.features('a'))?.values.total).toBe(3)
      const dead: { code: string; value: string; position: string; trace: string | undefined }[] = []
      const member = await world.transport.join('look', ['test.dead-letters'], {
        opened: async () => 0,
        closed: () => undefined,
        batch: async ({ records }) => {
          for (const { headers, value } of records) {
            dead.push({
              code: String(headers['millrace-error-code']),
              value: String(value),
              position: String(headers['millrace-source-position']),
              trace: headers.trace?.toString(),
            })
          }
        },
      })
      await world.clock.rest()
      await member.leave()
      expect(dead.map(({ code, position }) => [code, position])).toEqual([
        ['record-malformed', '2'],
        ['time-missing', '3'],
        ['time-in-future', '4'],
      ])
      expect(dead[0]).toMatchObject({ value: '{broken', trace: '7' })
      await worker.stop()
    }
  })

  it('holds its task while the dead letters cannot be written, and nothing passes it', async () => {
    let broken = true
    const world = await World.create({
      transport: (real) =>
        new Proxy(real, {
          get(target, name) {
            const value = Reflect.get(target, name)
            if (name !== 'write') return typeof value === 'function' ? value.bind(target) : value
            return (drafts: Parameters<typeof real.write>[0]) =>
              broken && drafts.some(({ topic }) => topic.endsWith('dead-letters'))
                ? Promise.reject(new Error('full'))
                : target.write(drafts)
          },
        }),
    })
    await world.write([
      { topic: 'events', partition: 0, key: null, value: Buffer.from('{broken'), timestamp: world.clock.now() },
    ])
    await world.send('events', 0, event(world))
    const worker = world.worker()
    await worker.start()
    await world.clock.advance(5_000)
    expect(await world.features('a')).toBeUndefined()
    expect(worker.status().find(({ condition }) => condition === 'waiting')?.reason).toMatch(
      /writing dead letters: full/,
    )
    broken = false
    expect(await world.settle(worker)).toBe(true)
    expect((await world.features('a'))?.values.total).toBe(1)
    await worker.stop()
  })
})

describe('a result that a sink can never take', () => {
  it('goes to the dead letters under a name of its own, and the others are written', async () => {
    const world = await World.create({
      sink: (real) => ({
        ...real,
        write: async (batch) => {
          const good = batch.emissions.filter(({ key }) => !key.startsWith('bad'))
          const refused = batch.emissions.flatMap(({ key }, index) =>
            key.startsWith('bad') ? [{ index, code: 'no', reason: 'not this one' }] : [],
          )
          return { ...(await real.write({ ...batch, emissions: good })), refused }
        },
      }),
    })
    for (const key of ['a', 'bad1', 'bad2', 'bad3']) await world.send('events', 0, event(world, key))
    const worker = world.worker()
    await worker.start()
    expect(await world.settle(worker)).toBe(true)
    expect((await world.features('a'))?.values.total).toBe(1)
    expect(await world.features('bad1')).toBeUndefined()
    const ids = new Set<string>()
    const member = await world.transport.join('look', ['test.dead-letters'], {
      opened: async () => 0,
      closed: () => undefined,
      batch: async ({ records }) => {
        for (const { headers } of records) {
          expect(String(headers['millrace-error-code'])).toBe('sink-refused')
          ids.add(String(headers['millrace-id']))
        }
      },
    })
    await world.clock.rest()
    await member.leave()
    expect(ids.size).toBe(3)
    await worker.stop()
  })
})

describe('a feature store that went back in time', () => {
  it('is told every value again when a task opens', async () => {
    const world = await World.create()
    for (let i = 0; i < 9; i++) await world.send('events', i % 3, event(world, `k${i}`))
    const first = world.worker()
    await first.start()
    await world.settle(first)
    const back = world.store.snapshot()
    for (let i = 0; i < 9; i++) await world.send('events', i % 3, event(world, `k${i}`))
    await world.settle(first)
    await first.stop()
    back()
    expect((await world.features('k1'))?.values.total).toBe(1)
    const second = world.worker()
    await second.start()
    await world.clock.advance(1_000)
    for (let i = 0; i < 9; i++) expect((await world.features(`k${i}`))?.values.total).toBe(2)
    await second.stop()
  })

  it('is told every value again when it is noticed while writing', async () => {
    const world = await World.create()
    for (let i = 0; i < 9; i++) await world.send('events', i % 3, event(world, `k${i}`))
    const worker = world.worker()
    await worker.start()
    await world.settle(worker)
    const back = world.store.snapshot()
    for (let i = 0; i < 9; i++) await world.send('events', i % 3, event(world, `k${i}`))
    await world.settle(worker)
    back()
    for (const key of ['k1', 'k2', 'k3', 'k4']) await world.send('events', 0, event(world, key))
    await world.settle(worker)
    for (let i = 0; i < 9; i++) expect((await world.features(`k${i}`))?.values.total).toBe(i >= 1 && i <= 4 ? 3 : 2)
    await worker.stop()
  })
})
