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

/** A table over a log of one partition: its records by position, what it holds, and what a read gives. */
function tableOver(records: readonly (readonly [key: string | null, value: string | null])[]) {
  const clock = new VirtualClock()
  const log = { start: 0, end: records.length, isDeaf: false }
  const reads: number[] = []
  const tables = new Tables({
    transport: {
      topics: async () => new Map(),
      ranges: async () => [{ start: log.start, end: log.end }],
      read: async (partition, from) => {
        reads.push(from)
        if (log.isDeaf) return { ...partition, records: [], next: from, end: log.end }
        const [key, value] = (records[from] ?? [null, null]).map((text) => text && Buffer.from(text))
        const record = { position: from, timestamp: 0, key: key || null, value: value || null, headers: {} }
        return { ...partition, records: [record], next: from + 1, end: log.end }
      },
    },
    decoder: () => ({
      prepare: async () => undefined,
      record: ({ value }) => ({ is: String(value) }),
    }),
    clock,
    log: SILENT,
    limit: 1_000,
  })
  return { clock, log, reads, tables }
}

it('a record without a key says nothing, one without a value that there is none', async () => {
  const { tables } = tableOver([
    ['a', '1'],
    [null, '2'],
    ['b', '3'],
    ['a', '4'],
    ['b', null],
  ])
  await tables.ready(['stores'])
  expect(['a', 'b', 'null', 'c'].map((key) => tables.lookup('stores', key))).toEqual([{ is: '4' }, null, null, null])
  await tables.close()
})

it('what a topic has forgotten before it was read is passed over, and what was read stays', async () => {
  const { clock, log, reads, tables } = tableOver([
    ['a', '1'],
    ['b', '2'],
    ['c', '3'],
    ['d', '4'],
  ])
  log.end = 1
  await tables.ready(['stores'])
  log.start = 3
  log.end = 4
  await clock.advance(1_000)
  expect(reads).toEqual([0, 3])
  expect(['a', 'b', 'd'].map((key) => tables.lookup('stores', key))).toEqual([{ is: '1' }, null, { is: '4' }])
  await tables.close()
})

it('where a read gives nothing, though the log goes on, it is asked again later', async () => {
  const { clock, log, reads, tables } = tableOver([['a', '1']])
  log.isDeaf = true
  await tables.ready(['stores'])
  expect([reads, tables.lookup('stores', 'a'), await tables.readToTheEnd()]).toEqual([[0], null, false])
  log.isDeaf = false
  await clock.advance(1_000)
  expect([tables.lookup('stores', 'a'), await tables.readToTheEnd()]).toEqual([{ is: '1' }, true])
  await tables.close()
})

it('a table that nobody needs any more is forgotten, and read anew for who does', async () => {
  const { reads, tables } = tableOver([['a', '1']])
  await tables.ready(['stores', 'couriers'])
  const closed = tables.keep(new Set(['couriers']))
  await closed
  expect([tables.lookup('stores', 'a'), tables.lookup('couriers', 'a')]).toEqual([null, { is: '1' }])
  await tables.ready(['stores'])
  expect([reads, tables.lookup('stores', 'a')]).toEqual([[0, 0, 0], { is: '1' }])
  await tables.close()
})
