import { expect, test } from 'vitest'
import type { OpenState } from '../../src/core/model.ts'
import { Ledger } from '../../src/engine/ledger.ts'
import { createMetrics } from '../../src/engine/metrics.ts'
import type { Task, TaskContext } from '../../src/engine/task.ts'
import { MemoryState } from '../../src/testing/memory-state.ts'

test('wall time is in whole milliseconds: it becomes event time, which topics hold as a long', async () => {
  let elapsed = 1_000.25
  const clock = { monotonic: () => elapsed } as TaskContext['clock']
  const ledger = new Ledger(
    { id: 'map/a@1/orders/0' } as Task,
    { state: new MemoryState(), clock, metrics: createMetrics() },
    () => Buffer.alloc(0),
  )
  const { epoch } = (await ledger.open((_, call) => call())) as OpenState
  elapsed = 3_500.75
  expect(ledger.latestWall()).toBe(epoch + 2_501)
  expect(ledger.wall(2_000.5)).toBe(epoch + 1_000)
})

test('time that passed between two owners is never longer than it was, however late the store had answered one of them', async () => {
  let elapsed = 1_000
  const clock = { monotonic: () => elapsed } as TaskContext['clock']
  const state = new MemoryState(() => 50_000 + elapsed)
  const owner = () =>
    new Ledger({ id: 'map/a@1/orders/0' } as Task, { state, clock, metrics: createMetrics() }, () => Buffer.alloc(0))
  const opened = async (late: number) => {
    const ledger = owner()
    await ledger.open(async (_, call) => {
      const answer = await call()
      elapsed += late
      return answer
    })
    return ledger
  }
  for (const [first, second] of [
    [10_000, 0],
    [0, 10_000],
  ] as const) {
    const before = await opened(first)
    const met = [before.latestWall(), elapsed] as const
    elapsed += 3_000
    const after = await opened(second)
    expect(after.wall(elapsed) - met[0]).toBeLessThanOrEqual(elapsed - met[1])
  }
})
