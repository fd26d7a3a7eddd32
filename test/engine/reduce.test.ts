import { expect, it } from 'vitest'
import type { FeatureFlow, Millis, State, Transport } from '../../src/core/model.ts'
import type { MemoryState } from '../../src/testing/memory-state.ts'
import type { MemoryTransport } from '../../src/testing/memory-transport.ts'
import { WINDOW, World, type WorldOptions, windowReducer } from './world.ts'

/** The batches of the source come so long after one another; `said`: when results were said, from the start on. */
async function paced(linger: Millis, events = 1) {
  const source: { pace: Millis; far?: number; said: Millis[] } = { pace: 100, said: [] }
  const slowly = (real: MemoryTransport): Transport =>
    Object.assign(Object.create(real) as MemoryTransport, {
      join: (...[group, topics, on]: Parameters<Transport['join']>) => {
        const batch: typeof on.batch = async (each) => {
          if (each.topic === 'events') await world.clock.wait(each.partition === source.far ? 60_000 : source.pace)
          return on.batch(each)
        }
        const opened: typeof on.opened = (partition) => on.opened(partition)
        return real.join(group, topics, { batch, opened, closed: (partition) => on.closed(partition) })
      },
    })
  const sink: WorldOptions['sink'] = (real) => ({
    ...real,
    write: (batch) => {
      source.said.push(world.clock.monotonic() - start)
      return real.write(batch)
    },
  })
  const settings = { linger, maxRows: 10_000, maxRecords: 500, maxKeysBehind: 1_000 }
  const world: World = await World.create({ topics: { events }, shuffle: 1, settings, transport: slowly, sink })
  const start = world.clock.monotonic()
  return { world, source }
}

it.each([
  ['at once where it lingers for nothing', 0, 400, [100, 200, 300, 400, 500, 600]],
  ['once for what comes until it has caught up', 1_000, 400, [600]],
  ['when it has lingered long enough', 350, 400, [450, 600]],
  ['after a while without frames', 200, 400, [160, 260, 360, 460, 560, 600]],
  ['later where it has 31 rows of each', 1_000, 16, [200, 400, 600]],
  ['at once where it has 33 rows of each', 1_000, 15, [100, 200, 300, 400, 500, 600]],
  ['at once where it has many rows of each', 1_000, 4, [100, 200, 300, 400, 500, 600]],
])('a reducer that is behind says its keys %s', async (_, linger, keys, said) => {
  const { world, source } = await paced(linger)
  for (let i = 0; i < 3_000; i++)
    await world.send('events', 0, { key: `k${i % keys}`, at: world.clock.now() - i, value: i })
  const worker = world.worker()
  await worker.start()
  expect(await world.settle(worker)).toBe(true)
  await world.expectExact()
  expect(source.said).toEqual(said)
  await worker.stop()
})

it('a reducer that keeps up lingers for nothing', async () => {
  const { world, source } = await paced(10_000)
  source.pace = 0
  const worker = world.worker()
  await worker.start()
  await world.clock.advance(1_000)
  for (let i = 0; i < 4; i++) {
    await world.send('events', 0, { key: 'a', at: world.clock.now(), value: i })
    await world.clock.advance(10)
  }
  expect(source.said).toEqual([1_000, 1_010, 1_020, 1_030])
  await worker.stop()
})

it('a source that is far behind holds up nothing of another that was read to its end', async () => {
  const { world, source } = await paced(10_000, 2)
  source.far = 1
  for (const partition of [0, 1]) await world.send('events', partition, { key: 'a', at: world.clock.now(), value: 1 })
  const worker = world.worker()
  await worker.start()
  await world.clock.advance(1_000)
  for (let i = 0; i < 3; i++) {
    await world.send('events', 0, { key: 'a', at: world.clock.now(), value: i })
    await world.clock.advance(200)
  }
  expect(source.said).toEqual([100, 1_100, 1_300, 1_500])
  await worker.stop()
})

it('a key of which nothing is left is deleted, and an event of it later begins anew', async () => {
  const reducer = (slots: readonly string[]) => {
    const all = windowReducer(slots)
    return {
      ...all,
      isSpent: (...of: Parameters<typeof all.isSpent>) => all.nextDue(...of) === Number.POSITIVE_INFINITY,
    }
  }
  const world = await World.create({ topics: { events: 1 }, flow: { reducer: reducer as FeatureFlow['reducer'] } })
  const worker = world.worker()
  await worker.start()
  const send = (key: string) => world.send('events', 0, { key, at: world.clock.now(), value: 1 })
  for (const key of ['a', 'a', 'b']) await send(key)
  await world.clock.advance(WINDOW / 2)
  await send('b')
  await world.clock.advance(WINDOW / 2 + 1_000)
  expect(await world.features('a')).toBeUndefined()
  expect((await world.features('b'))?.values).toMatchObject({ count: 1, total: 2 })
  await send('a')
  await world.clock.advance(1_000)
  expect((await world.features('a'))?.values).toEqual({ count: 1, sum: 1, total: 1 })
  await worker.stop()
})

it('a state that goes back just before it is asked for timers is opened again, and what it forgot is read again', async () => {
  let copy = (): void => undefined
  let asked = 0
  const state = (real: MemoryState): State =>
    Object.assign(Object.create(real) as MemoryState, {
      due: (...of: Parameters<State['due']>) => {
        if (++asked === 1) copy()
        // it is asked for ever otherwise
        if (asked > 10) throw new Error('asked too often')
        return real.due(...of)
      },
    })
  const world = await World.create({ topics: { events: 1 }, shuffle: undefined, state })
  const worker = world.worker()
  await worker.start()
  await world.clock.advance(1_000)
  copy = world.state.snapshot()
  await world.send('events', 0, { key: 'a', at: world.clock.now(), value: 1 })
  await world.clock.advance(WINDOW + 10_000)
  await world.send('events', 0, { key: 'a', at: world.clock.now(), value: 2 })
  await world.clock.advance(1_000)
  expect((await world.features('a'))?.values).toEqual({ count: 1, sum: 2, total: 2 })
  await worker.stop()
})
