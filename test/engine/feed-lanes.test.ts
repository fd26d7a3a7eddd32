/** Who reads what of one partition, by tasks that do nothing but take it. */
import { describe, expect, it } from 'vitest'
import { ClearStop } from '../../src/core/errors.ts'
import type { Batch, Flow, Position } from '../../src/core/model.ts'
import { SILENT } from '../../src/core/part.ts'
import { Feed } from '../../src/engine/feed.ts'
import { Inbox, type Slice } from '../../src/engine/inbox.ts'
import { createMetrics } from '../../src/engine/metrics.ts'
import type { Task, TaskContext } from '../../src/engine/task.ts'
import { VirtualClock } from '../../src/testing/clock.ts'
import { SETTINGS } from './settings.ts'

const { near, holdUp } = SETTINGS
const PARTITION = { topic: 'events', partition: 1 }
/** Records of one read, and how many may wait for a task. */
const [READ, ROOM] = [10, 15]

interface Given {
  /** Opens only then; rejected: is blocked. */
  readonly opens?: Promise<void>
  /** Steps only then. */
  readonly steps?: () => Promise<void> | undefined
}

/** A log of so many records; `reads`: where it was read beside the group; `seeks`: where the group's member was told to go on. */
function start(end = 100) {
  const clock = new VirtualClock()
  const reads: Position[] = []
  /** Positions from which a read fails, once for each time that they stand here. */
  const failing: Position[] = []
  const seeks: Position[] = []
  const batchAt = (from: Position): Batch => {
    const next = Math.min(end, from + READ)
    const records = Array.from({ length: next - from }, (_, i) => ({ position: from + i }) as Batch['records'][0])
    return { ...PARTITION, records, next, end }
  }
  const context = {
    clock,
    settings: SETTINGS,
    log: SILENT,
    metrics: createMetrics(),
    transport: {
      ranges: async () => [
        { start: 0, end: 7 },
        { start: 0, end },
      ],
      read: async (_: unknown, from: Position) => {
        reads.push(from)
        const fails = failing.indexOf(from)
        if (fails >= 0) {
          failing.splice(fails, 1)
          throw new Error('no broker')
        }
        return batchAt(from)
      },
    },
  } as unknown as TaskContext
  const decoded: Position[] = []
  const record = ({ position }: { readonly position: Position }) => {
    decoded.push(position)
    return { position }
  }
  const decoder = () => ({ prepare: async () => undefined, record })
  const feed = new Feed(PARTITION, context, decoder as never, (position) => seeks.push(position))
  /** A task that wants the log from there on; answers what it took. */
  const add = (name: string, wants: Position, { opens, steps }: Given = {}): Position[] => {
    const took: Position[] = []
    const inbox = new Inbox(ROOM)
    const task: Task = {
      id: `reduce/${name}/1`,
      flow: { name } as Flow,
      role: 'reduce',
      inbox,
      position: wants,
      done: wants,
      open: async () => {
        await opens
        return wants
      },
      step: async () => {
        await steps?.()
        const { batch, from, to } = inbox.take(1_000) as Slice
        await batch.ready()
        for (let i = from; i < to; i++) took.push((batch.event(i) as { readonly position: Position }).position)
      },
      tick: async () => undefined,
      settle: async () => undefined,
    }
    feed.add(task)
    return took
  }
  /** What the group's member reads; says whether more is wanted. */
  const deliver = async (from: Position) => {
    const state = { isDone: false }
    void feed.batch(batchAt(from)).then(() => {
      state.isDone = true
    })
    await clock.rest()
    return state
  }
  const open = async () => {
    const opened: { at?: Position } = {}
    void feed.open().then((position) => {
      opened.at = position
    })
    await clock.rest()
    return opened
  }
  return { clock, feed, add, open, deliver, reads, failing, seeks, decoded }
}

const after = (clock: VirtualClock, ms: number) => clock.wait(ms)
const from = (first: Position, length: number) => Array.from({ length }, (_, i) => first + i)

describe('a partition is read from where', () => {
  it.each([
    ['its one task stands', [40], 40],
    ['the last stands of those that are near to the first', [60, 60 - near, 60 - near - 1], 60 - near],
    ['the first stands, where no other is near', [60, 5, 30], 60],
    ['the first stands, whoever opened before it', [5, 55, 60], 55],
  ])('%s', async (_, wants, at) => {
    const { feed, add, open } = start()
    for (const [i, want] of wants.entries()) add(`t${i}`, want)
    expect(await open()).toEqual({ at })
    await feed.close()
  })

  it('it ends, where no task can be opened', async () => {
    const { feed, add, open } = start()
    add('blocked', 40, { opens: Promise.reject(new ClearStop('position-lost', 'gone')) })
    expect(await open()).toEqual({ at: 100 })
    await feed.close()
  })

  it('those stand that have opened 2 s after the first of them, however long that took', async () => {
    const { clock, feed, add, open } = start()
    add('blocked', 90, { opens: Promise.reject(new ClearStop('position-lost', 'gone')) })
    add('first', 40, { opens: after(clock, 5_000) })
    add('second', 30, { opens: after(clock, 6_999) })
    add('late', 35, { opens: after(clock, 7_001) })
    const opened = await open()
    await clock.advance(6_999)
    expect(opened.at).toBeUndefined()
    await clock.advance(1)
    expect(opened.at).toBe(30)
    await clock.advance(1)
    await feed.close()
  })

  it('all stand, as soon as all have opened', async () => {
    const { clock, feed, add, open } = start()
    add('first', 40)
    add('second', 30, { opens: after(clock, 500) })
    const opened = await open()
    await clock.advance(500)
    expect(opened.at).toBe(30)
    await feed.close()
  })
})

describe('tasks of a partition', () => {
  it('that are near read together, and what they read is decoded once', async () => {
    const { clock, feed, add, open, deliver, reads, decoded } = start()
    const [one, two] = [add('one', 40), add('two', 43)]
    await open()
    expect(await deliver(40)).toEqual({ isDone: true })
    expect([one, two, decoded]).toEqual([from(40, 10), from(43, 7), from(40, 10)])
    const later = add('later', 50 + near)
    await clock.advance(1_000)
    await deliver(50)
    await deliver(60)
    await deliver(70)
    expect([later, reads]).toEqual([from(70, 10), []])
    await feed.close()
  })

  it('that are far behind read by themselves, together, until they have come to the others', async () => {
    const { clock, feed, add, open, deliver, reads, seeks } = start()
    const front = add('front', 60)
    const behind = [add('one', 20), add('two', 20), add('three', 21)]
    await open()
    await clock.advance(1_000)
    expect([reads, seeks]).toEqual([[20, 30, 40, 50], []])
    expect([front, ...behind]).toEqual([[], from(20, 40), from(20, 40), from(21, 39)])
    await deliver(60)
    expect([front, ...behind].map((took) => took.at(-1))).toEqual([69, 69, 69, 69])
    expect(reads).toHaveLength(4)
    await feed.close()
  })

  it('move the group’s member to where they are, where it reads for nobody else', async () => {
    const { clock, feed, add, open, deliver, seeks } = start()
    add('gone', 60)
    await open()
    await feed.remove(({ name }) => name === 'gone', 1_000)
    add('there', 60)
    await clock.rest()
    expect(seeks).toEqual([])
    await feed.remove(({ name }) => name === 'there', 1_000)
    const took = add('back', 5)
    await clock.rest()
    expect(seeks).toEqual([5])
    await deliver(5)
    expect(took).toEqual(from(5, 10))
    add('other', 90)
    await clock.advance(50)
    expect(seeks).toEqual([5])
    await feed.close()
  })

  it('are waited for where all are full, and read on by themselves where others are not', async () => {
    const { clock, feed, add, open, deliver, reads } = start()
    const gate: { held?: Promise<void> } = {}
    const { promise, resolve } = Promise.withResolvers<void>()
    const [slow, quick] = [add('slow', 0, { steps: () => promise }), add('quick', 0, { steps: () => gate.held })]
    await open()
    gate.held = promise
    expect((await deliver(0)).isDone).toBe(true)
    const full = await deliver(10)
    await clock.advance(10 * holdUp)
    expect([full.isDone, slow, quick]).toEqual([false, [], []])
    resolve()
    await clock.rest()
    expect([full.isDone, slow, quick, reads]).toEqual([true, from(0, 20), from(0, 20), []])
    await feed.close()
  })

  it('that hold up others for too long are left behind, and go on where they were', async () => {
    const { clock, feed, add, open, deliver, reads } = start(40)
    const { promise, resolve } = Promise.withResolvers<void>()
    const [slow, quick] = [add('slow', 0, { steps: () => promise }), add('quick', 0)]
    await open()
    await deliver(0)
    const held = await deliver(10)
    await clock.advance(holdUp - 1)
    expect(held.isDone).toBe(false)
    await clock.advance(1)
    expect([held.isDone, quick]).toEqual([true, from(0, 20)])
    await deliver(20)
    await deliver(30)
    resolve()
    await clock.advance(2_000)
    expect([slow, quick, reads]).toEqual([from(0, 40), from(0, 40), [20, 30]])
    await feed.close()
  })
})

describe('tasks that hold up others', () => {
  it('for a moment are waited for, and no longer than that', async () => {
    const { clock, feed, add, open, deliver, reads } = start()
    const { promise, resolve } = Promise.withResolvers<void>()
    add('slow', 0, { steps: () => promise })
    add('quick', 0)
    await open()
    await deliver(0)
    const held = await deliver(10)
    await clock.advance(holdUp / 2)
    expect(held.isDone).toBe(false)
    resolve()
    await clock.rest()
    expect([held.isDone, reads]).toEqual([true, []])
    await feed.close()
  })

  it('together are left behind together, and others that are elsewhere by themselves', async () => {
    const { clock, feed, add, open, deliver, reads } = start(60)
    const { promise, resolve } = Promise.withResolvers<void>()
    const slow = [add('one', 0, { steps: () => promise }), add('two', 0, { steps: () => promise })]
    const later: { gate?: Promise<void> } = {}
    const third = add('three', 0, { steps: () => later.gate })
    add('quick', 0)
    await open()
    await deliver(0)
    await deliver(10)
    await clock.advance(holdUp)
    later.gate = promise
    for (const from of [20, 30]) {
      await deliver(from)
      await clock.advance(holdUp)
    }
    await deliver(40)
    await deliver(50)
    resolve()
    await clock.advance(3_000)
    expect([...slow, third]).toEqual([0, 1, 2].map(() => from(0, 60)))
    expect(reads.slice(0, 6).sort()).toEqual([20, 30, 40, 40, 50, 50])
    await feed.close()
  })
})

describe('a lane beside the group', () => {
  it('ends when its last task goes', async () => {
    const { clock, feed, add, open, reads } = start()
    const { promise, resolve } = Promise.withResolvers<void>()
    add('front', 90)
    const behind = add('behind', 0, { steps: () => promise })
    await open()
    await clock.advance(100)
    expect(reads).toEqual([0, 10])
    const removed = feed.remove(({ name }) => name === 'behind', 1_000)
    resolve()
    await removed
    await clock.advance(5_000)
    expect(behind).toEqual(from(0, 10))
    // what was under way, and not all up to where the others are
    expect(reads.length).toBeLessThan(5)
    await feed.close()
  })

  it('waits longer each time that the log cannot be read, and from the start again once it could', async () => {
    const { clock, feed, add, open, reads, failing } = start()
    add('front', 90)
    const behind = add('behind', 0)
    failing.push(0, 0, 0, 10)
    await open()
    const found: number[] = []
    for (const ms of [99, 1, 9, 1, 19, 1, 39, 1, 9, 1]) {
      await clock.advance(ms)
      found.push(reads.length)
    }
    // the fourth read of 0 succeeds, and 10 fails at once
    expect(found.slice(0, 9)).toEqual([0, 1, 1, 2, 2, 3, 3, 5, 5])
    expect(found[9]).toBeGreaterThan(5)
    expect(behind).toEqual(from(0, 90))
    await feed.close()
  })
})

describe('a partition that nobody reads', () => {
  it('takes a batch, and no more until somebody does, or it is closed', async () => {
    const { clock, feed, add, open, deliver } = start()
    add('gone', 10)
    await open()
    await feed.remove(() => true, 1_000)
    const waiting = await deliver(10)
    await clock.advance(10_000)
    expect(waiting.isDone).toBe(false)
    add('there', 20)
    await clock.rest()
    expect(waiting.isDone).toBe(true)
    await feed.remove(() => true, 1_000)
    const closing = await deliver(20)
    await feed.close()
    await clock.rest()
    expect(closing.isDone).toBe(true)
  })
})

describe('tasks that are to go', () => {
  it('finish what is under way, within the limit; others stay', async () => {
    const { clock, feed, add, open, deliver } = start()
    const { promise, resolve } = Promise.withResolvers<void>()
    const { promise: never } = Promise.withResolvers<void>()
    const [ends, stays] = [add('ends', 0, { steps: () => promise }), add('stays', 0)]
    add('hangs', 0, { steps: () => never })
    await open()
    await deliver(0)
    const removed = feed.remove(({ name }) => name === 'ends', 1_000)
    await clock.rest()
    expect([...feed.runners].map(({ flow }) => flow.name)).toEqual(['ends', 'stays', 'hangs'])
    resolve()
    await removed
    expect([ends, [...feed.runners].map(({ flow }) => flow.name)]).toEqual([from(0, 10), ['stays', 'hangs']])
    await feed.remove(() => false, 1_000)
    await deliver(10)
    expect(stays).toEqual(from(0, 20))
    expect((await Promise.race([feed.drain().then(() => 'drained'), clock.rest()])) ?? 'waits').toBe('waits')
    expect([...feed.runners].map(({ condition }) => condition)).toEqual(['stopped', 'running'])
  })

  it('are at their end once the partition is closed, or drained', async () => {
    for (const how of ['close', 'drain'] as const) {
      const { feed, add, open, deliver } = start()
      const took = add('one', 0)
      add('behind', 0)
      await open()
      await feed[how]()
      expect([...feed.runners].map(({ condition }) => condition)).toEqual(['stopped', 'stopped'])
      await deliver(0)
      expect(took).toEqual([])
      await feed.close()
    }
  })
})
