import { describe, expect, it } from 'vitest'
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
function tableOver(records: readonly (readonly [key: string | null, value: string | null])[], limit = 1_000) {
  const clock = new VirtualClock()
  const log = {
    start: 0,
    end: records.length,
    isDeaf: false,
    isAway: false,
    incarnation: 'a' as string | undefined,
    onRead: undefined as (() => void) | undefined,
  }
  const reads: number[] = []
  const warned: unknown[] = []
  const tables = new Tables({
    transport: {
      topics: async (names) =>
        new Map(
          log.incarnation === undefined
            ? []
            : names.map((name) => [name, { partitions: 1, incarnation: log.incarnation as string }]),
        ),
      ranges: async () => {
        if (log.isAway) throw new Error('no broker')
        return [{ start: log.start, end: log.end }]
      },
      read: async (partition, from) => {
        reads.push(from)
        if (log.isDeaf) return { ...partition, records: [], next: from, end: log.end }
        const [key, value] = (records[from] ?? [null, null]).map((text) => text && Buffer.from(text))
        const record = { position: from, timestamp: 0, key: key || null, value: value || null, headers: {} }
        log.onRead?.()
        return { ...partition, records: [record], next: from + 1, end: log.end }
      },
    },
    decoder: () => ({
      prepare: async () => undefined,
      record: ({ value }) => ({ is: String(value) }),
    }),
    clock,
    log: { ...SILENT, warn: (...said: unknown[]) => warned.push(said) } as typeof SILENT,
    limit,
  })
  return { clock, log, reads, warned, tables }
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

it('a topic that was made again takes the place of the one before once it has been read', async () => {
  const { clock, log, reads, tables } = tableOver([
    ['a', '1'],
    ['b', '2'],
    ['a', '3'],
  ])
  log.end = 2
  await tables.ready(['stores'])
  Object.assign(log, { incarnation: undefined })
  await clock.advance(500)
  log.incarnation = 'a'
  await clock.advance(500)
  expect(reads).toEqual([0, 1])
  Object.assign(log, { incarnation: 'b', start: 2, end: 3, isAway: true })
  await clock.advance(500)
  expect(['a', 'b'].map((key) => tables.lookup('stores', key))).toEqual([{ is: '1' }, { is: '2' }])
  log.isAway = false
  await clock.advance(500)
  expect(reads).toEqual([0, 1, 2])
  expect(['a', 'b'].map((key) => tables.lookup('stores', key))).toEqual([{ is: '3' }, null])
  await tables.close()
})

it('a topic that is made again while it is first read is read as it is now, without what had been read before', async () => {
  const { clock, log, tables } = tableOver([
    ['a', '1'],
    ['b', '2'],
    ['b', '3'],
  ])
  Object.assign(log, { end: 1 })
  log.onRead = () => {
    log.onRead = undefined
    Object.assign(log, { incarnation: 'b', start: 1, end: 3 })
  }
  const first = tables.ready(['stores']).then(() => ['a', 'b'].map((key) => tables.lookup('stores', key)))
  await clock.advance(2_000)
  expect(await first).toEqual([null, { is: '3' }])
  await tables.close()
})

it('a log that lost its end is read from its start', async () => {
  const { clock, log, reads, tables } = tableOver([
    ['a', '1'],
    ['b', '2'],
  ])
  await tables.ready(['stores'])
  log.end = 1
  await clock.advance(500)
  log.end = 2
  await clock.advance(500)
  expect(reads).toEqual([0, 1, 0, 1])
  await tables.close()
})

it('why a table cannot be read is said, to who waits and in the log, until it can', async () => {
  const { clock, log, warned, tables } = tableOver([['a', '1']])
  log.isAway = true
  const early = tables.ready(['stores']).catch((error: unknown) => error)
  await clock.advance(1_000)
  expect(String(await early)).toContain('table stores: no broker')
  const warning = [{ topic: 'stores', reason: 'no broker' }, 'a table could not be read; trying again']
  expect(warned).toEqual([warning, warning, warning])
  log.isAway = false
  await clock.advance(500)
  await expect(tables.ready(['stores'])).resolves.toBeUndefined()
  await tables.close()
})

it('a table that is closed is read no more, and who waits for it does not take it for read', async () => {
  const { clock, log, reads, tables } = tableOver([['a', '1']])
  log.isAway = true
  const early = tables.ready(['stores']).catch((error: unknown) => error)
  await clock.advance(100)
  await tables.close()
  log.isAway = false
  await clock.advance(2_000)
  expect([await early, reads]).toEqual([expect.any(NotYet), []])
})

describe('the tables of a worker', () => {
  const entry: readonly [string, string] = ['a', '4567']

  it('may have so many bytes together, of keys and newest values, and one more stops what needs them', async () => {
    const { tables } = tableOver([entry, ['a', 'bcde'], ['b', '1'], ['b', null]], 12)
    await tables.ready(['stores', 'couriers'])
    const other = tableOver([entry, ['a', 'bcde'], ['b', null]], 9).tables
    await other.ready(['stores'])
    const stop = await other.ready(['couriers']).catch((error: unknown) => error)
    expect(stop).toMatchObject({
      code: 'table-too-large',
      message: 'the tables have more than 9 bytes, couriers among them',
    })
    await expect(other.ready(['stores'])).resolves.toBeUndefined()
    await expect(other.ready(['couriers'])).rejects.toBe(stop)
    await Promise.all([tables.close(), other.close()])
  })

  it('have room for others once one is closed', async () => {
    const { tables } = tableOver([entry], 5)
    await tables.ready(['stores'])
    await tables.keep(new Set())
    await expect(tables.ready(['couriers'])).resolves.toBeUndefined()
    await tables.close()
  })

  it('say that they are too many as soon as they are, and go on with what they had', async () => {
    const { clock, log, reads, tables } = tableOver([entry, ['a', '12345'], ['b', '1']], 5)
    log.end = 1
    await tables.ready(['stores'])
    Object.assign(log, { incarnation: 'b', start: 1, end: 3 })
    await clock.advance(500)
    await expect(tables.ready(['stores'])).rejects.toMatchObject({ code: 'table-too-large' })
    expect(tables.lookup('stores', 'a')).toEqual({ is: '4567' })
    await clock.advance(5_000)
    expect(reads).toEqual([0, 1])
    await tables.close()
  })
})
