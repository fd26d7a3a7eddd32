import { describe, expect, it } from 'vitest'
import type { FeatureRecord, State } from '../../src/core/model.ts'
import type { MemoryState } from '../../src/testing/memory-state.ts'
import { World, type WorldOptions } from './world.ts'

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

describe('what a store has', () => {
  const create = async () => {
    let partial = 0
    const sink: WorldOptions['sink'] = (real) => ({
      ...real,
      write: (batch) => {
        if (batch.partial) partial++
        return real.write(batch)
      },
    })
    let isDoubtful = false
    const state = (real: MemoryState): State =>
      Object.assign(Object.create(real) as MemoryState, {
        commit: async (...of: Parameters<State['commit']>) => {
          if (isDoubtful && of[1].keys) {
            isDoubtful = false
            throw new Error('no answer')
          }
          return real.commit(...of)
        },
      })
    const world: World = await World.create({ topics: { events: 1 }, shuffle: undefined, sink, state })
    const send = (value: number) => world.send('events', 0, { key: 'k', at: world.clock.now(), value })
    const doubt = () => {
      isDoubtful = true
    }
    return { world, send, doubt, partial: () => partial }
  }

  it('of a state that was gone back to and left again for a newer copy is said again, though no event comes', async () => {
    const { world, send, partial } = await create()
    const before = world.worker()
    await before.start()
    await send(1)
    await send(2)
    expect(await world.settle(before)).toBe(true)
    await before.stop()
    // by an owner that went on from the older copy, which the newer knows nothing of
    const { version } = (await world.features('k')) as FeatureRecord
    const emissions = [{ key: 'k', at: world.clock.now(), values: [1, 1, 1], cause: 'p0' }]
    const batch = {
      task: 'reduce/load@g1/0',
      version: { ...version, epoch: version.epoch + 500 },
      upto: 1,
      said: undefined,
      emissions,
    }
    await world.store.write({ namespace: 'load@g1', names: world.flow.features, batch })
    await world.clock.advance(1_000)
    const after = world.worker()
    await after.start()
    await world.clock.advance(1_000)
    expect((await world.features('k'))?.values).toMatchObject({ total: 2 })
    expect(partial()).toBe(1)
    await after.stop()
  })

  it('of an owner whose commit was lost is not said whole again: what it said comes again', async () => {
    const { world, send, doubt, partial } = await create()
    const worker = world.worker()
    await worker.start()
    await send(1)
    expect(await world.settle(worker)).toBe(true)
    await worker.stop()
    const next = world.worker()
    await next.start()
    await world.clock.advance(1_000)
    doubt()
    await send(2)
    await world.clock.advance(1_000)
    expect((await world.features('k'))?.values).toMatchObject({ total: 2 })
    expect(partial()).toBe(0)
    await next.stop()
  })
})
