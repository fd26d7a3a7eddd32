/** Logs that hold something else than they should when a task opens or reads them. */
import { describe, expect, it } from 'vitest'
import { ClearStop, MillraceError, RecordError } from '../../src/core/errors.ts'
import { hashOf } from '../../src/core/key.ts'
import type { Draft } from '../../src/core/model.ts'
import { SILENT } from '../../src/core/part.ts'
import { DeadLetters } from '../../src/engine/dead-letters.ts'
import { createMetrics } from '../../src/engine/metrics.ts'
import { shuffleTopic } from '../../src/engine/names.ts'
import { OwnCalls } from '../../src/engine/own-code.ts'
import { RowBuffer } from '../../src/engine/rows.ts'
import { encodeFrame, FrameReader } from '../../src/engine/shuffle.ts'
import { Silence } from '../../src/engine/silence.ts'
import { tail } from '../../src/engine/tail.ts'
import { VirtualClock } from '../../src/testing/clock.ts'
import { SETTINGS } from './settings.ts'
import { World } from './world.ts'

/** Why tasks are blocked after a few seconds. */
async function reasons(world: World): Promise<string[]> {
  const worker = world.worker()
  await worker.start()
  await world.clock.advance(3_000)
  const found = worker.status().flatMap(({ condition, reason }) => (condition === 'blocked' ? [reason ?? ''] : []))
  await worker.stop()
  return found
}

describe('a task stops clearly', () => {
  it.each([2, undefined])(
    'when its topic, or its partition, went while it was opened (shuffle: %s)',
    async (shuffle) => {
      for (const call of ['topics', 'ranges'] as const) {
        const world = await World.create({ shuffle, topics: { events: 1 } })
        const { join } = world.transport
        world.transport.join = (...given) => {
          const answer = world.transport[call].bind(world.transport) as (given: never) => Promise<unknown>
          const gone = async (given: never) => {
            const found = await answer(given)
            if (found instanceof Map) found.delete('events')
            return given === 'events' ? [] : found
          }
          Object.assign(world.transport, { [call]: gone })
          return join.apply(world.transport, given)
        }
        expect(await reasons(world)).toContainEqual(expect.stringMatching(/^topic-missing: .*events is gone/))
      }
    },
  )

  it('when frames are missing at the start of the shuffle that it has never read', async () => {
    const world = await World.create({ topics: { events: 1 } })
    const topic = shuffleTopic('test', world.flow)
    const ranges = world.transport.ranges.bind(world.transport)
    world.transport.ranges = async (name) =>
      (await ranges(name)).map((range) => (name === topic ? { start: 5, end: 9 } : range))
    expect(await reasons(world)).toEqual(
      [0, 1].map((p) => expect.stringContaining(`${topic}/${p} has lost its first 5 records before they were read`)),
    )
  })

  it('when a frame cannot be read, and names it', async () => {
    for (const value of [null, Buffer.from('no frame')]) {
      const world = await World.create({ topics: { events: 1 } })
      expect(await reasons(world)).toEqual([])
      const topic = shuffleTopic('test', world.flow)
      await world.write([{ topic, partition: 1, key: null, value }])
      expect(await reasons(world)).toEqual([expect.stringMatching(/^state-unreadable: .*\/1@\d+: /)])
    }
  })

  it('when a frame has columns of a kind that there is not', () => {
    const rows = new RowBuffer({ columns: [], where: () => true, key: () => '', time: undefined, id: undefined }, 1)
    const source = { topic: 'events', incarnation: 'i', partition: 0 }
    const head = {
      source,
      partitions: 1,
      after: -1,
      upto: 1,
      watermark: 1,
      stamp: 1,
      heartbeat: false,
      live: true,
      finishes: '',
    }
    const read = (layout: Buffer) => new FrameReader().read(encodeFrame(head, layout, rows))
    rows.add('a', hashOf('a'), 0, 1, 1, {})
    expect(() => read(Buffer.from([1, 9, 1, 97]))).toThrow('unknown column kind in a frame')
    expect(() => read(Buffer.from([9, 0, 1, 97]))).toThrow('9 columns in a layout of 4 bytes')
  })

  it('when code of one’s own fails where no event can be blamed', () => {
    const calls = new OwnCalls({ timeout: 1_000, stops: false }, 'reduce/load@g1/0', new VirtualClock())
    expect(calls.demand(() => 7)).toBe(7)
    const fails = () =>
      calls.demand(() => {
        throw new TypeError('cannot decode')
      })
    expect(fails).toThrow('reduce/load@g1/0: cannot decode')
  })

  it('when such a call gives no answer again and again; once, the machine may have stood still, and the task opens again', () => {
    const calls = new OwnCalls({ timeout: 10, stops: false }, 'reduce/load@g1/0', new VirtualClock())
    const loops = () => {
      try {
        return calls.demand(() => {
          for (;;);
        })
      } catch (error) {
        return [error instanceof ClearStop, (error as MillraceError).code]
      }
    }
    for (let time = 1; time < 10; time++) expect(loops()).toEqual([false, 'part-timeout'])
    expect(loops()).toEqual([true, 'part-timeout'])
  })
})

it('a partition that the log no longer speaks of, or that cannot be asked for, is not silent', async () => {
  let answer: () => Promise<{ at: number; ranges: { end: number }[] }> = async () => ({
    at: 5_000,
    ranges: [{ end: 3 }],
  })
  const silence = new Silence(
    { topic: 'events', partition: 1 },
    { ends: () => answer() as never, settings: SETTINGS, log: SILENT },
  )
  expect(await silence.after(0)).toBeUndefined()
  answer = async () => ({ at: 6_000, ranges: [{ end: 3 }, { end: 7 }] })
  expect(await silence.after(6)).toBeUndefined()
  expect(await silence.after(7)).toEqual({ at: 6_000, isLong: false })
  answer = () => Promise.reject('no connection')
  expect(await silence.after(7)).toBeUndefined()
  expect(silence.trouble).toBe('asking for the end of events: no connection')
  answer = async () => ({ at: 9_000, ranges: [{ end: 3 }, { end: 7 }] })
  expect(await silence.after(7)).toEqual({ at: 9_000, isLong: false })
})

describe('a dead letter that the log never takes', () => {
  const letterOf = async (key: Buffer | null, value: Buffer | null) => {
    const written: Draft[] = []
    const write = async (drafts: readonly Draft[]) => {
      if (drafts.some((draft) => (draft.value?.length ?? 0) + (draft.key?.length ?? 0) > 2_000))
        throw new MillraceError('record-too-large', 'too large')
      written.push(...drafts)
    }
    const source = { topic: 'events', partition: 0, incarnation: 'i' }
    const record = { position: 3, timestamp: 5, key, value, headers: {} }
    const error = new RecordError('record-malformed', 'not JSON')
    await new DeadLetters({ write } as never, createMetrics(), 'dead').write([
      { topology: 'load', source, record, error },
    ])
    return written.map(({ key, value, partition, headers }) => [
      key?.length,
      value,
      partition,
      headers?.['millrace-left-out'],
    ])
  }

  it('is told without its value, and without a key that is long', async () => {
    const leftOut = (bytes: number) => `value of ${bytes} bytes: the log takes no record so large`
    expect(await letterOf(Buffer.alloc(10), Buffer.alloc(3_000))).toEqual([[10, null, undefined, leftOut(3_000)]])
    expect(await letterOf(Buffer.alloc(1_024), Buffer.alloc(3_000))).toEqual([[1_024, null, undefined, leftOut(3_000)]])
    expect(await letterOf(Buffer.alloc(3_000), null)).toEqual([[undefined, null, 0, leftOut(0)]])
  })
})

it('who follows a log passes over what retention removed, and is told of a log that begins anew', async () => {
  let start = 5
  const transport = {
    topics: async () => new Map([['things', { partitions: 1, incarnation: 'i' }]]),
    ranges: async () => [{ start, end: 8 }],
    positionAt: async () => 0,
    read: async (_: unknown, position: number) => {
      if (position < start || position > 8) throw new MillraceError('position-outside-log', 'outside')
      const records = [{ position, timestamp: position, key: null, value: null, headers: {} }]
      return { topic: 'things', partition: 0, records, next: position + 1, end: 8 }
    },
  }
  const found: number[] = []
  const signal = new AbortController().signal
  const options = { transport: transport as never, topic: 'things', follow: false, clock: new VirtualClock(), signal }
  for await (const { record } of tail({ ...options, from: 0 })) {
    found.push(record.position)
    if (record.position === 5) start = 7
  }
  expect(found).toEqual([5, 7])
  start = 0
  transport.positionAt = async () => 7
  transport.read = () => Promise.reject(new MillraceError('position-outside-log', 'outside'))
  await expect(tail({ ...options, from: 7 }).next()).rejects.toThrow('outside')
  transport.read = () => Promise.reject(new Error('down'))
  await expect(tail({ ...options, from: 7 }).next()).rejects.toThrow('down')
})

it.each([2, undefined])(
  'a worker that is alone says whether all that is there has reached the features (shuffle: %s)',
  async (shuffle) => {
    const world = await World.create({ shuffle, topics: { events: 2 } })
    const worker = world.worker()
    expect(await worker.caughtUp()).toBe(false)
    await worker.start()
    expect(await world.settle(worker)).toBe(true)
    expect(await worker.caughtUp()).toBe(true)
    await world.send('events', 1, { key: 'a', at: world.clock.now(), value: 1 })
    expect(await worker.caughtUp()).toBe(false)
    expect(await world.settle(worker)).toBe(true)
    expect(await worker.caughtUp()).toBe(true)
    expect((await world.features('a'))?.values).toMatchObject({ total: 1 })
    await worker.stop()
    await worker.update([])
    expect(worker.status()).toEqual([])
  },
)
