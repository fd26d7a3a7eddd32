/** What a reducer does in one step, and with time, over frames that are given by hand. */
import { describe, expect, it } from 'vitest'
import type { EmissionBatch, FeatureFlow, InputRecord, Millis, Sink, TaskId, Version } from '../../src/core/model.ts'
import type { DeadLetter } from '../../src/engine/dead-letters.ts'
import type { Intake } from '../../src/engine/intake.ts'
import { createMetrics } from '../../src/engine/metrics.ts'
import type { Load } from '../../src/engine/pace.ts'
import { ReduceTask } from '../../src/engine/reduce.ts'
import type { Frame } from '../../src/engine/shuffle.ts'
import type { EngineSettings, Patience, TaskContext } from '../../src/engine/task.ts'
import { VirtualClock } from '../../src/testing/clock.ts'
import { MemoryState } from '../../src/testing/memory-state.ts'
import { ALONE, SETTINGS } from './settings.ts'
import { WINDOW, windowReducer } from './world.ts'

const { maxKeys, maxKeysBehind, maxRows } = SETTINGS
const T = 1_000_000
const patiently: Patience = (_, call) => call()
type Row = readonly [key: string, time: Millis]

interface Given {
  readonly settings?: Partial<EngineSettings>
  readonly flow?: Partial<FeatureFlow>
  /** Wall time that a sink takes. */
  readonly takes?: Millis
  readonly load?: Load
}

async function start({ settings = {}, flow: changes = {}, takes = 0, load = ALONE }: Given = {}) {
  const clock = new VirtualClock()
  const state = new MemoryState(() => clock.now())
  const metrics = createMetrics()
  const told: EmissionBatch[] = []
  const letters: (readonly DeadLetter[])[] = []
  const alive: (readonly TaskId[])[] = []
  const sink: Sink & { flushed: number; marked?: Version } = {
    flushed: 0,
    write: async (batch) => {
      told.push(batch)
      clock.move(takes)
      return { safe: batch.upto }
    },
    caughtUp: async (_task, _version, tasks) => void alive.push(tasks),
    flush: async () => {
      sink.flushed++
      return { safe: 0 }
    },
    close: async () => undefined,
  }
  const flow = {
    name: 'load',
    generation: 'g1',
    definition: 'd1',
    declaredAt: 1,
    reducer: windowReducer,
    sinks: [sink],
    sources: [{ topic: 'events' }],
    ...changes,
  } as unknown as FeatureFlow
  const frames = new Map<number, Frame>()
  const log = {
    live: undefined as boolean | undefined,
    silence: undefined as Millis | undefined,
    trouble: undefined as string | undefined,
  }
  const intake: Intake = {
    topics: ['events'],
    topic: 'load.shuffle',
    take: 1,
    inboxRecords: 1_000,
    open: async (_, { claim }) => claim.position ?? 0,
    frames: async ({ batch, from, to }) =>
      batch.records.slice(from, to).map(({ position }) => frames.get(position) as Frame),
    silence: async () => log.silence,
    get live() {
      return log.live as boolean
    },
    get trouble() {
      return log.trouble
    },
    encode: () => new Uint8Array(0),
  }
  const context = {
    clock,
    state,
    metrics,
    settings: { ...SETTINGS, ...settings },
    load,
    log: { warn: () => undefined },
    deadLetters: {
      write: async (given: readonly DeadLetter[]) => {
        if (given.length > 0) letters.push(given)
      },
    },
    rank: async () => 1,
  } as unknown as TaskContext
  const task = new ReduceTask(flow, 1, 1, 2, intake, context)
  task.inbox.reset(await task.open(patiently))
  /** A frame of those rows; `live`: its mapper was at the end of its log. */
  const frameOf = (rows: readonly Row[], more: Partial<Frame> = {}): Frame => {
    const keys = [...new Set(rows.map(([key]) => key))]
    const columns = new Map([['value', new Float64Array(rows.length)]])
    const keyOf = Uint16Array.from(rows, ([key]) => keys.indexOf(key))
    const position = Float64Array.from(rows, () => ++at)
    const time = Float64Array.from(rows, ([, time]) => time)
    return {
      source: { topic: 'events', partition: 0, incarnation: 'a' },
      partitions: 1,
      after: -1,
      upto: at + 1,
      watermark: Math.max(...rows.map(([, time]) => time)),
      stamp: Number.NaN,
      heartbeat: false,
      live: true,
      finishes: '',
      rows: { length: rows.length, keys, keyOf, position, time, tie: new Float64Array(rows.length), columns },
      ...more,
    }
  }
  let at = 0
  /** One batch of the shuffle topic, a frame a record. */
  const offer = (...given: readonly Frame[]) => {
    const from = task.inbox.want
    const records = given.map((frame, i) => {
      frames.set(from + i, frame)
      return { position: from + i } as InputRecord
    })
    const next = from + given.length
    const event = () => ({})
    task.inbox.offer({
      topic: 'load.shuffle',
      partition: 1,
      records,
      next,
      end: next,
      ready: async () => undefined,
      event,
    })
  }
  const step = async (...given: readonly Frame[]) => {
    if (given.length > 0) offer(...given)
    await task.step()
    return told.splice(0)
  }
  const value = async (name: 'rowsApplied' | 'rowsLate' | 'rowsSkipped') =>
    (await metrics[name].get()).values.map(({ labels, value }) => [labels, value])
  const sum = async (name: 'batchRecords' | 'batchSeconds' | 'delay') => {
    const { values } = await metrics[name].get()
    return values.flatMap(({ metricName, labels, value }) => (metricName?.endsWith('_sum') ? [[labels, value]] : []))
  }
  return { clock, state, task, frameOf, offer, step, told, letters, alive, sink, log, value, sum }
}

const keysOf = (batches: readonly EmissionBatch[]) =>
  batches.flatMap(({ emissions }) => emissions.map(({ key }) => key))
const rows = (count: number, prefix: string, time = T): Row[] =>
  Array.from({ length: count }, (_, i): Row => [`${prefix}${i}`, time])

describe('a step', () => {
  it('takes frames until it has enough keys: more of them where others wait', async () => {
    const { frameOf, offer, step } = await start()
    const frames = (prefix: string) => Array.from({ length: 12 }, (_, i) => frameOf(rows(1, `${prefix}${i}`)))
    await step(frameOf(rows(1, 'a')))
    expect(keysOf(await step(...frames('b')))).toHaveLength(maxKeys)
    offer(...frames('c'))
    expect(keysOf(await step())).toHaveLength(maxKeysBehind)
  })

  it('takes frames until it has enough rows', async () => {
    const { task, frameOf, step } = await start()
    const frame = () => frameOf(Array<Row>(maxRows / 2).fill(['a', T]))
    expect(await step(frame(), frame(), frame())).toHaveLength(1)
    expect(task.done).toBe(2)
  })

  it('takes fewer rows where code of one’s own takes part, whatever is set', async () => {
    const own = { timeout: 1_000, stops: false }
    const { task, frameOf, step } = await start({ flow: { own }, settings: { maxRows: 10_000 } })
    const frame = () => frameOf(Array<Row>(500).fill(['a', T]))
    await step(frame(), frame(), frame())
    expect(task.done).toBe(2)
  })

  it('is counted: its rows, those that are repeated, those older than the clock, and what it took', async () => {
    const { frameOf, step, value, sum } = await start({ takes: 250 })
    const first = frameOf([
      ['a', T],
      ['b', T + 5],
    ])
    await step(first)
    expect([await value('rowsApplied'), await value('rowsLate'), await value('rowsSkipped')]).toEqual([
      [[{ topology: 'load' }, 2]],
      [],
      [],
    ])
    const again = frameOf([
      ['a', T + 4],
      ['b', T + 5],
      ['b', T + 6],
    ])
    await step(first, again)
    expect(await value('rowsApplied')).toEqual([[{ topology: 'load' }, 5]])
    expect(await value('rowsLate')).toEqual([[{ topology: 'load' }, 1]])
    expect(await value('rowsSkipped')).toEqual([[{ topology: 'load', reason: 'repeated' }, 2]])
    const labels = { topology: 'load', role: 'reduce' }
    expect([await sum('batchRecords'), await sum('batchSeconds')]).toEqual([[[labels, 5]], [[labels, 0.5]]])
    await step(first)
    expect(await value('rowsApplied')).toEqual([[{ topology: 'load' }, 5]])
  })

  it('tells the delay of the newest record behind it, once it keeps up, and never less than none', async () => {
    const { clock, frameOf, step, sum } = await start({ takes: 500 })
    const stamp = clock.now()
    await step(frameOf(rows(1, 'a'), { live: false, stamp }))
    await step(frameOf(rows(1, 'a')))
    expect(await sum('delay')).toEqual([])
    const later = clock.now()
    await step(
      frameOf(rows(1, 'a'), { stamp: later - 700 }),
      frameOf(rows(1, 'b'), { stamp: later - 300 }),
      frameOf(rows(1, 'c'), { stamp: later - 900 }),
      frameOf(rows(1, 'd')),
    )
    expect(await sum('delay')).toEqual([[{ topology: 'load' }, 0.8]])
    await step(frameOf(rows(1, 'a'), { stamp: clock.now() + 9_000 }))
    expect(await sum('delay')).toEqual([[{ topology: 'load' }, 0.8]])
  })

  it('says behind which version it follows, and writes letters only where there are any', async () => {
    const late = () => (row: number) => (row === 0 ? ['hourly'] : [])
    const reducer = (slots: readonly string[]) => ({ ...windowReducer(slots), late })
    const { frameOf, step, letters } = await start({ flow: { reducer: reducer as unknown as FeatureFlow['reducer'] } })
    const [first] = await step(frameOf(rows(1, 'a')))
    expect([first?.said, letters]).toEqual([undefined, []])
    const [second] = await step(frameOf([['a', T - 1]]))
    expect([second?.said, letters.map(({ length }) => length)]).toEqual([first?.version, [1]])
  })

  it('without rows is committed less often in a worker of many tasks', async () => {
    const { clock, task, frameOf, step } = await start({ load: { tasks: 1_600, targets: 0 } })
    await step(frameOf(rows(1, 'a')))
    clock.move(3_199)
    await step(frameOf([], { watermark: T + 1 }))
    await task.tick()
    expect([task.done, task.position]).toEqual([2, 1])
    clock.move(1)
    await task.tick()
    expect(task.position).toBe(2)
  })

  it('without rows is committed once a second, with rows at once', async () => {
    const { clock, task, frameOf, step } = await start()
    await step(frameOf(rows(1, 'a')))
    expect(task.position).toBe(1)
    expect(await step(frameOf([], { watermark: T + 1 }))).toEqual([])
    expect([task.done, task.position]).toEqual([2, 1])
    clock.move(1_000)
    await step(frameOf([], { watermark: T + 2 }))
    expect([task.done, task.position]).toEqual([3, 3])
  })
})

describe('who reads', () => {
  it('hears once that all was read to the end, for all tasks, when nothing waits', async () => {
    const { task, frameOf, offer, step, alive } = await start()
    await step(frameOf(rows(1, 'a'), { live: false }))
    expect(alive).toEqual([])
    offer(frameOf([]), frameOf(rows(maxKeysBehind, 'b')), frameOf(rows(1, 'c')))
    await step()
    expect(alive).toEqual([])
    await step()
    expect([alive, task.position]).toEqual([[['reduce/load@g1/0', 'reduce/load@g1/1']], 4])
    await step(frameOf(rows(1, 'a')))
    await task.tick()
    expect(alive).toHaveLength(1)
    task.inbox.reset(await task.open(patiently))
    await task.tick()
    expect(alive).toHaveLength(1)
    await step(frameOf(rows(1, 'a')))
    expect(alive).toHaveLength(2)
  })

  it('hears it with time, where the intake says that nothing more is there', async () => {
    const { task, frameOf, step, alive, log } = await start()
    log.live = false
    await step(frameOf(rows(1, 'a')))
    await task.tick()
    expect(alive).toEqual([])
    log.live = true
    await task.tick()
    expect(alive).toHaveLength(1)
  })
})

describe('time', () => {
  it('that silence moves on is committed before it is used, when something is due; otherwise it waits', async () => {
    const { state, task, frameOf, step, told, log } = await start()
    await step(frameOf(rows(1, 'a')))
    log.silence = T + WINDOW - 1
    await task.tick()
    expect([task.clock, told]).toEqual([T, []])
    log.silence = T + WINDOW
    const seen: Millis[] = []
    const { commit } = state
    state.commit = async (...given) => {
      seen.push(given[1].keys === undefined ? task.clock : 0)
      return commit.apply(state, given)
    }
    await task.tick()
    expect([task.clock, seen]).toEqual([T + WINDOW, [T + WINDOW, 0]])
    expect(told.splice(0).flatMap(({ emissions }) => emissions)).toEqual([
      { key: 'a0', at: T + WINDOW, values: [0, 0, 1], cause: `t${T + WINDOW}` },
    ])
    log.silence = T + WINDOW - 5
    await task.tick()
    expect([task.clock, told]).toEqual([T + WINDOW, []])
  })

  it('waits for what is there to be read', async () => {
    const { task, frameOf, offer, step, log, told } = await start()
    await step(frameOf(rows(1, 'a')))
    offer(frameOf(rows(1, 'b')))
    log.silence = T + WINDOW
    await task.tick()
    expect([task.clock, told]).toEqual([T, []])
  })

  it('passes all that is due, as many keys at once as a step may have', async () => {
    const { task, frameOf, step, told, log } = await start()
    await step(frameOf(rows(25, 'a')))
    log.silence = T + WINDOW
    await task.tick()
    expect(told.map(({ emissions }) => emissions.length)).toEqual([maxKeysBehind, maxKeysBehind, 5])
  })
})

it('a task that ends commits what it has, and has sinks write what they hold', async () => {
  const { task, frameOf, step, sink, log } = await start()
  await step(frameOf(rows(1, 'a')))
  await step(frameOf([]))
  expect(task.position).toBe(1)
  await task.settle()
  expect([task.position, sink.flushed]).toEqual([2, 1])
  log.trouble = 'no broker'
  expect(task.trouble).toBe('no broker')
})
