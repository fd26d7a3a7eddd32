import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CityEvent } from '../../src/dev/city/index.ts'
import { runSimulator, type SimulatorOptions } from '../../src/dev/simulator.ts'

const NOON = Date.UTC(2026, 4, 1, 12)
const MINUTE = 60_000

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-simulator-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

/** Runs on a clock that only its pauses move, for `ticks` pauses; `jumps` adds to one of them. */
async function run(
  ticks: number,
  more: Partial<SimulatorOptions> & { from?: number; jumps?: Record<number, number> } = {},
) {
  const { from = NOON, jumps = {}, ...options } = more
  let wall = from
  let tick = 0
  const batches: { wall: number; events: readonly CityEvent[] }[] = []
  const stop = new AbortController()
  await runSimulator({
    seed: 1,
    rate: 20,
    speed: 1,
    now: () => wall,
    pause: async (ms) => {
      wall += ms + (jumps[tick] ?? 0)
      if (++tick > ticks) stop.abort()
    },
    write: async (events) => {
      batches.push({ wall, events })
    },
    signal: stop.signal,
    ...options,
  })
  return { batches, events: batches.flatMap((batch) => batch.events), wall }
}

const ids = (events: readonly CityEvent[]) => events.map((event) => event.event.eventId as string)

describe('the simulator', () => {
  it('tells how far the burst of history is', async () => {
    const told: (readonly [number, number])[] = []
    const { batches } = await run(1, { rate: 100, history: (written, expected) => told.push([written, expected]) })
    const [burst] = told.at(-1) as [number, number]
    expect(told.length).toBeGreaterThan(5)
    expect(batches.filter(({ wall }) => wall === NOON).flatMap(({ events }) => events)).toHaveLength(burst)
    expect(new Set(told.map(([, expected]) => expected))).toEqual(new Set([burst]))
  })

  it('begins with the last 35 minutes, then keeps pace with the clock', async () => {
    const { batches, events } = await run(600)
    const history = batches.filter((batch) => batch.wall === NOON).flatMap((batch) => batch.events)
    expect(history[0]?.timestamp).toBeGreaterThanOrEqual(NOON - 35 * MINUTE)
    expect(history[0]?.timestamp).toBeLessThan(NOON - 34 * MINUTE)
    expect(history.at(-1)?.timestamp).toBeGreaterThan(NOON - 10_000)
    expect(batches.filter((batch) => batch.events.some((event) => event.timestamp > batch.wall))).toEqual([])
    expect(events.length - history.length).toBeGreaterThan(600)
    expect(new Set(ids(events)).size).toBe(events.length)
  })

  it('bounds the history and the size of batches when the rate is high', async () => {
    const { batches } = await run(0, { rate: 5000 })
    const sizes = batches.map((batch) => batch.events.length)
    expect(sizes.reduce((sum, size) => sum + size)).toBeLessThan(120_000)
    expect(Math.max(...sizes)).toBeLessThan(1100)
  })

  it('lives faster than the clock at the same rate of events per second of wall time', async () => {
    const slow = await run(3000, { rate: 50 })
    const fast = await run(3000, { rate: 50, speed: 60 })
    const after = (r: typeof slow) => r.batches.filter((b) => b.wall > NOON).flatMap((b) => b.events).length
    expect(after(fast) / after(slow)).toBeGreaterThan(0.5)
    expect(after(fast) / after(slow)).toBeLessThan(2)
    expect(fast.events.at(-1)?.timestamp).toBeGreaterThan(NOON + 290 * MINUTE)
  })

  it('leaves out what happened while the process slept', async () => {
    const slept = 8 * 3_600_000
    const { batches, wall } = await run(20, { jumps: { 10: slept } })
    const created = batches
      .filter((batch) => batch.wall > NOON)
      .flatMap((batch) => batch.events)
      .filter((event) => event.event.type === 'ORDER_CREATED')
    const inSleep = created.filter(({ event }) => {
      const at = event.occurredAt as number
      return at > NOON + 1200 && at < NOON + 1100 + slept
    })
    expect(inSleep).toEqual([])
    expect(wall).toBeGreaterThan(NOON + slept)
    expect(created.some((event) => event.timestamp > NOON + slept)).toBe(true)
  })

  it('goes on over a clock that is set back', async () => {
    const { batches } = await run(100, { jumps: { 10: -3_600_000 } })
    const later = batches.filter((batch) => batch.wall < NOON).flatMap((batch) => batch.events)
    expect(later.at(-1)?.timestamp).toBeGreaterThan(NOON + 5000)
  })

  it('started again, ends the orders in flight and repeats no event', async () => {
    const memory = join(folder, 'simulator.json')
    const first = await run(50, { memory })
    const second = await run(50, { memory, from: first.wall + 3 * 3_600_000 })
    const all = ids([...first.events, ...second.events])
    expect(new Set(all).size).toBe(all.length)
    const begun = new Set(first.events.map((event) => event.key))
    const ended = new Set(
      [...first.events, ...second.events]
        .filter((event) => event.event.type === 'ORDER_DELIVERED' || event.event.type === 'ORDER_CANCELLED')
        .map((event) => event.key),
    )
    expect([...begun].filter((id) => !ended.has(id))).toEqual([])
  })

  it('started again with another rate, has orders of its own and none in the past', async () => {
    const memory = join(folder, 'simulator.json')
    const first = await run(50, { memory })
    const second = await run(50, { memory, from: first.wall + 1000, rate: 40 })
    const begun = new Set(first.events.map((event) => event.key))
    expect(second.events.filter((event) => begun.has(event.key))).toEqual([])
    expect(second.events[0]?.timestamp).toBeGreaterThan(first.events.at(-1)?.timestamp as number)
  })

  it('begins anew where its memory cannot be read', async () => {
    const memory = join(folder, 'simulator.json')
    writeFileSync(memory, '{"identity": 3')
    expect((await run(1, { memory })).events.length).toBeGreaterThan(1000)
    expect(JSON.parse(readFileSync(memory, 'utf8')).city.sentUntil).toBe(NOON + 100)
  })

  it('rejects when writing fails, and does not claim what was not written', async () => {
    const memory = join(folder, 'simulator.json')
    const failing = run(10, { memory, write: () => Promise.reject(new Error('disk full')) })
    await expect(failing).rejects.toThrow('disk full')
    expect(() => readFileSync(memory)).toThrow()
  })

  it('stops at the signal between batches of the history', async () => {
    const stop = new AbortController()
    let batches = 0
    await run(10, {
      rate: 1000,
      signal: stop.signal,
      write: async () => {
        if (++batches === 2) stop.abort()
      },
    })
    expect(batches).toBe(2)
  })
})
