import { describe, expect, it, test } from 'vitest'
import { Fenced } from '../../src/core/errors.ts'
import type { OpenState, Position } from '../../src/core/model.ts'
import { Ledger } from '../../src/engine/ledger.ts'
import { createMetrics } from '../../src/engine/metrics.ts'
import { CHECK_EVERY, type Patience, type Task } from '../../src/engine/task.ts'
import { MemoryState } from '../../src/testing/memory-state.ts'

const TASK = 'map/a@1/orders/0'
const atOnce: Patience = (_, call) => call()

/** A ledger over a state of its own, on a clock that is moved; `calls` says what the state was asked. */
function world(start = 0) {
  const clock = { elapsed: start, now: () => 0, monotonic: () => clock.elapsed, wait: async () => undefined }
  const state = new MemoryState(() => 50_000 + clock.elapsed)
  const calls: string[] = []
  const metrics = createMetrics()
  const told = {
    open: (task: string) => state.open(task),
    check: async (open: OpenState) => {
      calls.push('check')
      await state.check(open)
    },
    commit: async (...[open, change]: Parameters<MemoryState['commit']>) => {
      calls.push(`commit ${change.position}`)
      await state.commit(open, change)
      clock.elapsed += 250
    },
  } as MemoryState
  const owner = () =>
    new Ledger({ id: TASK, role: 'map', flow: { name: 'a' } } as Task, { state: told, clock, metrics }, () =>
      Buffer.from('what is known'),
    )
  return { clock, state, calls, metrics, owner }
}

/** An open ledger whose task stands at `position`, committed at that moment. */
async function begun(position: Position) {
  const made = world()
  const ledger = made.owner()
  await ledger.open(atOnce)
  await ledger.begin(position)
  made.calls.length = 0
  return { ledger, ...made }
}

test('wall time is in whole milliseconds: it becomes event time, which topics hold as a long', async () => {
  const { clock, owner } = world(1_000.25)
  const ledger = owner()
  const { epoch } = await ledger.open(atOnce)
  clock.elapsed = 3_500.75
  expect(ledger.latestWall()).toBe(epoch + 2_501)
  expect(ledger.wall(2_000.5)).toBe(epoch + 1_000)
})

test('time that passed between two owners is never longer than it was, however late the store had answered one of them', async () => {
  const { clock, owner } = world(1_000)
  const opened = async (late: number) => {
    const ledger = owner()
    await ledger.open(async (_, call) => {
      const answer = await call()
      clock.elapsed += late
      return answer
    })
    return ledger
  }
  for (const [first, second] of [
    [10_000, 0],
    [0, 10_000],
  ] as const) {
    const before = await opened(first)
    const met = [before.latestWall(), clock.elapsed] as const
    clock.elapsed += 3_000
    const after = await opened(second)
    expect(after.wall(clock.elapsed) - met[0]).toBeLessThanOrEqual(clock.elapsed - met[1])
  }
})

describe('where a task begins', () => {
  it('is committed before anything is read, where the state has no position', async () => {
    const { owner, state, calls } = world()
    const ledger = owner()
    expect((await ledger.open(atOnce)).position).toBeUndefined()
    expect(await ledger.begin(7)).toBe(7)
    expect([ledger.position, ledger.done, calls]).toEqual([7, 7, ['commit 7']])
    const { position, meta } = await state.open(TASK)
    expect([position, Buffer.from(meta).toString()]).toEqual([7, 'what is known'])
  })

  it('is committed again only where it is another than the state has', async () => {
    const { owner, calls } = world()
    const first = owner()
    await first.open(atOnce)
    await first.begin(7)
    const second = owner()
    await second.open(atOnce)
    expect(await second.begin(7)).toBe(7)
    expect([second.position, second.done, calls]).toEqual([7, 7, ['commit 7']])
    expect(await second.begin(9, true)).toBe(9)
    expect(calls).toEqual(['commit 7', 'commit 9'])
  })
})

describe('what was done', () => {
  it('is committed with keys and timers in one step, whose time is told', async () => {
    const { ledger, state, metrics } = await begun(7)
    ledger.done = 9
    await ledger.commit({ keys: new Map([['k', Buffer.from('v')]]), timers: new Map([['k', 5]]) })
    expect([ledger.position, ledger.claim.nextDue]).toEqual([9, 5])
    const open = await state.open(TASK)
    expect([open.position, await state.read(open, ['k'])]).toEqual([9, [Uint8Array.from(Buffer.from('v'))]])
    const { values } = await metrics.commitSeconds.get()
    expect(values.find(({ metricName }) => metricName?.endsWith('_sum'))).toMatchObject({
      labels: { topology: 'a', role: 'map' },
      value: 0.5,
    })
  })

  it('does not count as committed when the commit fails, which is not repeated', async () => {
    const { ledger, owner, calls } = await begun(7)
    await owner().open(atOnce)
    ledger.done = 9
    await expect(ledger.commit()).rejects.toThrow(Fenced)
    expect([ledger.position, calls]).toEqual([7, ['commit 9']])
  })

  it('is committed once the last commit is old enough, and not when there is nothing', async () => {
    const { ledger, clock, calls } = await begun(7)
    clock.elapsed += 10_000
    await ledger.commitEvery(1_000)
    expect(calls).toEqual([])
    ledger.done = 8
    await ledger.commitEvery(1_000)
    ledger.done = 9
    clock.elapsed += 999
    await ledger.commitEvery(1_000)
    expect(calls).toEqual(['commit 8'])
    clock.elapsed += 1
    await ledger.commitEvery(1_000)
    expect(calls).toEqual(['commit 8', 'commit 9'])
  })

  it('is committed also where that is to be done less often than the state is looked at', async () => {
    const { ledger, clock, calls } = await begun(7)
    for (let tick = 0; tick < 2 * CHECK_EVERY; tick += 500) {
      ledger.done = 8
      clock.elapsed += 500
      await ledger.tick(1.5 * CHECK_EVERY)
    }
    expect(calls).toEqual(['check', 'commit 8'])
  })
})

describe('an idle task', () => {
  it('looks now and then whether the state is still its own', async () => {
    const { ledger, clock, calls } = await begun(7)
    clock.elapsed += CHECK_EVERY - 1
    await ledger.tick(0)
    expect(calls).toEqual([])
    clock.elapsed += 1
    await ledger.tick(0)
    clock.elapsed += CHECK_EVERY - 1
    await ledger.tick(0)
    expect(calls).toEqual(['check'])
    clock.elapsed += 1
    await ledger.tick(0)
    expect(calls).toEqual(['check', 'check'])
  })

  it('needs no look after a commit, which says the same', async () => {
    const { ledger, clock, calls } = await begun(7)
    clock.elapsed += 2 * CHECK_EVERY
    ledger.done = 8
    await ledger.tick(0)
    expect(calls).toEqual(['commit 8'])
  })

  it('learns so that another has taken it over; where it cannot look, it tries again', async () => {
    const { ledger, clock, owner } = await begun(7)
    const waits: string[] = []
    const again: Patience = async (what, call) => {
      waits.push(what)
      return call()
    }
    await ledger.open(again)
    await ledger.begin(7)
    await owner().open(atOnce)
    clock.elapsed += CHECK_EVERY
    await expect(ledger.tick(0)).rejects.toThrow(Fenced)
    expect(waits).toEqual(['opening the state', 'checking the state'])
  })
})
