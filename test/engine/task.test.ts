import { expect, it } from 'vitest'
import type { Position } from '../../src/core/model.ts'
import { SILENT } from '../../src/core/part.ts'
import { Inbox } from '../../src/engine/inbox.ts'
import { createMetrics } from '../../src/engine/metrics.ts'
import { type SharedBatch, share } from '../../src/engine/shared-batch.ts'
import { type Task, type TaskContext, TaskRunner } from '../../src/engine/task.ts'
import { VirtualClock } from '../../src/testing/clock.ts'
import { SETTINGS } from './settings.ts'

const batch = share(
  { topic: 'orders', partition: 0, records: [], next: 5, end: 5 },
  () => {
    throw new Error('nothing is decoded here')
  },
  false,
) as SharedBatch

/** A task of which it is said what is asked of it; its steps last until they are let go. */
function running(open?: Task['open']) {
  const asked: string[] = []
  const held = Promise.withResolvers<void>()
  const clock = new VirtualClock()
  const task: Task & { trouble?: string | undefined } = {
    id: 'reduce/a@1/0',
    flow: { name: 'a' } as Task['flow'],
    role: 'reduce',
    inbox: new Inbox(10),
    position: 0,
    done: 0,
    open: async (patiently): Promise<Position> => {
      asked.push('open')
      return open?.(patiently) ?? 0
    },
    step: async () => {
      asked.push('step')
      task.inbox.take(10)
      await held.promise
    },
    tick: async () => void asked.push('tick'),
    settle: async () => void asked.push('settle'),
  }
  const context = { clock, log: SILENT, metrics: createMetrics(), settings: SETTINGS } as unknown as TaskContext
  return { asked, held, clock, task, runner: new TaskRunner(task, context, () => undefined) }
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
  const { clock, runner } = running((patiently) => patiently('claiming the state', claim))
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
