import type { Metrics } from '../../src/engine/metrics.ts'

/** Most keys that a task of these worlds may keep: its cache, and what a step of it takes beside. */
const MOST_KEYS = 40
/** Most rows that a step may have: so many, and a frame more. */
const MOST_ROWS = 200 + 50

const silent = { inc: () => undefined, set: () => undefined, observe: () => undefined, reset: () => undefined }

type Labels = Readonly<Record<string, string>>

/** Metrics that nobody reads, but those of what is kept in memory. `waiting`: most records or frames that may wait for a task. */
export function metricsOf(waiting: (labels: Labels) => number, broken: (rule: string, what: string) => void): Metrics {
  const bounded = (what: string, most: (labels: Labels) => number) => (labels: Labels, n: number) => {
    if (n > most(labels)) broken('memory', `${JSON.stringify(labels)}: ${n} ${what}`)
  }
  const watched: Record<string | symbol, unknown> = {
    cacheKeys: { ...silent, inc: bounded('keys are kept', () => MOST_KEYS) },
    waiting: { ...silent, inc: bounded('records wait', waiting) },
    // what a mapper goes through while it is behind, and makes no row of, is in nobody's memory
    batchRecords: {
      ...silent,
      observe: bounded('rows are in a step', ({ role }) => (role === 'map' ? Infinity : MOST_ROWS)),
    },
  }
  return new Proxy({}, { get: (_, name) => watched[name] ?? silent }) as unknown as Metrics
}
