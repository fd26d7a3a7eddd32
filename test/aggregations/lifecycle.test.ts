import { describe, expect, it } from 'vitest'
import { Ids, INLINE_IDS } from '../../src/aggregations/lifecycle/ids.ts'
import { shrinkYoung } from '../../src/commands/young.ts'
import { ByteWriter } from '../../src/core/bytes.ts'
import type { FeatureSpec, Slot } from '../../src/core/model.ts'
import { loadPart } from '../../src/core/part.ts'
import { Memory } from '../../src/testing/aggregation.ts'
import { naiveResult, type OracleEvent } from '../../src/testing/oracle.ts'
import { aggregationNamed, declared } from './declared.ts'

const columns = { lifecycle: 'id', opens: 'opens', closes: 'closes' }
const settings = { ...columns, maxAge: '10s' }
const count = await declared('open', 'lifecycle', settings, 'count', columns)
const sum = await declared('open_sum', 'lifecycle', settings, 'sum', { ...columns, of: 'v' })
const lifecycle = await aggregationNamed<unknown>('lifecycle')
const [slot, summed] = lifecycle.slots([count, sum]) as [Slot, Slot]

let tie = 0
const opening = (id: string, time: number, v: number | null = null): OracleEvent => ({
  time,
  tie: ++tie,
  values: { id, opens: true, closes: false, v },
})
const closing = (id: string, time: number): OracleEvent => ({
  time,
  tie: ++tie,
  values: { id, opens: false, closes: true, v: null },
})
const after = (given: Slot, events: readonly OracleEvent[], clock = 0) => {
  const memory = new Memory(given)
  for (const event of events) memory.add(event, clock)
  return memory
}
const openAt = (memory: Memory, now: number) => memory.results(now).get('open')

describe('a lifecycle', () => {
  it('is decided by event times, also when the closing event comes first', () => {
    expect(openAt(after(slot, [closing('a', 20), opening('a', 10)]), 20)).toBe(0)
    expect(openAt(after(slot, [opening('a', 30), closing('a', 20), opening('a', 10)]), 30)).toBe(1)
  })

  it('is closed by a closing event of the same time, and by an event that does both', () => {
    expect(openAt(after(slot, [opening('a', 10), closing('a', 10)]), 10)).toBe(0)
    expect(openAt(after(slot, [closing('a', 10), opening('a', 10)]), 10)).toBe(0)
    const both = { time: 10, tie: 1, values: { id: 'a', opens: true, closes: true } }
    expect(openAt(after(slot, [opening('a', 9), both]), 10)).toBe(0)
  })

  it('tells ages anew each minute where it is not said how often', async () => {
    const feature = await declared('oldest', 'lifecycle', { ...settings, measure: 'age', maxAge: '1h' }, 'max', columns)
    const [ages] = lifecycle.slots([feature]) as [Slot]
    const memory = after(ages, [opening('a', 30_000)])
    expect([59_999, 60_000, 119_999, 120_000].map((now) => memory.results(now).get('oldest'))).toEqual([0, 30, 30, 90])
    expect(ages.nextExpiry(memory.acc, 60_000)).toBe(120_000)
  })

  it('ends by itself at maxAge, and remembers a close as long', () => {
    const memory = after(slot, [opening('a', 0), closing('b', 5_000)])
    expect(slot.nextExpiry(memory.acc, 5_000)).toBe(10_000)
    expect(openAt(memory, 9_999)).toBe(1)
    expect(openAt(memory, 10_000)).toBe(0)
    slot.expire(memory.acc, 14_999)
    memory.add(opening('b', 4_999 + 1), 14_999)
    expect(openAt(memory, 14_999)).toBe(0)
    expect(slot.nextExpiry(memory.acc, 14_999)).toBe(15_000)
    slot.expire(memory.acc, 15_000)
    expect(slot.isEmpty(memory.acc)).toBe(true)
  })

  it('aggregates what the opening events brought; an opening without the value is not counted', () => {
    const memory = after(summed, [opening('a', 1, 5), opening('b', 2, 7), opening('c', 3), opening('a', 4, 6)])
    expect(memory.results(4).get('open_sum')).toBe(13)
    memory.add(closing('b', 5), 0)
    expect(memory.moved().results(5).get('open_sum')).toBe(6)
  })

  it('ignores events without an id, and what the clock has passed', () => {
    const memory = after(slot, [{ time: 1, tie: 1, values: { id: null, opens: true, closes: false } }])
    memory.add(opening('a', 1_000), 11_000)
    expect(slot.isEmpty(memory.acc)).toBe(true)
  })

  it('counts for a day without maxAge', async () => {
    const { config } = await loadPart<{ maxAge: number }, unknown>('aggregations', 'lifecycle')
    expect(config.parse(columns).maxAge).toBe(86_400_000)
  })
})

describe('a lifecycle of many ids', () => {
  it('is exact, writes only changed segments, and forgets them all in the end', () => {
    let memory = new Memory(slot)
    const events: OracleEvent[] = []
    for (let i = 0; i < 3_000; i++) {
      const event = i % 3 === 2 ? closing(`id${i - 2 - (i % 90)}`, i) : opening(`id${i}`, i - (i % 7))
      events.push(event)
      memory.add(event, i - 50)
      if (i % 997 === 0) slot.expire(memory.acc, i - 50)
      if (i % 751 === 0) {
        memory = memory.moved()
        expect(openAt(memory, i)).toBe(naiveResult(count as FeatureSpec, events, i))
      }
    }
    memory = memory.moved()
    expect(memory.segments.size).toBeGreaterThan(3)
    memory.add(opening('one more', 3_000), 2_950)
    events.push(opening('one more', 3_000))
    const before = new Set(memory.segments.values())
    memory = memory.moved()
    expect([...memory.segments.values()].filter((bytes) => !before.has(bytes)).length).toBe(1)
    for (let now = 3_000; now <= 13_000; now += 1_000) {
      slot.expire(memory.acc, now)
      expect(openAt(memory, now)).toBe(naiveResult(count as FeatureSpec, events, now))
      memory = memory.moved()
    }
    expect(slot.isEmpty(memory.acc)).toBe(true)
    expect(memory.segments.size).toBe(0)
  })

  it('does not remember ids of a slow key much longer than maxAge', () => {
    let memory = new Memory(slot)
    for (let i = 0; i < 400; i++) {
      memory.add(closing(`id${i}`, i * 1_000), i * 1_000 - 1)
      slot.expire(memory.acc, i * 1_000)
      memory = memory.moved()
    }
    const main = new ByteWriter()
    slot.encode(memory.acc, main)
    expect(main.length).toBeLessThan(20 * 'id399'.length * 2 + 50)
    slot.expire(memory.acc, 399_000 + 9_999)
    expect(slot.isEmpty(memory.acc)).toBe(false)
    slot.expire(memory.acc, 399_000 + 10_000)
    expect(slot.isEmpty(memory.acc)).toBe(true)
  })

  it('stands in the main bytes while the ids are few, else in segments', () => {
    const ids = Array.from({ length: INLINE_IDS }, (_, i) => opening(`id${i}`, 10))
    const memory = after(slot, ids).moved()
    expect(memory.segments.size).toBe(0)
    memory.add(opening('one more', 10), 0)
    const moved = memory.moved()
    expect(moved.segments.size).toBeGreaterThan(1)
    for (const { values } of ids) moved.add(closing(values.id as string, 11), 0)
    expect(openAt(moved.moved(), 11)).toBe(1)
  })
})

describe('durations of a lifecycle', () => {
  const settingsOf = (maxAge: string) => ({ ...columns, maxAge, measure: 'duration' })
  const features = ['10s', '20s'].map((maxAge) =>
    declared(`mean_${maxAge}`, 'lifecycle', settingsOf(maxAge), 'mean', columns),
  )
  const durations = async () => lifecycle.slots(await Promise.all(features))[0] as Slot
  const meansAt = (memory: Memory, now: number) => [...memory.results(now).values()]

  it('are from the newest opening to the newest closing, whichever came first', async () => {
    const slot = await durations()
    expect(meansAt(after(slot, [opening('a', 1_000), closing('a', 4_000)]), 4_000)).toEqual([3, 3])
    expect(meansAt(after(slot, [closing('a', 4_000), opening('a', 1_000), opening('a', 2_000)]), 4_000)).toEqual([2, 2])
    expect(meansAt(after(slot, [closing('a', 4_000), opening('a', 2_000), opening('a', 1_000)]), 4_000)).toEqual([2, 2])
    expect(meansAt(after(slot, [opening('a', 1_000), closing('a', 2_000), closing('a', 4_000)]), 4_000)).toEqual([3, 3])
    expect(meansAt(after(slot, [opening('a', 1_000), closing('a', 2_000), opening('a', 3_000)]), 4_000)).toEqual([
      null,
      null,
    ])
    expect(meansAt(after(slot, [closing('a', 4_000)]), 4_000), 'its opening is not known').toEqual([null, null])
  })

  it('count for maxAge after the closing, and where they took less than maxAge', async () => {
    const slot = await durations()
    const memory = after(slot, [opening('a', 0), closing('a', 8_000), opening('b', 0), closing('b', 10_000)])
    expect(meansAt(memory, 10_000)).toEqual([8, 9])
    expect(slot.nextExpiry(memory.acc, 10_000)).toBe(18_000)
    expect(meansAt(memory, 17_999)).toEqual([8, 9])
    expect(meansAt(memory, 18_000)).toEqual([null, 9])
    expect(slot.nextExpiry(memory.acc, 18_000)).toBe(28_000)
    expect(meansAt(memory, 28_000)).toEqual([null, 10])
    expect(meansAt(memory, 30_000)).toEqual([null, null])
  })

  it('are forgotten when nothing can count any more, and not before', async () => {
    const slot = await durations()
    const memory = after(slot, [opening('a', 0), closing('a', 1_000)])
    expect(slot.nextExpiry(new Memory(slot).acc, 5)).toBe(Number.POSITIVE_INFINITY)
    expect(slot.nextExpiry(memory.acc, 21_000)).toBe(41_000)
    expect(slot.nextExpiry(memory.acc, 41_000)).toBe(81_000)
    slot.expire(memory.acc, 40_999)
    expect(slot.isEmpty(memory.acc)).toBe(false)
    slot.expire(memory.acc, 41_000)
    expect(slot.isEmpty(memory.acc)).toBe(true)
  })

  it('take an opening up to twice maxAge old, since its closing may still count, and no older one', async () => {
    const slot = await durations()
    const memory = new Memory(slot)
    memory.add(opening('a', 1_000), 41_000)
    expect(slot.isEmpty(memory.acc)).toBe(true)
    memory.add(opening('a', 1_001), 41_000)
    memory.add({ ...opening('b', 40_000), values: { id: 'b', opens: false, closes: false } }, 41_000)
    memory.add({ ...opening('c', 40_000), values: { id: null, opens: true, closes: false } }, 41_000)
    expect(slot.isEmpty(memory.acc)).toBe(false)
    slot.expire(memory.acc, 41_001)
    expect(slot.isEmpty(memory.acc)).toBe(true)
  })

  it('stand in the bytes', async () => {
    const slot = await durations()
    const memory = after(slot, [closing('a', 4_000), opening('b', 3_000)]).moved()
    memory.add(opening('a', 1_000), 0)
    memory.add(closing('b', 4_000), 0)
    expect(meansAt(memory.moved(), 4_000)).toEqual([2, 2])
  })
})

describe('texts that opening events brought', () => {
  it('are aggregated of what is open, and stand in the bytes, also where one had none', async () => {
    const feature = await declared('newest', 'lifecycle', settings, 'last', { ...columns, of: 't' }, { values: 'text' })
    const [slot] = lifecycle.slots([feature]) as [Slot]
    const saying = (id: string, time: number, t: string | null) => {
      const { values, ...event } = opening(id, time)
      return { ...event, values: { ...values, t } }
    }
    const memory = after(slot, [saying('a', 1, 'x'), saying('b', 2, 'y'), saying('c', 3, null)])
    expect(memory.moved().results(3).get('newest')).toBe('y')
    memory.add({ ...closing('b', 4), values: { id: 'b', opens: false, closes: true, t: null } }, 0)
    expect(memory.moved().moved().results(4).get('newest')).toBe('x')
  })
})

it('bytes of a lifecycle that has not changed are the same, and of one that has not', () => {
  const written = (memory: Memory) => {
    const to = new ByteWriter()
    memory.slot.encode(memory.acc, to)
    return to.take()
  }
  // 32 ids fill a chunk
  const memory = after(
    slot,
    Array.from({ length: 40 }, (_, i) => opening(`id${i}`, i)),
  )
  const before = written(memory)
  expect(written(memory)).toEqual(before)
  memory.add(opening('id50', 50), 0)
  expect(written(memory)).not.toEqual(before)
  expect(openAt(memory.moved(), 50)).toBe(41)
})

it('what is kept of encoded ids does not hold the pools that bytes are made in', () => {
  shrinkYoung()
  const before = process.memoryUsage().arrayBuffers
  const writer = new ByteWriter()
  const keys = Array.from({ length: 200 }, () => {
    const ids = new Ids(10_000, undefined)
    for (let i = 0; i < 50; i++) ids.see(`order-${i}`, i, i, false, 1)
    ids.encode(writer)
    writer.take()
    Buffer.from('x'.repeat(Buffer.poolSize / 3))
    return ids
  })
  shrinkYoung()
  const held = (process.memoryUsage().arrayBuffers - before) / keys.length
  expect(held).toBeLessThan(4_096)
})
