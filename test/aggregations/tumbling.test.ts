import { describe, expect, it } from 'vitest'
import type { Slot } from '../../src/core/model.ts'
import { loadPart } from '../../src/core/part.ts'
import { Memory } from '../../src/testing/aggregation.ts'
import { aggregationNamed, declared } from './declared.ts'

const tumbling = await aggregationNamed<unknown>('tumbling')
const slotOf = async (settings: object, as = 'sum') =>
  tumbling.slots([await declared('f', 'tumbling', settings, as, { of: 'v' })])[0] as Slot
const add = (memory: Memory, time: number, v: number, clock = Number.NEGATIVE_INFINITY) =>
  memory.add({ time, tie: time, values: { v } }, clock)
const saidAt = (memory: Memory, clock: number) => {
  memory.slot.expire(memory.acc, clock)
  return memory.results(clock).get('f')
}

describe('tumbling windows', () => {
  it('take their first millisecond and not their last, and are said from their end to the end of the next', async () => {
    const memory = new Memory(await slotOf({ tumbling: '10s' }))
    for (const time of [9_999, 10_000, 19_999, 20_000]) add(memory, time, time)
    expect(saidAt(memory, 9_999)).toBe(0)
    expect(saidAt(memory, 10_000)).toBe(9_999)
    expect(saidAt(memory, 19_999)).toBe(9_999)
    expect(saidAt(memory.moved(), 20_000)).toBe(29_999)
    expect(saidAt(memory, 29_999)).toBe(29_999)
    expect(saidAt(memory, 30_000)).toBe(20_000)
    expect(saidAt(memory, 40_000)).toBe(0)
    expect(memory.slot.isEmpty(memory.acc)).toBe(true)
  })

  it('announce each time at which what is said changes', async () => {
    const memory = new Memory(await slotOf({ tumbling: '10s' }))
    const due = (now: number) => memory.slot.nextExpiry(memory.acc, now)
    expect(due(0)).toBe(Number.POSITIVE_INFINITY)
    add(memory, 35_000, 1)
    expect(due(35_000)).toBe(40_000)
    saidAt(memory, 12_000)
    expect(due(35_000), 'the clock is behind the newest event').toBe(40_000)
    add(memory, 15_000, 1)
    expect(due(35_000)).toBe(20_000)
    saidAt(memory, 20_000)
    expect(due(35_000)).toBe(30_000)
    saidAt(memory, 40_000)
    expect(due(40_000)).toBe(50_000)
  })

  it('begin at the offset, also before 1970', async () => {
    const memory = new Memory(await slotOf({ tumbling: '10s', offset: '3s' }))
    for (const time of [-7_001, -7_000, 2_999, 3_000]) add(memory, time, time)
    expect(saidAt(memory, 3_000)).toBe(-4_001)
  })

  it('take an event until the allowance is over; it is late from then on', async () => {
    const slot = await slotOf({ tumbling: '10s', allowance: '2s' })
    const memory = new Memory(slot)
    add(memory, 5_000, 1)
    expect(saidAt(memory, 10_000)).toBe(1)
    for (const [clock, isLate] of [
      [11_999, false],
      [12_000, true],
    ] as const) {
      const event = { time: 5_001, tie: 1, values: { v: 10 } }
      expect(memory.isLate(event, clock)).toBe(isLate)
      memory.add(event, clock)
      expect(saidAt(memory, clock)).toBe(11)
    }
    expect(memory.isLate({ time: 5_001, tie: 1, values: { v: null } }, 12_000), 'it would not have counted').toBe(false)
  })

  it('keep two windows of a key, however many there were', async () => {
    let memory = new Memory(await slotOf({ tumbling: '1s', allowance: '1s' }, 'count'))
    for (let time = 0; time < 100_000; time += 7) {
      add(memory, time, 1, time - 1_500)
      memory.slot.expire(memory.acc, time - 1_500)
      if (time % 1_001 === 0) memory = memory.moved()
    }
    const kept = new Set<number>()
    for (let clock = 98_500; clock < 110_000; clock += 1_000) if (saidAt(memory, clock) !== 0) kept.add(clock)
    expect(kept.size).toBeLessThanOrEqual(4)
    expect(memory.slot.isEmpty(memory.acc)).toBe(true)
  })

  it('that are far ahead of the clock stand in segments, of which only changed ones are written', async () => {
    let memory = new Memory(await slotOf({ tumbling: '1s' }))
    for (let second = 0; second < 100; second++) add(memory, second * 1_000, 1)
    memory = memory.moved()
    expect(memory.segments.size).toBe(7)
    const before = new Set(memory.segments.values())
    add(memory, 50_000, 5)
    memory = memory.moved()
    expect([...memory.segments.values()].filter((bytes) => !before.has(bytes)).length).toBe(1)
    expect(saidAt(memory, 51_000)).toBe(6)
    expect(saidAt(memory.moved(), 100_000)).toBe(1)
  })

  it('of one operator are shared; another length, offset or allowance remembers otherwise', async () => {
    const features = await Promise.all(
      [{}, {}, { offset: '1s' }, { allowance: '1s' }, { tumbling: '20s' }].map((more, i) =>
        declared(`f${i}`, 'tumbling', { tumbling: '10s', ...more }, 'count'),
      ),
    )
    expect(tumbling.slots(features).map((slot) => slot.features)).toEqual([['f0', 'f1'], ['f2'], ['f3'], ['f4']])
  })

  it.each([
    [{ tumbling: '10s', allowance: '11s' }, 'allowance'],
    [{ tumbling: '10s', offset: '10s' }, 'offset'],
    [{ tumbling: '0s' }, 'tumbling'],
  ])('%j is refused', async (settings, place) => {
    const { config } = await loadPart<unknown, unknown>('aggregations', 'tumbling')
    expect(config.safeParse(settings).error?.issues.map(({ path }) => path)).toEqual([[place]])
  })
})
