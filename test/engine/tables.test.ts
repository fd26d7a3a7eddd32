import { expect, it } from 'vitest'
import { SILENT } from '../../src/core/part.ts'
import { Tables } from '../../src/engine/tables.ts'
import { NotYet } from '../../src/engine/task.ts'
import { VirtualClock } from '../../src/testing/clock.ts'

it('a table that is being read is not yet ready, which is no failure', async () => {
  const clock = new VirtualClock()
  const { promise: ranges, resolve } = Promise.withResolvers<never[]>()
  const tables = new Tables({
    transport: {
      topics: async () => new Map(),
      ranges: () => ranges,
      read: () => Promise.reject(new Error('there is nothing to read')),
    },
    decoder: () => {
      throw new Error('there is nothing to decode')
    },
    clock,
    log: SILENT,
    limit: 1,
  })
  const early = tables.ready(['stores']).catch((error: unknown) => error)
  await clock.advance(1_000)
  expect(await early).toBeInstanceOf(NotYet)
  resolve([])
  await expect(tables.ready(['stores'])).resolves.toBeUndefined()
  const closed = tables.close()
  await clock.advance(1_000)
  await closed
})

it('is read to the end once it holds what its topic does, or has stopped its tasks', async () => {
  const clock = new VirtualClock()
  let end = 1
  const tables = new Tables({
    transport: {
      topics: async () => new Map(),
      ranges: async () => [{ start: 0, end }],
      read: async (partition) => ({ ...partition, records: [], next: end, end }),
    },
    decoder: () => ({ prepare: async () => undefined, record: () => ({}) }),
    clock,
    log: SILENT,
    limit: -1,
  })
  expect(await tables.readToTheEnd()).toBe(true)
  const ready = tables.ready(['stores']).catch(() => undefined)
  expect(await tables.readToTheEnd()).toBe(false)
  await clock.advance(1_000)
  await ready
  expect(await tables.readToTheEnd()).toBe(true)
  end = 2
  expect(await tables.readToTheEnd()).toBe(true)
  await tables.close()
})
