/** Runs a city against a clock: a burst of history first, then what happens as it happens. */
import { readFile, rename, writeFile } from 'node:fs/promises'
import { setTimeout as after } from 'node:timers/promises'
import { z } from 'zod'
import type { Millis } from '../core/model.ts'
import { type City, type CityEvent, type CityMemory, createCity } from './city/index.ts'

export interface SimulatorOptions {
  readonly seed: number
  /** Events per second of wall time, in the mean over the city's day; at dinner it is twice as many. */
  readonly rate: number
  /** Seconds of the city per second of wall time. The city's time runs ahead of the wall clock when above 1. */
  readonly speed: number
  readonly stores?: number
  readonly couriers?: number
  readonly customers?: number
  /** Wall clock. */
  now(): Millis
  /** Resolves after `ms`, or at once when the signal is given. */
  readonly pause?: (ms: number, signal: AbortSignal) => Promise<void>
  /** Gets up to about 1,000 events at a time, in the order of sending; the next come when it has resolved. */
  write(events: readonly CityEvent[]): Promise<void>
  /** Told how far the burst of history is, in events of all topics; both are the same at the end. */
  history?(written: number, expected: number): void
  /** File in which the simulator remembers how far it was, so that orders in flight at a stop end after the next start. */
  readonly memory?: string
  readonly signal: AbortSignal
}

const TICK_MS = 100
const BATCH = 1000
const REMEMBER_MS = 1000
/** A longer silence means that the process slept: what the city would have done then is left out. */
const ASLEEP_MS = 5000
const HISTORY_MS = 35 * 60_000
const HISTORY_EVENTS = 60_000

/**
 * Resolves after the signal, when the last batch is written; rejects when `write` does. After a crash up to a second
 * of events may be sent again, with the same `eventId`s.
 */
export async function runSimulator(options: SimulatorOptions): Promise<void> {
  const { now, signal, pause = sleep } = options
  const eventsPerSecond = options.rate / options.speed
  const identity = JSON.stringify([
    1,
    options.seed,
    eventsPerSecond,
    options.stores,
    options.couriers,
    options.customers,
  ])
  const remembered = options.memory === undefined ? undefined : await recall(options.memory)
  const past = remembered?.identity === identity ? remembered.city : undefined

  let simulated = Math.max(now(), remembered?.city.sentUntil ?? 0)
  const history = Math.min(HISTORY_MS, (HISTORY_EVENTS / eventsPerSecond) * 1000)
  const startAt = Math.floor(Math.max(simulated - history, (remembered?.city.sentUntil ?? -1) + 1))
  const found = () => createCity({ ...options, eventsPerSecond, startAt, ...(past && { past }) })
  const city = found()

  const remember = keeper(options.memory, identity, now)
  let wall = now()
  let written = 0
  // orders in flight make the events grow over the history: no share of the time says how many there are
  const expected = options.history ? countOf(found(), simulated) : 0
  await advance(city, simulated, (events) => {
    written += events.length
    options.history?.(written, expected)
  })
  while (!signal.aborted) {
    await pause(TICK_MS, signal)
    if (signal.aborted) break
    const passed = Math.max(0, now() - wall)
    wall = now()
    simulated += passed * options.speed
    if (passed > ASLEEP_MS) city.rest(simulated)
    await advance(city, simulated)
  }
  await remember(city.memory(), true)

  async function advance(city: City, until: Millis, wrote?: (events: readonly CityEvent[]) => void): Promise<void> {
    for (;;) {
      if (signal.aborted) return
      const events = city.next(until, BATCH)
      if (events.length > 0) await options.write(events)
      wrote?.(events)
      await remember(city.memory(), false)
      if (events.length < BATCH) return
    }
  }
}

function countOf(city: City, until: Millis): number {
  for (let count = 0; ; ) {
    const { length } = city.next(until, BATCH)
    count += length
    if (length < BATCH) return count
  }
}

function keeper(path: string | undefined, identity: string, now: () => Millis) {
  let savedAt = Number.NEGATIVE_INFINITY
  return async (city: CityMemory, always: boolean): Promise<void> => {
    if (path === undefined || (!always && Math.abs(now() - savedAt) < REMEMBER_MS)) return
    savedAt = now()
    await writeFile(`${path}.new`, JSON.stringify({ identity, city }))
    await rename(`${path}.new`, path)
  }
}

const Memory = z.object({
  identity: z.string(),
  city: z.object({ founded: z.int(), sentUntil: z.int(), open: z.array(z.tuple([z.int(), z.int()])) }),
})

/** What was remembered; undefined when there is nothing that can be read: the city is then founded anew. */
async function recall(path: string): Promise<z.infer<typeof Memory> | undefined> {
  try {
    return Memory.parse(JSON.parse(await readFile(path, 'utf8')))
  } catch {
    return undefined
  }
}

async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  await after(ms, undefined, { signal }).catch((error: Error) => {
    if (error.name !== 'AbortError') throw error
  })
}
