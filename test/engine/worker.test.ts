import { describe, expect, it } from 'vitest'
import { type TestEvent, WINDOW, World } from './world.ts'

const keys = ['a', 'b', 'c', 'd', 'e', 'f', 'g']

async function sendMany(world: World, topic: string, partitions: number, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const event: TestEvent = {
      key: keys[(i * 5) % keys.length] as string,
      at: world.clock.now() - ((i * 7919) % 30_000),
      value: i % 10,
    }
    await world.send(topic, i % partitions, event)
  }
}

describe('a worker', () => {
  it('computes every key from records spread over partitions', async () => {
    const world = await World.create()
    await sendMany(world, 'events', 3, 500)
    const worker = world.worker()
    await worker.start()
    expect(await world.settle(worker)).toBe(true)
    await world.expectExact()
    await worker.stop()
  })

  it('commits, beats and follows windows as before when the wall clock is set back by two hours', async () => {
    const world = await World.create()
    await sendMany(world, 'events', 3, 50)
    const worker = world.worker()
    await worker.start()
    expect(await world.settle(worker)).toBe(true)
    const before = world.clock.now()
    world.clock.set(-2 * 3_600_000)
    await world.send('events', 0, { key: 'a', at: before + 10, value: 3 })
    await world.clock.advance(5_000)
    await world.expectExact()
    const { position } = await world.state.open('map/load@g1/events/0')
    expect(position).toBe((await world.transport.ranges('events'))[0]?.end)
    await worker.stop()
  })

  it.each([2, undefined])('keeps its windows when the wall clock is set forth by two hours', async (shuffle) => {
    const world = await World.create({ shuffle })
    const worker = world.worker()
    await worker.start()
    await world.send('events', 0, { key: 'a', at: world.clock.now(), value: 3 })
    expect(await world.settle(worker)).toBe(true)
    world.clock.set(2 * 3_600_000)
    await world.clock.advance(WINDOW - 15_000)
    expect((await world.features('a'))?.values).toMatchObject({ count: 1 })
    await world.clock.advance(30_000)
    expect((await world.features('a'))?.values).toMatchObject({ count: 0 })
    await worker.stop()
  })

  it('stops and leaves the group though the log no longer takes anything', async () => {
    let down = false
    let left = false
    const failing = <T>(call: () => Promise<T>) => (down ? Promise.reject(new Error('down')) : call())
    const world = await World.create({
      transport: (real) =>
        Object.assign(Object.create(real) as typeof real, {
          write: (...drafts: Parameters<typeof real.write>) => failing(() => real.write(...drafts)),
          join: async (...args: Parameters<typeof real.join>) => {
            const member = await real.join(...args)
            const leave = () => member.leave().then(() => (left = true))
            const commit: typeof member.commit = (positions) => failing(() => member.commit(positions))
            return { ...member, commit, leave }
          },
        }),
    })
    const worker = world.worker()
    await worker.start()
    await sendMany(world, 'events', 3, 100)
    expect(await world.settle(worker)).toBe(true)
    down = true
    await sendMany(world, 'events', 3, 100)
    await world.clock.advance(5_000)
    expect(worker.status().some(({ condition }) => condition === 'waiting')).toBe(true)
    const stopping = worker.stop()
    await world.clock.advance(5_000)
    await stopping
    expect(left).toBe(true)
    down = false
    const next = world.worker()
    await next.start()
    expect(await world.settle(next)).toBe(true)
    await world.expectExact()
    await next.stop()
  })

  it('counts its tasks by condition', async () => {
    const world = await World.create({ shuffle: undefined })
    const worker = world.worker()
    await worker.start()
    await world.clock.advance(2_000)
    const { values } = await world.metrics.tasks.get()
    expect(values.map(({ labels, value }) => [labels.condition, labels.role, value])).toEqual([
      ['running', 'reduce', 3],
    ])
    await worker.stop()
  })

  it('reads a topic that is keyed by the dimension directly', async () => {
    const world = await World.create({ shuffle: undefined })
    for (let i = 0; i < 300; i++) {
      const n = (i * 5) % keys.length
      await world.send('events', n % 3, { key: keys[n] as string, at: world.clock.now() - (i % 50), value: i })
    }
    const worker = world.worker()
    await worker.start()
    expect(await world.settle(worker)).toBe(true)
    await world.expectExact()
    await worker.stop()
  })

  it('lets a window fall to zero with no new event', async () => {
    for (const shuffle of [2, undefined]) {
      const world = await World.create({ shuffle })
      await world.send('events', 0, { key: 'a', at: world.clock.now(), value: 3 })
      const worker = world.worker()
      await worker.start()
      await world.clock.advance(10_000)
      expect((await world.features('a'))?.values).toEqual({ count: 1, sum: 3, total: 1 })
      await world.clock.advance(WINDOW)
      expect((await world.features('a'))?.values).toEqual({ count: 0, sum: 0, total: 1 })
      await worker.stop()
    }
  })

  it('lets a window fall to zero across a restart that spans its end', async () => {
    for (const shuffle of [2, undefined]) {
      const world = await World.create({ shuffle })
      await world.send('events', 0, { key: 'a', at: world.clock.now(), value: 3 })
      const first = world.worker()
      await first.start()
      await world.clock.advance(10_000)
      await first.stop()
      await world.clock.advance(WINDOW * 2)
      expect((await world.features('a'))?.values.count).toBe(1)
      const second = world.worker()
      await second.start()
      await world.clock.advance(10_000)
      expect((await world.features('a'))?.values).toEqual({ count: 0, sum: 0, total: 1 })
      await second.stop()
    }
  })

  it('computes old windows in a replay of old events, without regard to the wall clock', async () => {
    const world = await World.create()
    const old = world.clock.now() - 30 * 24 * 3_600_000
    for (let i = 0; i < 100; i++) {
      const event = { key: 'a', at: old + i * 10_000, value: 1 }
      world.sent.push(event)
      await world.write([
        {
          topic: 'events',
          partition: i % 3,
          key: null,
          value: Buffer.from(JSON.stringify(event)),
          timestamp: event.at,
        },
      ])
    }
    const worker = world.worker()
    await worker.start()
    await world.clock.advance(1_500)
    expect(await world.features('a')).toMatchObject({ at: old + 990_000, values: { count: 6, total: 100 } })
    await worker.stop()
  })

  it('goes on where it was after a restart', async () => {
    const world = await World.create()
    await sendMany(world, 'events', 3, 100)
    const first = world.worker()
    await first.start()
    await world.settle(first)
    await first.stop()
    await sendMany(world, 'events', 3, 100)
    const second = world.worker()
    await second.start()
    expect(await world.settle(second)).toBe(true)
    await world.expectExact()
    await second.stop()
  })

  it('spreads over several workers that come and go', async () => {
    const world = await World.create()
    const [a, b, c] = [world.worker(), world.worker(), world.worker()]
    await a.start()
    await sendMany(world, 'events', 3, 100)
    await b.start()
    await sendMany(world, 'events', 3, 100)
    await world.clock.advance(300)
    await c.start()
    await a.stop()
    await sendMany(world, 'events', 3, 100)
    await world.clock.advance(300)
    await c.stop()
    expect(await world.settle(b)).toBe(true)
    await world.expectExact()
    await b.stop()
  })

  it('stays exact when two workers both believe that everything is theirs', async () => {
    const world = await World.create()
    const [one, other] = [world.worker('one'), world.worker('other')]
    await one.start()
    await other.start()
    for (let i = 0; i < 10; i++) {
      await sendMany(world, 'events', 3, 40)
      await world.clock.advance(700)
    }
    await other.stop()
    expect(await world.settle(one)).toBe(true)
    await world.expectExact()
    await one.stop()
  })

  it('takes up partitions that a source topic gains', async () => {
    const world = await World.create()
    const worker = world.worker()
    await worker.start()
    await sendMany(world, 'events', 3, 100)
    await world.clock.advance(1_000)
    world.transport.grow('events', 5)
    await sendMany(world, 'events', 5, 100)
    expect(await world.settle(worker)).toBe(true)
    await world.expectExact()
    await worker.stop()
  })

  it('moves the alias once every task has caught up', async () => {
    const world = await World.create()
    await sendMany(world, 'events', 3, 100)
    const worker = world.worker()
    await worker.start()
    await world.clock.advance(10_000)
    expect(await world.store.alias('load')).toBe('load@g1')
    await worker.stop()
  })
})
