import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Slot } from '../../src/core/model.ts'
import { loadPart } from '../../src/core/part.ts'
import { Memory } from '../../src/testing/aggregation.ts'
import { aggregationNamed, declared } from './declared.ts'

const last = await aggregationNamed<unknown>('last')
const slotOf = async (...counts: number[]) => {
  const specs = counts.map((n) => declared(`sum_${n}`, 'last', { last: n }, 'sum', { of: 'v' }))
  return last.slots(await Promise.all(specs))[0] as Slot
}
const add = (memory: Memory, time: number, v: number | null, tie = time) => memory.add({ time, tie, values: { v } }, 0)

describe('the last N', () => {
  it('are the newest by event time, in whatever order they came', async () => {
    const memory = new Memory(await slotOf(2))
    for (const time of [30, 10, 40, 20]) add(memory, time, time)
    expect(memory.results(40).get('sum_2')).toBe(70)
  })

  it('of one time are those with the highest ties', async () => {
    for (const ties of [
      [1, 2, 3],
      [3, 2, 1],
      [2, 3, 1],
    ]) {
      const memory = new Memory(await slotOf(2))
      for (const tie of ties) add(memory, 5, 10 ** tie, tie)
      expect(memory.results(5).get('sum_2')).toBe(1_100)
    }
  })

  it('give no place to an event without the value', async () => {
    const memory = new Memory(await slotOf(2))
    add(memory, 1, 5)
    add(memory, 2, 6)
    add(memory, 3, null)
    expect(memory.results(3).get('sum_2')).toBe(11)
  })

  it('are exact over thousands of events, with N as large as it may be', async () => {
    let memory = new Memory(await slotOf(1, 10_000))
    for (let i = 0; i < 26_000; i++) {
      add(memory, i ^ 5, i ^ 5)
      if (i % 9_000 === 0) memory = memory.moved()
    }
    expect(memory.results(26_000)).toEqual(
      new Map([
        ['sum_1', 25_999],
        ['sum_10000', ((16_000 + 25_999) * 10_000) / 2],
      ]),
    )
  })

  it('share memory for the longest, which fills up when raised and lets go when lowered', async () => {
    const [three, five] = [await slotOf(3), await slotOf(3, 5)]
    expect(five.id).toBe(three.id)
    let memory = new Memory(three)
    for (let i = 1; i <= 6; i++) add(memory, i, i)
    memory = memory.moved(five)
    expect(memory.results(6)).toEqual(
      new Map([
        ['sum_3', 15],
        ['sum_5', 15],
      ]),
    )
    for (let i = 7; i <= 9; i++) add(memory, i, i)
    expect(memory.results(9)).toEqual(
      new Map([
        ['sum_3', 24],
        ['sum_5', 35],
      ]),
    )
    memory = memory.moved(three)
    add(memory, 10, 10)
    expect(memory.results(10)).toEqual(new Map([['sum_3', 27]]))
  })

  it('no longer keep what was let go', async () => {
    const [three, five] = [await slotOf(3), await slotOf(3, 5)]
    const memory = new Memory(five)
    for (let i = 1; i <= 5; i++) add(memory, i, i)
    expect(memory.moved(three).moved(five).results(5).get('sum_5')).toBe(12)
  })

  it.each([0, 10_001, 1.5, '5'])('N = %j is refused', async (n) => {
    const { config } = await loadPart<unknown, unknown>('aggregations', 'last')
    expect(config.safeParse({ last: n }).success).toBe(false)
  })
})

describe('results that are asked for after every event', () => {
  const operators = ['sum', 'mean', 'variance', 'stddev', 'count', 'min']
  const features = operators.flatMap((as) =>
    [3, 8].map((n) => declared(`${as}_${n}`, 'last', { last: n }, as, { of: 'v' })),
  )
  const whole = fc.integer({ min: -20, max: 20 })
  const value = fc.oneof(
    whole,
    whole.map((v) => v * 2 ** 39),
    fc.constantFrom(0.1, 1e300, -1e300, 2 ** 60 + 256),
  )
  const event = fc.record({
    time: fc.integer({ min: 0, max: 30 }),
    v: fc.oneof({ weight: 4, arbitrary: whole }, value),
  })

  it('have the same bits as those over the same events at once', async () => {
    const slot = last.slots(await Promise.all(features))[0] as Slot
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), fc.boolean(), (events, inOrder) => {
        const often = new Memory(slot)
        for (const [i, { time, v }] of events.entries()) {
          add(often, inOrder ? i : time, v, i)
          const once = new Memory(slot)
          for (const [j, one] of events.slice(0, i + 1).entries()) add(once, inOrder ? j : one.time, one.v, j)
          expect(often.results(100)).toEqual(once.results(100))
        }
      }),
    )
  })
})

describe('a result that is asked for after every event', () => {
  /** Of the last 100 of the values: how many each result added, and how many it took back. */
  async function cost(values: readonly number[], after: (i: number) => number = (i) => i) {
    const spec = await declared('sum', 'last', { last: 100 }, 'sum', { of: 'v' })
    const { operator } = spec
    const calls = { added: 0, removed: 0 }
    const counting = Object.assign(Object.create(operator), {
      add: (...given: Parameters<typeof operator.add>) => {
        calls.added++
        operator.add(...given)
      },
      remove: (...given: Parameters<NonNullable<typeof operator.remove>>) => {
        calls.removed++
        operator.remove?.(...given)
      },
    })
    const memory = new Memory(last.slots([{ ...spec, operator: counting }])[0] as Slot)
    const costs = values.map((v, i) => {
      Object.assign(calls, { added: 0, removed: 0 })
      add(memory, after(i), v, i)
      memory.results(0)
      return [calls.added, calls.removed]
    })
    return { costs, memory, calls }
  }
  const times = (n: number, v = 1) => Array<number>(n).fill(v)

  it('takes in one event and takes out one, whatever N is', async () => {
    const { costs } = await cost(times(150))
    expect(costs[0]).toEqual([1, 0])
    expect(costs.slice(100, 110)).toEqual(times(10).map(() => [1, 1]))
  })

  it('takes in an event that came out of order as any other', async () => {
    const { costs } = await cost(times(300), (i) => (i % 3 === 2 ? i - 50.5 : i))
    expect(costs.slice(100)).toEqual(times(200).map(() => [1, 1]))
  })

  it('is right for any N, whatever order they come in', async () => {
    const counts = [1, 7, 40, 100]
    const memory = new Memory(await slotOf(...counts))
    const events: { time: number; v: number }[] = []
    for (let i = 0; i < 1_500; i++) {
      const event = { time: i - ((i * 7_919) % 130), v: i % 97 }
      events.push(event)
      add(memory, event.time, event.v, i)
      const newest = events.map((one, tie) => ({ ...one, tie })).sort((a, b) => b.time - a.time || b.tie - a.tie)
      const sums = counts.map((n) => [`sum_${n}`, newest.slice(0, n).reduce((sum, { v }) => sum + v, 0)])
      expect([...memory.results(0)]).toEqual(sums)
    }
  })

  it('looks at all that stay after an event out of order that could not be taken back exactly', async () => {
    const values = times(110)
    values[105] = 0.5
    const { costs } = await cost(values, (i) => (i === 105 ? 50.5 : i))
    expect([costs[104], costs[105], costs[106]]).toEqual([
      [1, 1],
      [100, 0],
      [100, 0],
    ])
  })

  it('looks at all that stay as long as there are values that could not be taken back exactly', async () => {
    for (const [value, isExact] of [
      [2 ** 40, true],
      [-(2 ** 40), true],
      [2 ** 40 + 1, false],
      [-(2 ** 40) - 1, false],
      [0.5, false],
    ] as const) {
      const { costs } = await cost([...times(102), value, 1, 1])
      expect([value, costs.slice(103)]).toEqual([value, times(2).map(() => (isExact ? [1, 1] : [100, 0]))])
    }
  })

  it('is not computed again where no event has come, or one that is older than all', async () => {
    const { memory, calls } = await cost(times(120))
    Object.assign(calls, { added: 0, removed: 0 })
    memory.results(0)
    add(memory, 3, 5)
    expect([memory.results(0).get('sum'), calls]).toEqual([100, { added: 0, removed: 0 }])
  })

  it.each([
    [49, 49, 49],
    [50, 100, 0],
    [120, 100, 0],
  ])('of %i new events adds %i and takes back %i, whichever is less', async (count, added, removed) => {
    const { memory, calls } = await cost(times(130))
    Object.assign(calls, { added: 0, removed: 0 })
    for (let i = 0; i < count; i++) add(memory, 1_000, 2, 1_000 + i)
    expect([memory.results(0).get('sum'), calls]).toEqual([100 + Math.min(count, 100), { added, removed }])
  })
})
