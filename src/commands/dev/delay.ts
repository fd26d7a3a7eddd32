import type { Histogram } from 'prom-client'
import type { Millis } from '../../core/model.ts'

/** Observations so far, in seconds, per upper bound of a bucket; cumulative over the bounds as well. */
type Counts = ReadonlyMap<number, number>

/** How long ago the looks lie that the newest is compared with. */
const SPAN_MS = 10_000

export interface Quantiles {
  readonly p50: Millis
  readonly p99: Millis
}

/** What a histogram in seconds has got in the last ten seconds, over all its labels. */
export class RecentDelay {
  private readonly histogram: Pick<Histogram<string>, 'get'>
  private readonly looks: { readonly at: Millis; readonly counts: Counts }[] = []

  constructor(histogram: Pick<Histogram<string>, 'get'>) {
    this.histogram = histogram
  }

  /** Interpolated within the buckets; undefined when nothing was observed, and at the first look. Call it about twice a second. */
  async look(now: Millis): Promise<Quantiles | undefined> {
    const counts = await countsOf(this.histogram)
    this.looks.push({ at: now, counts })
    while ((this.looks[1]?.at ?? now) <= now - SPAN_MS) this.looks.shift()
    const before = this.looks[0]?.counts
    const recent = [...counts].map(([bound, count]) => [bound, count - (before?.get(bound) ?? 0)] as const)
    const total = recent.at(-1)?.[1] ?? 0
    return total === 0 ? undefined : { p50: quantile(recent, 0.5), p99: quantile(recent, 0.99) }
  }
}

async function countsOf(histogram: Pick<Histogram<string>, 'get'>): Promise<Counts> {
  const counts = new Map<number, number>()
  for (const { labels, metricName, value } of (await histogram.get()).values) {
    const { le } = labels as { le?: number | string }
    if (le === undefined || !metricName?.endsWith('_bucket')) continue
    const bound = le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le)
    counts.set(bound, (counts.get(bound) ?? 0) + value)
  }
  return new Map([...counts].sort(([a], [b]) => a - b))
}

/** In ms. Above the last finite bound nothing is known: that bound is answered. */
function quantile(buckets: readonly (readonly [bound: number, count: number])[], share: number): Millis {
  const wanted = share * (buckets.at(-1)?.[1] ?? 0)
  let [lower, below] = [0, 0]
  for (const [bound, count] of buckets) {
    if (count < wanted) {
      lower = bound
      below = count
      continue
    }
    const within = bound === Number.POSITIVE_INFINITY ? 0 : (bound - lower) * ((wanted - below) / (count - below || 1))
    return (lower + within) * 1_000
  }
  return lower * 1_000
}
