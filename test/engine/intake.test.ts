/** What a task that reads its topic directly makes of it. */
import { describe, expect, it } from 'vitest'
import { RecordError } from '../../src/core/errors.ts'
import type { FeatureFlow, InputRecord, Position } from '../../src/core/model.ts'
import type { Slice } from '../../src/engine/inbox.ts'
import { DirectIntake, ShuffleIntake } from '../../src/engine/intake.ts'
import { Ledger } from '../../src/engine/ledger.ts'
import { createMetrics } from '../../src/engine/metrics.ts'
import type { Frame } from '../../src/engine/shuffle.ts'
import type { Patience, TaskContext } from '../../src/engine/task.ts'
import { VirtualClock } from '../../src/testing/clock.ts'
import { MemoryState } from '../../src/testing/memory-state.ts'
import { ALONE, SETTINGS } from './settings.ts'

const { idle } = SETTINGS
const patiently: Patience = (_, call) => call()
/** A key and its event time; without a key, it cannot be decoded. */
type Given = readonly [key: string | null, at: number]

function start() {
  const clock = new VirtualClock()
  const state = new MemoryState(() => clock.now())
  const letters: number[] = []
  const log = { end: 0, isAway: false, partitions: 2, incarnation: 'a' }
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
    direct: 2,
    sources: [{ topic: 'events', plan }],
  } as unknown as FeatureFlow
  const ranges = () => Array.from({ length: log.partitions }, () => ({ start: 0, end: log.end }))
  const context = {
    clock,
    state,
    metrics: createMetrics(),
    settings: SETTINGS,
    load: ALONE,
    log: { warn: () => undefined },
    deadLetters: { write: async (dead: readonly unknown[]) => void letters.push(dead.length) },
    transport: {
      topics: async () => new Map([['events', { partitions: log.partitions, incarnation: log.incarnation }]]),
      ranges: async () => ranges(),
    },
    ends: async () => {
      if (log.isAway) throw new Error('no broker')
      return { at: clock.monotonic(), ranges: ranges() }
    },
    wasLost: async () => false,
  } as unknown as TaskContext
  /** As a task opens: by a claim of its own, with what the one before it has left. */
  const open = async (meta: Uint8Array = new Uint8Array(0), intake = new DirectIntake(flow, 1, context)) => {
    const ledger = new Ledger({ id: 'reduce/load@g1/1', role: 'reduce', flow }, context, () => new Uint8Array(0))
    await ledger.open(patiently)
    await ledger.begin(await intake.open(patiently, ledger, meta))
    return intake
  }
  const sliceOf = (given: readonly Given[], at: Position, behind: number, from = 0): Slice => {
    const records = given.map(
      ([, time], i) =>
        ({ position: at + i, timestamp: time, key: null, value: Buffer.of(1), headers: {} }) as InputRecord,
    )
    const event = (i: number) =>
      given[i]?.[0] == null ? new RecordError('record-malformed', 'no') : { key: given[i][0], at: given[i][1] }
    const next = at + given.length
    log.end = next + behind
    const batch = { topic: 'events', partition: 1, records, next, end: log.end, ready: async () => undefined, event }
    return { batch, from, to: given.length, next }
  }
  const framesOf = async (intake: DirectIntake, ...given: Parameters<typeof sliceOf>) =>
    intake.frames(sliceOf(...given))
  return { clock, log, letters, flow, context, open, framesOf }
}

const shown = ([frame]: readonly Frame[]) => {
  const { rows, reached: _, source: __, ...more } = frame as Frame
  return { ...more, keys: rows.keys }
}

describe('a slice of a topic that is read directly', () => {
  it('is one frame: its rows, and how far the source has come', async () => {
    const { open, framesOf, letters } = start()
    const intake = await open()
    const given: Given[] = [
      ['other', 1],
      ['a', 500],
      [null, 600],
      ['b', 900],
      ['a', 700],
    ]
    const frames = await framesOf(intake, given, 10, 1, 1)
    expect(frames).toHaveLength(1)
    expect(shown(frames)).toEqual({
      partitions: 1,
      after: -1,
      upto: 15,
      watermark: 900,
      stamp: 900,
      heartbeat: false,
      live: false,
      finishes: '',
      keys: ['a', 'b'],
    })
    expect(frames[0]?.rows.length).toBe(3)
    expect(frames[0]?.reached).toHaveLength(4)
    expect(letters).toEqual([1])
    expect(shown(await framesOf(intake, [['a', 800]], 15, 1))).toMatchObject({ watermark: 900, keys: ['a'] })
    expect(letters).toEqual([1])
  })

  it('says nothing of time where no event has come', async () => {
    const { open, framesOf } = start()
    expect(shown(await framesOf(await open(), [[null, 5]], 0, 0))).toMatchObject({ watermark: Number.NaN, keys: [] })
  })

  it('is live from the end of the log on, until the task opens again', async () => {
    const { open, framesOf, log } = start()
    const intake = await open()
    expect(intake.live).toBe(false)
    expect(shown(await framesOf(intake, [['a', 1]], 0, 1))).toMatchObject({ live: false })
    expect(shown(await framesOf(intake, [['a', 1]], 1, 0))).toMatchObject({ live: true })
    expect(shown(await framesOf(intake, [['a', 1]], 2, 5))).toMatchObject({ live: true })
    await open(intake.encode(), intake)
    expect(intake.live).toBe(false)
    log.end = 9
    await intake.silence(3)
    expect(intake.live).toBe(false)
    log.end = 3
    await intake.silence(3)
    expect(intake.live).toBe(true)
    log.end = 9
    await intake.silence(3)
    expect(intake.live).toBe(true)
  })
})

describe('silence of a topic that is read directly', () => {
  it('lets time go on once it has lasted, from the newest event on, and ends with records or a new owner', async () => {
    const { clock, open, framesOf } = start()
    const intake = await open()
    await framesOf(intake, [['a', 500]], 0, 0)
    expect(await intake.silence(1)).toBeUndefined()
    clock.move(idle - 1)
    expect(await intake.silence(1)).toBeUndefined()
    clock.move(1)
    expect(await intake.silence(1)).toBe(500 + idle)
    await framesOf(intake, [['a', 400]], 1, 0)
    expect(await intake.silence(2)).toBeUndefined()
    clock.move(idle)
    expect(await intake.silence(2)).toBe(500 + 2 * idle)
    await open(intake.encode(), intake)
    expect(await intake.silence(2)).toBeUndefined()
    clock.move(idle)
    expect(await intake.silence(2)).toBe(500 + 3 * idle)
  })

  it('has no time where no event has come, nor where the log cannot be asked, which is said', async () => {
    const { clock, open, log } = start()
    const intake = await open()
    await intake.silence(0)
    clock.move(idle)
    expect(await intake.silence(0)).toBeUndefined()
    expect(intake.trouble).toBeUndefined()
    log.isAway = true
    expect(await intake.silence(0)).toBeUndefined()
    expect(intake.trouble).toBe('asking for the end of events: no broker')
  })
})

describe('a topic that is read directly', () => {
  it('with other partitions than it had is a clear stop, when a task opens and while it runs', async () => {
    const { open, log } = start()
    const intake = await open()
    log.partitions = 3
    const moved = 'events is read directly and has 3 partitions instead of 2: its keys have moved'
    await expect(intake.silence(0)).rejects.toMatchObject({ code: 'topic-mismatch', message: moved })
    await expect(open()).rejects.toMatchObject({ code: 'topic-mismatch', message: moved })
  })

  it('that was made again is a clear stop', async () => {
    const { open, log } = start()
    const { encode } = await open().then((intake) => ({ encode: intake.encode() }))
    await expect(open(encode)).resolves.toBeInstanceOf(DirectIntake)
    log.incarnation = 'b'
    await expect(open(encode)).rejects.toMatchObject({ code: 'topic-recreated' })
  })

  it('has its sources and bounds: more records may wait than frames, and a step takes what a batch may have', () => {
    const { flow, context } = start()
    const direct = new DirectIntake(flow, 1, context)
    expect([direct.topics, direct.topic, direct.take, direct.inboxRecords]).toEqual([
      ['events'],
      'events',
      SETTINGS.maxRecords,
      4 * SETTINGS.waitingRecords,
    ])
    const wide = { ...context, settings: { ...SETTINGS, maxRecords: 100_000 } } as TaskContext
    expect(new DirectIntake(flow, 1, wide).take).toBe(65_535)
    const shuffled = new ShuffleIntake(flow, 'load.shuffle', 1, context)
    expect([shuffled.topics, shuffled.topic, shuffled.take, shuffled.inboxRecords]).toEqual([
      ['events'],
      'load.shuffle',
      1,
      SETTINGS.waitingFrames,
    ])
  })
})
