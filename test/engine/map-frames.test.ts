/** What a mapper writes, step by step and tick by tick. */
import { describe, expect, it } from 'vitest'
import { MillraceError, RecordError } from '../../src/core/errors.ts'
import { hashOf } from '../../src/core/key.ts'
import type { Batch, Draft, FeatureFlow, InputRecord, Position } from '../../src/core/model.ts'
import type { DeadLetter } from '../../src/engine/dead-letters.ts'
import { MapTask } from '../../src/engine/map.ts'
import { createMetrics } from '../../src/engine/metrics.ts'
import { type Frame, FrameReader } from '../../src/engine/shuffle.ts'
import type { EngineSettings, Patience, TaskContext } from '../../src/engine/task.ts'
import { VirtualClock } from '../../src/testing/clock.ts'
import { MemoryState } from '../../src/testing/memory-state.ts'
import { ALONE, SETTINGS } from './settings.ts'

/** A key for each of the two targets. */
const [LEFT, RIGHT] = [0, 1].map(
  (target) => 'abcdefgh'.split('').find((key) => hashOf(key) % 2 === target) as string,
) as [string, string]

type Given = readonly [key: string | null, at: number, timestamp?: number]

const patiently: Patience = (_, call) => call()

async function start(settings: Partial<EngineSettings> = {}, load = ALONE) {
  const clock = new VirtualClock()
  const state = new MemoryState(() => clock.now())
  const metrics = createMetrics()
  const reader = new FrameReader()
  const wrote: Frame[][] = []
  const letters: number[] = []
  const log: { end: Position; isAway: boolean; incarnation: string; start: Position; refuses?: Error } = {
    end: 0,
    isAway: false,
    incarnation: 'a',
    start: 0,
  }
  const plan = {
    columns: [],
    where: () => true,
    key: (event: { key: string }) => event.key,
    time: (event: { at: number }) => event.at,
    id: undefined,
  }
  const flow = {
    name: 'load',
    generation: 'g1',
    start: 'earliest',
    shuffle: 2,
    sources: [{ topic: 'events', plan }],
  } as unknown as FeatureFlow
  const context = {
    clock,
    state,
    metrics,
    settings: { ...SETTINGS, ...settings },
    load,
    log: { warn: () => undefined },
    deadLetters: { write: async (dead: readonly DeadLetter[]) => void letters.push(dead.length) },
    transport: {
      topics: async () => new Map([['events', { partitions: 3, incarnation: log.incarnation }]]),
      ranges: async () => [{ start: log.start, end: log.end }],
      write: async (drafts: readonly Draft[]) => {
        if (log.refuses) throw log.refuses
        wrote.push(drafts.map(({ value }) => reader.read(value as Buffer)))
      },
    },
    ends: async () => {
      if (log.isAway) throw new Error('no broker')
      return { at: clock.monotonic(), ranges: [{ start: log.start, end: log.end }] }
    },
    wasLost: async () => false,
  } as unknown as TaskContext
  const open = async () => {
    const task = new MapTask(flow, 'shuffle', 'events', 0, context)
    task.inbox.reset(await task.open(patiently))
    return task
  }
  const task = await open()
  /** The batch that follows; a key of null cannot be decoded. `behind`: so much more is in the log. */
  const offer = (to: MapTask, given: readonly Given[], behind = 0) => {
    const from = to.inbox.want
    const next = from + given.length
    const records = given.map(
      ([, at, timestamp = at], i) =>
        ({ position: from + i, timestamp, key: null, value: Buffer.of(1), headers: {} }) as InputRecord,
    )
    const event = (i: number) => {
      const [key, at] = given[i] as Given
      return key === null ? new RecordError('record-malformed', 'no') : { key, at }
    }
    log.end = next + behind
    const batch: Batch = { topic: 'events', partition: 0, records, next, end: log.end }
    to.inbox.offer({ ...batch, ready: async () => undefined, event })
  }
  const step = async (given: readonly Given[], behind = 0) => {
    offer(task, given, behind)
    await task.step()
    return wrote.splice(0).flat()
  }
  const tick = async () => {
    await task.tick()
    return wrote.splice(0).flat()
  }
  return { clock, state, metrics, task, open, offer, step, tick, wrote, letters, log }
}

const shown = ({ after, upto, watermark, stamp, heartbeat, live, rows }: Frame) => ({
  after,
  upto,
  watermark,
  stamp,
  heartbeat,
  live,
  rows: rows.length,
})
const NONE = Number.NaN

describe('a step', () => {
  it('writes each target its rows, behind which row of the target they stand, and how far the source has come', async () => {
    const { step, letters } = await start()
    const quiet = { heartbeat: false, live: true }
    expect(
      (
        await step([
          [LEFT, 500],
          [LEFT, 900, 950],
          [RIGHT, 700],
        ])
      ).map(shown),
    ).toEqual([
      { ...quiet, after: -1, upto: 3, watermark: 900, stamp: 950, rows: 2 },
      { ...quiet, after: -1, upto: 3, watermark: 900, stamp: 950, rows: 1 },
    ])
    // a target that gets nothing is told the time now and then
    expect((await step([[LEFT, 800]])).map(shown)).toEqual([
      { ...quiet, after: 1, upto: 4, watermark: 900, stamp: 800, rows: 1 },
    ])
    expect((await step([[RIGHT, 800]])).map(shown)).toEqual([
      { ...quiet, after: 2, upto: 5, watermark: 900, stamp: 800, rows: 1 },
    ])
    expect(letters).toEqual([])
  })

  it('tells a target without rows the time every 250 ms, and writes nothing where there is nothing to say', async () => {
    const { clock, step, tick } = await start()
    await step([[LEFT, 900]])
    clock.move(249)
    expect((await step([[LEFT, 901]])).map(shown)).toMatchObject([{ rows: 1 }])
    clock.move(1)
    expect((await step([[LEFT, 902]])).map(shown)).toMatchObject([{ rows: 1 }, { rows: 0, after: -1, watermark: 902 }])
    clock.move(1)
    expect(await step([[null, 903]])).toEqual([])
    clock.move(249)
    expect((await step([[null, 903]])).map(shown)).toMatchObject([
      { rows: 0, after: 2, upto: 5 },
      { rows: 0, after: -1, upto: 5 },
    ])
    expect(await tick()).toEqual([])
  })

  it('tells them less often in a worker of many targets', async () => {
    const { clock, step } = await start({}, { tasks: 1_600, targets: 6_400 })
    await step([[LEFT, 900]])
    clock.move(3_199)
    expect((await step([[LEFT, 901]])).map(shown)).toMatchObject([{ rows: 1 }])
    clock.move(1)
    expect((await step([[LEFT, 902]])).map(shown)).toMatchObject([{ rows: 1 }, { rows: 0, watermark: 902 }])
  })

  it('says nothing of time and delay where no event has come', async () => {
    const { step, letters } = await start()
    expect((await step([[null, 900]])).map(shown)).toMatchObject([
      { rows: 0, after: -1, watermark: NONE, stamp: 900 },
      { rows: 0, after: -1, watermark: NONE, stamp: 900 },
    ])
    expect(letters).toEqual([1])
  })

  it('far from the end takes what comes while it lingers, and says the newest of it', async () => {
    const { clock, task, offer, wrote, metrics } = await start({ linger: 100 })
    offer(task, [[LEFT, 700]], 99)
    const stepping = task.step()
    for (const at of [900, 800]) {
      await clock.advance(40)
      offer(
        task,
        [
          [LEFT, at],
          [LEFT, at - 1],
        ],
        99,
      )
    }
    await clock.advance(20)
    await stepping
    expect(wrote.flat().map(shown)).toMatchObject([
      { rows: 5, upto: 5, watermark: 900, stamp: 900, live: false },
      { rows: 0, stamp: 900 },
    ])
    const records = (await metrics.batchRecords.get()).values.find(({ metricName }) => metricName?.endsWith('_sum'))
    const seconds = (await metrics.batchSeconds.get()).values.find(({ metricName }) => metricName?.endsWith('_sum'))
    expect([records?.value, seconds?.value]).toEqual([5, 0.1])
    expect([records?.labels, seconds?.labels]).toEqual([0, 1].map(() => ({ topology: 'load', role: 'map' })))
  })

  it('lingers no more once it has rows for a good frame for each target, or was at the end', async () => {
    const { clock, task, offer, step } = await start({ linger: 100, maxRecords: 1_000 })
    const before = clock.monotonic()
    expect((await step(Array<Given>(512).fill([LEFT, 1]), 99)).map(({ rows }) => rows.length)).toEqual([512, 0])
    offer(task, Array<Given>(511).fill([LEFT, 1]), 99)
    const stepping = task.step()
    await clock.advance(99)
    expect(task.done).toBe(512)
    await clock.advance(1)
    await stepping
    await step([[LEFT, 1]])
    await step([[LEFT, 1]], 99)
    expect([task.done, clock.monotonic() - before]).toEqual([1_025, 100])
  })

  it('cuts frames at their rows, the first of which say nothing of time', async () => {
    const { step } = await start({ maxRecords: 2_000 })
    const frames = (await step(Array<Given>(1_001).fill([LEFT, 5]))).map(shown)
    expect(frames.map(({ rows, after, upto, watermark }) => [rows, after, upto, watermark])).toEqual([
      [1_000, -1, 999, NONE],
      [1, 999, 1_001, 5],
      [0, -1, 1_001, 5],
    ])
  })

  it.each([
    ['a second', ALONE, 1_000],
    ['more in a worker of many tasks', { tasks: 1_600, targets: 0 }, 3_200],
  ])('is committed after %s, or before the task ends', async (_, load, every) => {
    const { clock, step, tick, task } = await start({}, load)
    await step([[LEFT, 1]])
    expect([task.done, task.position]).toEqual([1, 0])
    clock.move(every - 1)
    await tick()
    expect(task.position).toBe(0)
    clock.move(1)
    await tick()
    expect(task.position).toBe(1)
    await step([[LEFT, 1]])
    await task.settle()
    expect(task.position).toBe(2)
  })

  it('is a clear stop where the log takes no frame of that size, and repeated where it fails otherwise', async () => {
    const { task, offer, log } = await start()
    for (const [error, stop] of [
      [new MillraceError('record-too-large', 'too large'), 'ClearStop'],
      [new MillraceError('part-failed', 'refused'), 'MillraceError'],
      [Object.assign(new Error('strange'), { code: 'record-too-large' }), 'Error'],
    ] as const) {
      log.refuses = error
      offer(task, [[LEFT, 1]])
      const failed = await task.step().catch((failure: Error) => failure)
      expect([(failed as Error).constructor.name, (failed as Error).message]).toEqual([stop, error.message])
    }
  })
})

describe('silence', () => {
  it('lets time go on from when it has lasted, by heartbeats to all targets; a step ends it', async () => {
    const { clock, step, tick } = await start()
    await step([[LEFT, 900]])
    expect(await tick()).toEqual([])
    clock.move(SETTINGS.idle - 1)
    expect(await tick()).toEqual([])
    clock.move(1)
    const beats = await tick()
    expect(beats.map(shown)).toEqual(
      [0, -1].map((after) => ({
        after,
        upto: 1,
        watermark: 900 + SETTINGS.idle,
        stamp: NONE,
        heartbeat: true,
        live: true,
        rows: 0,
      })),
    )
    // they have just been told the time
    clock.move(249)
    expect((await step([[LEFT, 950]])).map(({ rows }) => rows.length)).toEqual([1])
    expect(await tick()).toEqual([])
    clock.move(SETTINGS.idle)
    expect(await tick()).toHaveLength(2)
  })

  it('is told less often in a worker of many targets', async () => {
    const { clock, step, tick } = await start({}, { tasks: 1_600, targets: 6_400 })
    await step([[LEFT, 900]])
    await tick()
    clock.move(3_200)
    expect(await tick()).toHaveLength(2)
    clock.move(3_199)
    expect(await tick()).toEqual([])
    clock.move(1)
    expect(await tick()).toHaveLength(2)
  })

  it('is none while something waits, or the log cannot be asked, which is said', async () => {
    const { clock, task, tick, offer, log } = await start()
    await tick()
    clock.move(SETTINGS.idle)
    offer(task, [[LEFT, 1]])
    log.end = 0
    expect(await tick()).toEqual([])
    await task.step()
    log.end = 1
    log.isAway = true
    await tick()
    expect(task.trouble).toBe('asking for the end of events: no broker')
    log.isAway = false
    await tick()
    expect(task.trouble).toBeUndefined()
  })

  it('tells that the source was read to its end, which holds until the task opens again', async () => {
    const { step, tick, offer, task, wrote, log } = await start()
    expect((await step([[LEFT, 1]], 1)).map(({ live }) => live)).toEqual([false, false])
    await tick()
    expect((await step([[LEFT, 1]], 1)).map(({ live }) => live)).toEqual([false])
    log.end = 2
    await tick()
    expect((await step([[LEFT, 1]], 5)).map(({ live }) => live)).toEqual([true])
    task.inbox.reset(await task.open(patiently))
    offer(task, [[LEFT, 1]], 5)
    await task.step()
    expect(wrote.flat().map(({ live }) => live)).toEqual([false, false])
  })

  it('of a partition in which nothing ever came tells that there is nothing, and no time', async () => {
    const { clock, tick } = await start()
    await tick()
    clock.move(SETTINGS.idle)
    expect((await tick()).map(shown)).toMatchObject(
      [0, 1].map(() => ({ upto: 0, watermark: NONE, heartbeat: true, live: true })),
    )
  })
})

describe('a task that opens again', () => {
  it('goes on where it was: behind which rows, with the time it had, and tells it to all', async () => {
    const { clock, open, step, task, offer, wrote } = await start()
    await step([
      [LEFT, 900],
      [RIGHT, 800],
    ])
    await task.settle()
    const next = await open()
    expect(next.position).toBe(2)
    offer(next, [[LEFT, 700]])
    await next.step()
    expect(wrote.splice(0).flat().map(shown)).toMatchObject([
      { after: 0, upto: 3, watermark: 900, rows: 1 },
      { after: 1, upto: 3, watermark: 900, rows: 0 },
    ])
    clock.move(1)
    // rows that were not written are not left over
    offer(next, [[LEFT, 700]])
    next.inbox.reset(await next.open(patiently))
    offer(next, [[RIGHT, 700]])
    await next.step()
    expect(wrote.splice(0).flat().map(shown)).toMatchObject([{ rows: 0 }, { rows: 1 }])
  })

  it('after its topic was made again says that the old one has ended, and begins at the start of the new', async () => {
    const { open, step, task, offer, wrote, log } = await start()
    await step([
      [LEFT, 900],
      [RIGHT, 800],
    ])
    await task.settle()
    Object.assign(log, { incarnation: 'b', start: 1 })
    const next = await open()
    const ends = wrote.splice(0).flat()
    expect(
      ends.map(({ finishes, source, upto, after, watermark }) => [
        finishes,
        source.incarnation,
        upto,
        after,
        watermark,
      ]),
    ).toEqual([0, 1].map(() => ['a', 'b', 1, -1, NONE]))
    expect([next.position, (await open()).position, wrote]).toEqual([1, 1, []])
    const again = await open()
    offer(again, [[LEFT, 700]])
    await again.step()
    expect(wrote.flat().map(shown)).toMatchObject([{ after: -1, upto: 2, watermark: 900 }, { after: -1 }])
  })
})
