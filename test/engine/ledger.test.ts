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
  expect(ledger.wall()).toBe(epoch + 2_500)
  expect(ledger.wall(2_000.5)).toBe(epoch + 1_000)
})
