import { expect, it } from 'vitest'
import { ClearStop, Fenced, MillraceError } from '../../src/core/errors.ts'
import type { Flow, Millis, Position } from '../../src/core/model.ts'
import type { Log } from '../../src/core/part.ts'
import { Inbox } from '../../src/engine/inbox.ts'
import { createMetrics } from '../../src/engine/metrics.ts'
import { type SharedBatch, share } from '../../src/engine/shared-batch.ts'
import {
  NotYet,
  type Patience,
  readable,
  refuseOlder,
  type Task,
  type TaskContext,
  TaskRunner,
} from '../../src/engine/task.ts'
import { VirtualClock } from '../../src/testing/clock.ts'
import { SETTINGS } from './settings.ts'

const batch = share(
  { topic: 'orders', partition: 0, records: [], next: 5, end: 5 },
  () => {
    throw new Error('nothing is decoded here')
  },
  false,
) as SharedBatch

/** What a task does when it is asked; by default nothing. A step takes what waits, and lasts until it is let go. */
interface Does {
  readonly open?: (patiently: Patience, now: Millis) => Promise<Position>
  readonly step?: (patiently: Patience) => Promise<void>
}

/** A task of which it is said what is asked of it, and what is logged. */
function running({ open, step }: Does = {}) {
  const asked: string[] = []
  const logged: unknown[] = []
  const level =
    (name: string) =>
    (fields: object, message: string): void =>
      void logged.push([name, message, fields])
  const log: Log = { debug: level('debug'), info: level('info'), warn: level('warn'), error: level('error') }
  let patient: Patience
  const held = Promise.withResolvers<void>()
  const clock = new VirtualClock()
  const task: { -readonly [K in keyof Task]: Task[K] } & { trouble?: string | undefined } = {
    id: 'reduce/a@1/0',
    flow: { name: 'a' } as Task['flow'],
    role: 'reduce',
    inbox: new Inbox(10),
    position: 0,
    done: 0,
    open: async (patiently): Promise<Position> => {
      asked.push('open')
      patient = patiently
      return open?.(patiently, clock.monotonic()) ?? 0
    },
    step: async () => {
      asked.push('step')
      task.inbox.take(10)
      await (step ? step(patient) : held.promise)
    },
    tick: async () => void asked.push('tick'),
    settle: async () => void asked.push('settle'),
  }
  const metrics = createMetrics()
  const context = { clock, log, metrics, settings: SETTINGS } as unknown as TaskContext
  const counted = async () => {
    const told = await Promise.all([metrics.retries.get(), metrics.reopened.get(), metrics.fenced.get()])
    return told.map(({ values }) => values[0]?.value ?? 0)
  }
  return { asked, logged, held, clock, task, counted, runner: new TaskRunner(task, context, () => undefined) }
}

it('a task that is closed within a step ends behind it, and settles nothing: the partition is another’s', async () => {
  const { asked, held, clock, task, runner } = running()
  await clock.rest()
  task.inbox.offer(batch)
  await clock.rest()
  const closed = runner.close()
  held.resolve()
  await closed
  expect([asked, runner.condition]).toEqual([['open', 'step'], 'stopped'])
})

it('a task that is drained finishes its step, settles and ends', async () => {
  const { asked, held, clock, task, runner } = running()
  await clock.rest()
  task.inbox.offer(batch)
  await clock.rest()
  const drained = runner.drain()
  held.resolve()
  await drained
  expect([asked, runner.condition]).toEqual([['open', 'step', 'settle'], 'stopped'])
})

it('a task that waits ticks about once per heartbeat', async () => {
  const { asked, clock, runner } = running()
  await clock.advance(3 * SETTINGS.heartbeat + 1)
  expect(asked).toEqual(['open', 'tick', 'tick', 'tick'])
  await runner.close()
})

it('a task that cannot be opened says why as it tries again, and ends at once when it is closed', async () => {
  let tries = 0
  const claim = async () => {
    tries++
    throw new Error('no store')
  }
  const { clock, runner } = running({ open: (patiently) => patiently('claiming the state', claim) })
  await clock.advance(SETTINGS.retryMin)
  expect([tries, runner.condition, runner.reason]).toEqual([2, 'opening', 'claiming the state: no store'])
  expect([runner.position, runner.done, runner.lag]).toEqual([undefined, undefined, 0])
  await runner.close()
  expect(tries).toBe(2)
  expect(await runner.opened).toBeUndefined()
})

it('a task waits for what it cannot reach while it goes on with what it can, and says so until it reaches it', async () => {
  const { asked, held, clock, task, runner } = running()
  held.resolve()
  task.trouble = 'asking for the end of orders: no broker'
  await clock.advance(SETTINGS.heartbeat)
  expect([runner.condition, runner.reason]).toEqual(['waiting', task.trouble])
  task.inbox.offer(batch)
  await clock.rest()
  expect(asked).toEqual(['open', 'tick', 'step'])
  expect([runner.condition, runner.position]).toEqual(['waiting', 0])
  task.trouble = undefined
  await clock.advance(SETTINGS.heartbeat)
  expect([runner.condition, runner.reason]).toEqual(['running', undefined])
  await runner.close()
})

const PLACE = { task: 'reduce/a@1/0', topology: 'a', partition: 0, position: 0 }

it('a step that fails opens the task again, after pauses that double up to the longest', async () => {
  const at: number[] = []
  const { clock, task, runner, logged, counted } = running({
    open: async (_, now) => {
      at.push(now)
      if (at.length > 1) throw new MillraceError('store-failed', 'no store')
      return 0
    },
    step: async () => {
      throw new Fenced()
    },
  })
  await clock.rest()
  task.inbox.offer(batch)
  await clock.rest()
  expect([runner.condition, runner.reason]).toEqual(['opening', 'another worker has taken this task over'])
  await clock.advance(5_000)
  expect(at.slice(1).map((time, i) => time - (at[i] as number))).toEqual([
    10, 20, 40, 80, 160, 320, 640, 1_000, 1_000, 1_000,
  ])
  expect(await counted()).toEqual([0, 11, 1])
  expect(logged.slice(0, 2)).toEqual([
    ['warn', 'task opens again', { ...PLACE, code: 'fenced', reason: 'another worker has taken this task over' }],
    ['warn', 'task opens again', { ...PLACE, code: 'store-failed', reason: 'no store' }],
  ])
  await runner.close()
})

it('pauses are short again once a step has succeeded', async () => {
  let steps = 0
  const opened: Millis[] = []
  const { clock, task, runner } = running({
    open: async (_, now) => {
      opened.push(now)
      return 0
    },
    step: async () => {
      if (++steps !== 3) throw new Error('broken')
    },
  })
  const pauses: Millis[] = []
  for (let step = 1; step <= 4; step++) {
    await clock.rest()
    task.inbox.reset(0)
    task.inbox.offer(batch)
    const before = clock.monotonic()
    await clock.advance(100)
    if (step !== 3) pauses.push((opened.at(-1) as Millis) - before)
  }
  expect([pauses, opened.length]).toEqual([[10, 20, 10], 4])
  await runner.close()
})

it('a call that fails is made again, after pauses that double up to the longest, and said each time', async () => {
  const at: number[] = []
  const { clock, task, runner, logged, counted, asked } = running({
    step: (patiently) =>
      patiently('saying', async () => {
        at.push(clock.monotonic())
        if (at.length <= 9) throw new MillraceError('store-failed', 'no store')
      }),
  })
  await clock.rest()
  task.inbox.offer(batch)
  await clock.rest()
  expect([runner.condition, runner.reason, runner.done]).toEqual(['waiting', 'saying: no store', undefined])
  await clock.advance(5_000)
  expect(at.slice(1).map((time, i) => time - (at[i] as number))).toEqual([10, 20, 40, 80, 160, 320, 640, 1_000, 1_000])
  expect([runner.condition, runner.reason, runner.done]).toEqual(['running', undefined, 0])
  expect(logged).toHaveLength(10)
  expect(logged[0]).toEqual([
    'warn',
    'saying failed; trying again',
    { ...PLACE, code: 'store-failed', reason: 'no store' },
  ])
  expect(logged[9]).toEqual(['info', 'task runs again', PLACE])
  expect(await counted()).toEqual([9, 0, 0])
  expect(asked.filter((what) => what !== 'tick')).toEqual(['open', 'step'])
  await runner.close()
})

it('a call that takes longer has not failed: nobody is warned', async () => {
  let tries = 0
  const { clock, task, runner, logged, counted } = running({
    step: (patiently) =>
      patiently('waiting for a table', async () => {
        if (tries++ === 0) throw new NotYet('it is being read')
      }),
  })
  await clock.rest()
  task.inbox.offer(batch)
  await clock.rest()
  expect(runner.condition).toBe('waiting')
  expect(logged).toEqual([['debug', 'waiting for a table takes longer', { ...PLACE, reason: 'it is being read' }]])
  expect(await counted()).toEqual([0, 0, 0])
  await runner.close()
})

it('a drained task whose call fails ends at once and settles nothing, also within a pause', async () => {
  for (const pauseFirst of [true, false]) {
    const failing = Promise.withResolvers<void>()
    const { clock, task, runner, asked } = running({
      step: (patiently) =>
        patiently('saying', async () => {
          if (!pauseFirst) await failing.promise
          throw new Error('no store')
        }),
    })
    await clock.rest()
    task.inbox.offer(batch)
    await clock.rest()
    const drained = runner.drain()
    failing.resolve()
    await drained
    expect([asked, runner.condition, runner.position]).toEqual([['open', 'step'], 'stopped', 0])
  }
})

it('a clear stop blocks the task and says what to do; nothing is asked of it any more', async () => {
  const { clock, task, runner, asked, logged } = running({
    step: async () => {
      throw new ClearStop('topic-missing', 'topic orders is gone')
    },
  })
  await clock.rest()
  task.inbox.offer(batch)
  await runner.finished
  await clock.advance(10 * SETTINGS.heartbeat)
  expect(asked).toEqual(['open', 'step'])
  expect([runner.condition, runner.code, runner.position, runner.done]).toEqual([
    'blocked',
    'topic-missing',
    undefined,
    undefined,
  ])
  const { todo } = new ClearStop('topic-missing', '')
  expect(runner.reason).toBe(`topic-missing: topic orders is gone. ${todo}`)
  expect(logged).toEqual([
    ['error', `task stopped: ${todo}`, { ...PLACE, code: 'topic-missing', reason: 'topic orders is gone' }],
  ])
  task.inbox.offer({ ...batch, next: 9, end: 9 } as SharedBatch)
  expect(task.inbox.waiting).toBe(0)
})

it('a task that never rests still ticks about once per heartbeat', async () => {
  let isBusy = true
  const { clock, task, runner, asked } = running({
    step: async () => {
      await clock.wait(300)
      task.inbox.reset(0)
      if (isBusy) task.inbox.offer(batch)
    },
  })
  await clock.rest()
  task.inbox.offer(batch)
  await clock.advance(4 * SETTINGS.heartbeat)
  expect(asked.join()).toMatch(/^open(,step,step,step,step,tick)(,step,step,step,tick|,step,step,step,step,tick){2}/)
  isBusy = false
  await clock.advance(300)
  await runner.close()
})

it('a task whose inbox can’t be filled opens again', async () => {
  const { clock, runner, asked, logged } = running()
  await clock.rest()
  runner.reopen(new Error('the topic cannot be read'))
  await clock.advance(SETTINGS.retryMin)
  expect(asked).toEqual(['open', 'open'])
  expect(logged[0]).toEqual([
    'warn',
    'task opens again',
    { ...PLACE, code: 'unexpected', reason: 'the topic cannot be read' },
  ])
  await runner.close()
})

it('a task has a time once it has seen an event', async () => {
  const { clock, task, runner } = running()
  await clock.rest()
  expect(runner.clock).toBeUndefined()
  task.clock = Number.NEGATIVE_INFINITY
  expect(runner.clock).toBeUndefined()
  task.clock = 7
  expect(runner.clock).toBe(7)
  await runner.close()
})

it('what cannot be read of a state is a clear stop that names the task; a clear stop within stays what it is', () => {
  const fails = (error: Error) => () =>
    readable('reduce/a@1/0', () => {
      throw error
    })
  expect(fails(new RangeError('no byte left'))).toThrow(
    expect.objectContaining({ code: 'state-unreadable', message: 'reduce/a@1/0: no byte left' }),
  )
  expect(fails(new ClearStop('definition-older', 'older'))).toThrow(
    expect.objectContaining({ code: 'definition-older', message: 'older' }),
  )
})

it('of two definitions the one that was declared later goes on; of the same moment, both', () => {
  const flow = { definition: 'mine', declaredAt: 1_000 } as Flow
  expect(() => refuseOlder('t', flow, 'other', 1_001)).toThrow(
    expect.objectContaining({ code: 'definition-older', message: expect.stringContaining('1970-01-01T00:00:01.001Z') }),
  )
  for (const [definition, at] of [
    ['other', 1_000],
    ['other', 999],
    ['mine', 2_000],
  ] as const)
    expect(() => refuseOlder('t', flow, definition, at)).not.toThrow()
})
