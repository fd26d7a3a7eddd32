import { expect, it } from 'vitest'
import { World } from './world.ts'

it('a worker that knows its generation by an older number than the state does now still says what counts', async () => {
  const world = await World.create({ topics: { events: 2 }, shuffle: undefined })
  const send = async (from: number) => {
    for (let i = 0; i < 4; i++)
      await world.send('events', i % 2, { key: `k${i % 2}`, at: world.clock.now(), value: from + i })
  }
  const older = world.worker()
  await older.start()
  await world.clock.advance(2_000)
  // the state lost what it knew of the deployment, and a worker that starts takes it up again
  await world.state.forget('generation/load@g1')
  const newer = world.worker()
  await newer.start()
  await world.clock.advance(2_000)
  await send(1)
  expect(await world.settle(newer)).toBe(true)
  await newer.stop()
  await send(10)
  expect(await world.settle(older)).toBe(true)
  for (const key of ['k0', 'k1']) expect((await world.features(key))?.values.total).toBe(4)
  await older.stop()
})

it.each([
  ['a task that says more', true],
  ['time, where nothing more is said', false],
])('a store that forgot who serves is told again, by %s', async (_what, more) => {
  const world = await World.create({ topics: { events: 2 }, shuffle: undefined })
  const empty = world.store.snapshot()
  const worker = world.worker()
  await worker.start()
  const send = (value: number) => world.send('events', 0, { key: 'k', at: world.clock.now(), value })
  await send(1)
  expect(await world.settle(worker)).toBe(true)
  expect(await world.store.alias('load')).toBe('load@g1')
  empty()
  expect(await world.store.alias('load')).toBeUndefined()
  if (more) await send(2)
  expect(await world.settle(worker)).toBe(true)
  await world.clock.advance(31_000)
  expect(await world.store.alias('load')).toBe('load@g1')
  expect((await world.features('k'))?.values.total).toBe(more ? 2 : 1)
  await worker.stop()
})
