import { describe, expect, it } from 'vitest'
import { BLOCK } from '../../src/aggregations/window/block.ts'
import type { FeatureSpec, Slot } from '../../src/core/model.ts'
import { Memory } from '../../src/testing/aggregation.ts'
import { isNear, naiveResult, type OracleEvent } from '../../src/testing/oracle.ts'
import { aggregationNamed, declared } from './declared.ts'

const features = await Promise.all([
  declared('count_500', 'window', { window: '500ms' }, 'count', { of: 'v' }),
  declared('mean_3s', 'window', { window: '3s' }, 'mean', { of: 'v' }),
  declared('max_3s', 'window', { window: '3s' }, 'max', { of: 'v' }),
  declared('variance_1s', 'window', { window: '1s' }, 'variance', { of: 'v' }),
])
const window = await aggregationNamed<unknown>('window')
const slotOf = (specs: readonly FeatureSpec[]) => window.slots(specs)[0] as Slot
const slot = slotOf(features)

/** One event a millisecond, about one in ten of them up to a second late. */
function* traffic(count: number, seed: number): Generator<OracleEvent> {
  let state = seed
  const random = () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return state / 2 ** 32
  }
  for (let i = 0; i < count; i++) {
    const late = random() < 0.1 ? Math.floor(random() * 1_000) : 0
    yield { time: i - late, tie: i, values: { v: Math.floor(random() * 1_000) } }
  }
}

function check(memory: Memory, events: readonly OracleEvent[], now: number): void {
  for (const [name, value] of memory.results(now)) {
    const feature = features.find((each) => each.name === name) as FeatureSpec
    const expected = naiveResult(feature, events, now)
    expect(isNear(value, expected, 1e6), `${name} at ${now}: ${value}, expected ${expected}`).toBe(true)
  }
}

const fill = (memory: Memory, count: number, time = (i: number) => i) => {
  for (let i = 0; i < count; i++) memory.add({ time: time(i), tie: i, values: { v: i } }, Number.NEGATIVE_INFINITY)
}

describe('a window of many events', () => {
  it.each([1, 2, 3])('is exact over many blocks, with late events and the state moved now and then (%d)', (seed) => {
    let memory = new Memory(slot)
    const events: OracleEvent[] = []
    let now = 0
    for (const [i, event] of [...traffic(12_000, seed)].entries()) {
      now = Math.max(now, event.time)
      const clock = now - (seed - 1) * 200
      memory.add(event, clock)
      events.push(event)
      if (i % 331 === 0) slot.expire(memory.acc, clock)
      if (i % 977 === 0) check(memory, events, now)
      if (i % 2_503 === 0) memory = memory.moved()
    }
    expect(memory.segments.size).toBeGreaterThan(3)
    for (let later = 0; later <= 3_200; later += 400) {
      slot.expire(memory.acc, now + later)
      check(memory, events, now + later)
      memory = memory.moved()
    }
    expect(slot.isEmpty(memory.acc)).toBe(true)
    expect(memory.segments.size).toBe(0)
  })

  it('splits a full block for a late event and loses nothing', () => {
    const memory = new Memory(slot)
    fill(memory, BLOCK)
    memory.add({ time: 7, tie: 0, values: { v: 5_000 } }, 0)
    expect(memory.results(BLOCK).get('max_3s')).toBe(5_000)
    expect(memory.results(BLOCK + 6).get('count_500')).toBe(BLOCK - (BLOCK + 6 - 500) - 1)
    const moved = memory.moved()
    expect(moved.segments.size).toBe(2)
    expect(moved.results(BLOCK)).toEqual(memory.results(BLOCK))
  })

  it('writes both halves of a block that a late event has split', () => {
    const memory = new Memory(slot)
    fill(memory, BLOCK * 2)
    const moved = memory.moved()
    moved.add({ time: BLOCK - 2, tie: 0, values: { v: 1 } }, 0)
    expect(
      moved
        .moved()
        .results(BLOCK * 2)
        .get('max_3s'),
    ).toBe(BLOCK * 2 - 1)
    expect(
      moved
        .moved()
        .results(BLOCK * 2)
        .get('mean_3s'),
    ).toBeCloseTo((BLOCK * (2 * BLOCK - 1) + 1) / (BLOCK * 2 + 1), 9)
  })

  it('slides over its blocks in order, asked again and again', () => {
    const memory = new Memory(slot)
    for (let i = 0; i < 8_000; i++) {
      memory.add({ time: i, tie: i, values: { v: i } }, i)
      if (i % 10 === 0) slot.expire(memory.acc, i)
      if (i % 50 === 0) expect(memory.results(i).get('mean_3s')).toBe((Math.max(0, i - 2_999) + i) / 2)
    }
  })

  it('writes only the segments that changed', () => {
    const memory = new Memory(slot)
    fill(memory, BLOCK * 4)
    expect(slot.segments?.changed(memory.acc).length).toBe(4)
    expect(slot.segments?.changed(memory.acc)).toEqual([])
    memory.add({ time: BLOCK * 4, tie: 0, values: { v: 1 } }, 0)
    expect(slot.segments?.changed(memory.acc).length).toBe(1)
    memory.add({ time: BLOCK + 1, tie: 0, values: { v: 1 } }, 0)
    expect(slot.segments?.changed(memory.acc).length).toBe(2)
  })

  it('takes segments back in when few events are left, and drops those the clock has passed', () => {
    const memory = new Memory(slot)
    fill(memory, BLOCK * 3)
    expect(memory.moved().segments.size).toBe(3)
    slot.expire(memory.acc, BLOCK + 3_000)
    expect(slot.segments?.changed(memory.acc).map(([, bytes]) => bytes)).toEqual([null])
    slot.expire(memory.acc, BLOCK * 2 + 3_000)
    expect(slot.segments?.changed(memory.acc).map(([, bytes]) => bytes)).toEqual([null, null])
  })

  it('at one time needs no order: more events of one time than a block holds', () => {
    const memory = new Memory(slot)
    fill(memory, BLOCK * 2 + 10, () => 100)
    fill(memory, 10, () => 99)
    expect(memory.moved().results(100).get('count_500')).toBe(BLOCK * 2 + 20)
    expect(memory.results(599).get('count_500')).toBe(BLOCK * 2 + 10)
    expect(memory.results(600).get('count_500')).toBe(0)
  })

  it('does not keep what has left it, however long a slow key lives', () => {
    let memory = new Memory(slot)
    for (let i = 0; i < 3_000; i++) {
      memory.add({ time: i * 1_000, tie: i, values: { v: 1.5 } }, i * 1_000 - 1)
      slot.expire(memory.acc, i * 1_000)
      if (i % 700 === 0) memory = memory.moved()
      expect(slot.segments?.missing(memory.acc)).toEqual([])
    }
    expect(memory.moved().segments.size).toBe(0)
    expect(memory.results(2_999_000).get('mean_3s')).toBe(1.5)
  })
})

describe('a window', () => {
  it('counts what is younger than its length, to the millisecond', () => {
    const memory = new Memory(slot)
    memory.add({ time: 1_000, tie: 0, values: { v: 1 } }, 0)
    expect(slot.nextExpiry(memory.acc, 1_000)).toBe(1_500)
    expect(memory.results(1_499).get('count_500')).toBe(1)
    expect(memory.results(1_500).get('count_500')).toBe(0)
    expect(slot.nextExpiry(memory.acc, 1_500)).toBe(2_000)
    expect(slot.nextExpiry(memory.acc, 2_000)).toBe(4_000)
  })

  it('ignores on arrival what the clock has passed', () => {
    const memory = new Memory(slot)
    memory.add({ time: 1_000, tie: 0, values: { v: 1 } }, 4_000)
    expect(slot.isEmpty(memory.acc)).toBe(true)
    memory.add({ time: 1_001, tie: 0, values: { v: 1 } }, 4_000)
    expect(slot.isEmpty(memory.acc)).toBe(false)
  })

  it('asks to be freed of events that have left it before the clock passed them', () => {
    const memory = new Memory(slot)
    memory.add({ time: 0, tie: 0, values: { v: 1 } }, 0)
    const due = slot.nextExpiry(memory.acc, 50_000)
    expect(due).toBeGreaterThan(50_000)
    slot.expire(memory.acc, due)
    expect(slot.isEmpty(memory.acc)).toBe(true)
  })

  it('shares its events with other lengths over the same values, and keeps them when lengths come and go', () => {
    expect(window.slots(features).length).toBe(1)
    const shorter = slotOf(features.slice(0, 1))
    expect(shorter.id).toBe(slot.id)
    const memory = new Memory(shorter)
    fill(memory, 1_000)
    shorter.expire(memory.acc, 1_000)
    expect(memory.moved(slot).results(1_000).get('mean_3s')).toBe((501 + 999) / 2)
    expect(
      window.slots([...features, { ...(features[0] as FeatureSpec), columns: { of: 'v', when: 'w' } }]).length,
    ).toBe(2)
  })

  it('refuses bytes it did not write', () => {
    const memory = new Memory(slot)
    expect(() => slot.segments?.attach(memory.acc, '3', new Uint8Array())).toThrow(/lacks no segment/)
  })
})
