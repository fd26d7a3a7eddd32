import { describe, expect, it } from 'vitest'
import { ClearStop } from '../../src/core/errors.ts'
import { beginning, placeIn, rangeOf } from '../../src/engine/place.ts'
import type { TaskContext } from '../../src/engine/task.ts'

const PLACE = { topic: 'orders', partition: 1 }

/** A log whose partition 1 holds 10 to 20; `waits`: what would be tried again if it failed. */
function world({ wasLost = false } = {}) {
  const waits: string[] = []
  const context = {
    transport: {
      ranges: async () => [
        { start: 0, end: 0 },
        { start: 10, end: 20 },
      ],
      positionAt: async ({ partition }: { partition: number }, time: number) => partition * 1_000 + time,
    },
    wasLost: async (topic: string, partition: number) => wasLost && topic === 'orders' && partition === 1,
  } as unknown as TaskContext
  const patiently = <T>(what: string, call: () => Promise<T>) => {
    waits.push(what)
    return call()
  }
  return { waits, patiently, context }
}

const stopped = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => (error instanceof ClearStop ? `${error.code}: ${error.message}` : error),
  )

describe('a task goes on', () => {
  it.each([10, 15, 20])('at its position %d, which the log holds or ends at', async (position) => {
    const { patiently, context } = world({ wasLost: true })
    const first = () => Promise.reject(new Error('it has begun long ago'))
    expect(await placeIn(PLACE, { position }, patiently, context, first)).toBe(position)
  })

  it.each([0, 9, 21])('not at %d, which the log does not hold', async (position) => {
    const { patiently, context } = world()
    expect(await stopped(placeIn(PLACE, { position }, patiently, context, async () => 10))).toMatch(
      `position-outside-log: orders/1 holds 10 to 20, the position is ${position}`,
    )
  })
})

describe('a task without a position', () => {
  it('begins', async () => {
    const { waits, patiently, context } = world()
    const begun = await placeIn(
      PLACE,
      { position: undefined },
      patiently,
      context,
      async ({ start, end }) => start + end,
    )
    expect(begun).toBe(30)
    expect(waits).toEqual(['asking for the log', 'asking the group'])
  })

  it('that the group remembers has lost it, and stops', async () => {
    const { patiently, context } = world({ wasLost: true })
    expect(await stopped(placeIn(PLACE, { position: undefined }, patiently, context, async () => 10))).toMatch(
      'position-lost: the group has a position in orders/1, the state has none',
    )
  })

  it.each([
    ['earliest', 10],
    ['latest', 20],
    [500, 1_500],
  ] as const)('begins, where the start is %s, at %d', async (start, position) => {
    const { patiently, context } = world()
    const range = await rangeOf(PLACE, patiently, context)
    expect(await beginning(PLACE, start, range, patiently, context)).toBe(position)
  })
})

it('a partition that is gone is a clear stop', async () => {
  const { patiently, context } = world()
  expect(await stopped(rangeOf({ topic: 'orders', partition: 2 }, patiently, context))).toMatch(
    'topic-missing: partition 2 of orders is gone',
  )
})
