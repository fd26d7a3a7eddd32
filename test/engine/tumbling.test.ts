import { describe, expect, it } from 'vitest'
import type { EmissionBatch, FeatureFlow, Slot } from '../../src/core/model.ts'
import { featureReducer } from '../../src/features/reducer.ts'
import { aggregationNamed, declared } from '../aggregations/declared.ts'
import { World } from './world.ts'

const LENGTH = 60_000
const tumbling = await aggregationNamed<unknown>('tumbling')
const columns = { of: 'value' }
const slots: readonly Slot[] = tumbling.slots([
  await declared('count', 'tumbling', { tumbling: '60s' }, 'count'),
  await declared('sum', 'tumbling', { tumbling: '60s', allowance: '20s' }, 'sum', columns),
  await declared('total', 'tumbling', { tumbling: '60s', offset: '30s' }, 'count'),
])
const reducer = featureReducer(slots, ['count', 'sum', 'total'], [0, 0, 0]) as FeatureFlow['reducer']

/** A world of one partition that begins with a window, and what is said in it. */
async function tumblingWorld(shuffle: number | undefined) {
  const said: { at: number; values: EmissionBatch['emissions'][0]['values'] }[] = []
  const world = await World.create({
    topics: { events: 1 },
    shuffle,
    flow: { reducer },
    sink: (real) => ({
      ...real,
      write: (batch) => {
        for (const { at, values } of batch.emissions) said.push({ at: at - start, values })
        return real.write(batch)
      },
    }),
  })
  const start = world.clock.now()
  expect(start % LENGTH).toBe(0)
  const worker = world.worker()
  await worker.start()
  const send = (at: number, value: number) => world.send('events', 0, { key: 'a', at: start + at, value })
  const late = async () => {
    const { records } = await world.transport.read({ topic: 'test.dead-letters', partition: 0 }, 0)
    return records.map(({ value }) => (JSON.parse(String(value)) as { features: string[] }).features)
  }
  return { world, worker, said, send, late }
}

describe.each([
  ['through a shuffle', 1],
  ['reading a keyed topic directly', undefined],
])('tumbling windows, %s', (_, shuffle) => {
  it('are said once the clock passes their end, and are over with the next, with no new event', async () => {
    const { world, worker, said, send } = await tumblingWorld(shuffle)
    await send(1_000, 5)
    await send(2_000, 6)
    await world.clock.advance(55_000)
    expect(said.at(-1)?.values).toEqual([0, 0, 2])
    await world.clock.advance(8_000)
    expect(said.at(-1)?.values).toEqual([2, 11, 2])
    expect(said.at(-1)?.at).toBeGreaterThanOrEqual(LENGTH)
    expect(said.at(-1)?.at).toBeLessThan(LENGTH + 2_000)
    await world.clock.advance(60_000)
    expect(said.at(-1)?.values).toEqual([0, 0, 0])
    const count = said.length
    await world.clock.advance(5 * LENGTH)
    expect(said.length).toBe(count)
    await worker.stop()
  })

  it('are corrected by an event within the allowance; a later one is late for the features that no longer take it', async () => {
    const { world, worker, said, send, late } = await tumblingWorld(shuffle)
    await send(1_000, 5)
    await world.clock.advance(65_000)
    expect(said.at(-1)?.values).toEqual([1, 5, 1])
    await send(59_999, 7)
    await world.clock.advance(1_000)
    expect(said.at(-1)?.values).toEqual([1, 12, 1])
    expect(await late()).toEqual([['count']])
    await world.clock.advance(20_000)
    await send(85_000, 1)
    await send(40_000, 9)
    await world.clock.advance(1_000)
    expect(said.at(-1)?.values).toEqual([1, 12, 1])
    expect(await late()).toEqual([['count'], ['count', 'sum']])
    await world.clock.advance(10_000)
    expect(said.at(-1)?.values?.[2]).toBe(3)
    await worker.stop()
  })
})

it('goes on although a reducer says that it is due in the past', { timeout: 5_000 }, async () => {
  const hasty: FeatureFlow['reducer'] = (known) => Object.assign(reducer(known), { nextDue: () => 0 })
  const world = await World.create({ topics: { events: 1 }, flow: { reducer: hasty } })
  const worker = world.worker()
  await worker.start()
  await world.send('events', 0, { key: 'a', at: world.clock.now(), value: 1 })
  await world.clock.advance(5_000)
  expect(worker.lag()).toBe(0)
  expect(worker.status().map(({ condition }) => condition)).not.toContain('blocked')
  await worker.stop()
})
