import { describe, expect, it } from 'vitest'
import { ByteWriter } from '../../src/core/bytes.ts'
import type { Slot } from '../../src/core/model.ts'
import { loadPart } from '../../src/core/part.ts'
import { Memory } from '../../src/testing/aggregation.ts'
import { aggregationNamed, declared } from './declared.ts'

const window = await aggregationNamed<unknown>('window')
const count = (name: string, settings: object) => declared(name, 'window', settings, 'count')
const slotOf = async (...settings: object[]) =>
  window.slots(await Promise.all(settings.map((each, i) => count(`f${i}`, each))))[0] as Slot
const add = (memory: Memory, time: number, clock = Number.NEGATIVE_INFINITY) =>
  memory.add({ time, tie: time, values: {} }, clock)

describe('a window with a resolution', () => {
  it('counts every event of the window, and those before it that share its first stretch', async () => {
    const memory = new Memory(await slotOf({ window: '10s', resolution: '2s' }))
    for (const time of [3_999, 4_000, 5_000, 5_999, 6_000]) add(memory, time)
    // (5000, 15000]: 5000 itself has left, but its stretch 4000 to 5999 has not
    expect(memory.results(15_000).get('f0')).toBe(4)
    expect(memory.results(15_998).get('f0')).toBe(4)
    expect(memory.slot.nextExpiry(memory.acc, 15_000)).toBe(15_999)
    expect(memory.results(15_999).get('f0')).toBe(1)
  })

  it('keeps as much for 720,000 events as for 3,600, in segments of which few are written', async () => {
    const slot = await slotOf({ window: '10m', resolution: '10s' })
    const bytesOf = (memory: Memory) => {
      const main = new ByteWriter()
      slot.encode(memory.acc, main)
      return [...memory.segments.values()].reduce((sum, { length }) => sum + length, main.length)
    }
    const sizes = [3_600, 720_000].map((events) => {
      let memory = new Memory(slot)
      const step = 3_600_000 / events
      for (let time = 0; time < 3_600_000; time += step) {
        add(memory, time, time - step)
        if (Math.floor(time / 600_000) > Math.floor((time - step) / 600_000)) {
          slot.expire(memory.acc, time)
          memory = memory.moved()
        }
      }
      slot.expire(memory.acc, 3_600_000)
      memory = memory.moved()
      expect(memory.results(3_600_000).get('f0')).toBe(events / 6)
      const before = new Set(memory.segments.values())
      add(memory, 3_600_000)
      memory = memory.moved()
      expect([...memory.segments.values()].filter((bytes) => !before.has(bytes)).length).toBe(1)
      return bytesOf(memory)
    })
    // a count of 2,000 takes a byte more than one of 10
    expect(sizes[1]).toBeLessThan((sizes[0] as number) + 62)
    expect(sizes[0]).toBeLessThan(400)
  })

  it('shares its stretches with other lengths of the same resolution, not with the exact window', async () => {
    const features = await Promise.all([
      count('a', { window: '10s', resolution: '2s' }),
      count('b', { window: '60s', resolution: '2s' }),
      count('c', { window: '10s', resolution: '1s' }),
      count('d', { window: '10s' }),
    ])
    expect(window.slots(features).map((slot) => slot.features)).toEqual([['a', 'b'], ['c'], ['d']])
    const [shared] = window.slots(features) as [Slot]
    let memory = new Memory(shared)
    for (let time = 0; time < 60_000; time += 500) add(memory, time)
    memory = memory.moved()
    expect([...memory.results(59_999).values()]).toEqual([20, 120])
  })

  it.each([{ resolution: '3s' }, { resolution: '20s' }, { resolution: '9ms' }, { resolution: '1ms' }])(
    '10s with %j is refused',
    async (settings) => {
      const { config } = await loadPart<unknown, unknown>('aggregations', 'window')
      expect(config.safeParse({ window: '10s', ...settings }).error?.issues.map(({ path }) => path)).toEqual([
        ['resolution'],
      ])
    },
  )
})
