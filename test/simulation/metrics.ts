import type { Metrics } from '../../src/engine/metrics.ts'

/** Most keys that a task of these worlds may keep: its cache, and what a step of it takes beside. */
const MOST_KEYS = 40

const silent = { inc: () => undefined, set: () => undefined, observe: () => undefined, reset: () => undefined }

/** Metrics that nobody reads, but that of what is kept in memory. */
export function metricsOf(broken: (rule: string, what: string) => void): Metrics {
  const cacheKeys = {
    ...silent,
    inc: ({ topology }: { topology: string }, keys: number) => {
      if (keys > MOST_KEYS) broken('memory', `${topology} keeps ${keys} keys`)
    },
  }
  return new Proxy({}, { get: (_, name) => (name === 'cacheKeys' ? cacheKeys : silent) }) as unknown as Metrics
}
