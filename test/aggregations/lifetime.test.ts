import { describe, expect, it } from 'vitest'
import type { Slot } from '../../src/core/model.ts'
import { Memory } from '../../src/testing/aggregation.ts'
import { aggregationNamed, declared } from './declared.ts'

const count = await declared('delivered', 'lifetime', { lifetime: true }, 'count', { when: 'w' })
const lifetime = await aggregationNamed<unknown>('lifetime')

describe('a lifetime', () => {
  it('forgets nothing and has nothing to do later', () => {
    const [slot] = lifetime.slots([count]) as [Slot]
    const memory = new Memory(slot)
    for (let i = 0; i < 10; i++) memory.add({ time: i, tie: i, values: { w: i % 2 === 0 } }, i)
    slot.expire(memory.acc, 1e15)
    expect(memory.moved().results(1e15).get('delivered')).toBe(5)
    expect(slot.nextExpiry(memory.acc, 10)).toBe(Number.POSITIVE_INFINITY)
  })

  it('takes an event that is older than the clock', () => {
    const memory = new Memory(lifetime.slots([count])[0] as Slot)
    memory.add({ time: 0, tie: 0, values: { w: true } }, 1e15)
    expect(memory.results(1e15).get('delivered')).toBe(1)
  })

  it('has an accumulator per operator and condition, shared by features that say the same', () => {
    const slots = lifetime.slots([count, { ...count, name: 'again' }, { ...count, name: 'other', columns: {} }])
    expect(slots.map((slot) => slot.features)).toEqual([['delivered', 'again'], ['other']])
  })
})
