import { expect, it } from 'vitest'
import { FrameReader } from '../../src/engine/shuffle.ts'
import { World } from './world.ts'

it('a mapper far from the end of its source makes few frames of few rows, and a reducer the same of them', async () => {
  const frames = async (linger: number) => {
    const world = await World.create({ topics: { events: 1 }, settings: { linger, maxRecords: 5 } })
    for (let i = 0; i < 200; i++) await world.send('events', 0, { key: `k${i % 7}`, at: world.clock.now(), value: i })
    const worker = world.worker()
    await worker.start()
    expect(await world.settle(worker)).toBe(true)
    await worker.stop()
    await world.expectExact()
    const topic = worker.shuffleTopic(world.flow)
    return world.transport.records(topic).filter(({ value }) => new FrameReader().read(value as Buffer).rows.length > 0)
      .length
  }
  expect(await frames(400)).toBeLessThan((await frames(0)) / 4)
})
