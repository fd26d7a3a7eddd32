import { expect, it } from 'vitest'
import { WINDOW, World } from './world.ts'

it('windows empty with time though the topic was made again, and nothing has come in it since', async () => {
  const world = await World.create({ topics: { events: 1 } })
  const event = { key: 'k', at: world.clock.now(), value: 1 }
  const worker = world.worker()
  await worker.start()
  await world.send('events', 0, event)
  expect(await world.settle(worker)).toBe(true)
  expect((await world.features('k'))?.values.count).toBe(1)
  await worker.stop()
  await world.transport.deleteTopic('events')
  await world.transport.create({ name: 'events', partitions: 1, retentionMs: -1 })
  const next = world.worker()
  await next.start()
  await world.clock.advance(WINDOW + 10_000)
  expect((await world.features('k'))?.values).toMatchObject({ count: 0, sum: 0, total: 1 })
  await next.stop()
})
