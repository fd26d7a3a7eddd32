import { setTimeout as sleep } from 'node:timers/promises'
import type { FeatureStore, FeatureValue, Millis } from '../../core/model.ts'
import { sampleCurls } from '../../dev/curls.ts'
import { createTerminal, type Screen, type View } from '../../dev/terminal.ts'
import type { Runtime } from '../../runtime/index.ts'
import type { Terminal } from '../console.ts'
import { RecentDelay } from './delay.ts'
import type { Notes } from './notes.ts'
import type { Samples } from './samples.ts'

export interface ViewOptions {
  readonly runtime: Runtime
  readonly store: FeatureStore
  readonly samples: Samples
  readonly baseUrl: string
  readonly notes: Notes
  /** Events written. */
  readonly events: () => number
  /** The wall clock says nothing of records stamped with another time. */
  readonly stampedByWallClock: boolean
  readonly terminal: Terminal
  readonly signal: AbortSignal
}

const FRAME_MS = 500
const RATE_MS = 1_000
/** Commands for the first entity are worth waiting for this long. */
const CURLS_PATIENCE_MS = 30_000

/** Shows what happens until the signal. */
export async function show({ terminal, signal, notes, ...options }: ViewOptions): Promise<void> {
  const { runtime, store, samples, baseUrl, events } = options
  const { out, environment } = terminal
  const view = createTerminal({
    out: out as Screen,
    isTTY: out.isTTY === true && environment.TERM !== 'dumb',
    now: Date.now,
  })
  const startedAt = Date.now()
  const rate = rateOf(events)
  const withPrevious = comparing()
  let delay: RecentDelay | undefined
  let curls: readonly string[] = []
  try {
    while (!signal.aborted) {
      await sleep(FRAME_MS, undefined, { signal }).catch(() => undefined)
      const now = Date.now()
      const lag = runtime.worker.lag()
      // what was written in one burst at the start waited for its turn: its delay is none
      if (options.stampedByWallClock && notes.progress === undefined && lag === 0)
        delay ??= new RecentDelay(runtime.metrics.delay)
      const entities = withPrevious(await samples.read(store))
      if (curls.length === 0) {
        const sample = await samples.served(store, now - startedAt < CURLS_PATIENCE_MS)
        if (sample) curls = sampleCurls(baseUrl, sample.entity, sample.ids)
      }
      view.render({
        uptime: now - startedAt,
        eventsPerSecond: rate(now),
        totalEvents: events(),
        lag,
        delay: await delay?.look(now),
        entities,
        progress: notes.progress,
        notes: notes.newest,
        baseUrl,
        curls,
      })
    }
  } finally {
    view.close()
  }
}

/** Events per second over about the last second. */
function rateOf(events: () => number): (now: Millis) => number {
  let before = { at: Date.now(), events: events() }
  let rate = 0
  return (now) => {
    if (now - before.at >= RATE_MS) {
      rate = ((events() - before.events) * 1_000) / (now - before.at)
      before = { at: now, events: events() }
    }
    return rate
  }
}

/** Puts beside every value the one shown before. */
function comparing(): (entities: Awaited<ReturnType<Samples['read']>>) => View['entities'] {
  let before = new Map<string, FeatureValue>()
  return (entities) => {
    const values = new Map<string, FeatureValue>()
    const compared = entities.map(({ title, features }) => ({
      title,
      features: features.map(([name, value]) => {
        const key = `${title}/${name}`
        values.set(key, value)
        return [name, value, before.get(key)] as const
      }),
    }))
    before = values
    return compared
  }
}
