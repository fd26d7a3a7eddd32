import type { Histogram } from 'prom-client'

/** p50 and p99 in ms of a histogram in seconds over all its labels, interpolated within its buckets; undefined while empty. */
export async function quantile(
  histogram: Histogram<string>,
  [low, high]: readonly [number, number],
): Promise<{ p50: number; p99: number } | undefined> {
  const buckets = new Map<number, number>()
  for (const { labels, metricName, value } of (await histogram.get()).values) {
    const le = (labels as { le?: number | string }).le
    if (metricName?.endsWith('_bucket') && le !== undefined)
      buckets.set(Number(le), (buckets.get(Number(le)) ?? 0) + value)
  }
  const bounds = [...buckets]
    .map(([le, count]) => [Number.isNaN(le) ? Number.POSITIVE_INFINITY : le, count] as const)
    .sort((a, b) => a[0] - b[0])
  const total = bounds.at(-1)?.[1] ?? 0
  if (total === 0) return undefined
  const at = (share: number) => {
    let [lower, below] = [0, 0]
    for (const [le, count] of bounds) {
      if (count >= share * total)
        return (
          (le === Number.POSITIVE_INFINITY
            ? lower
            : lower + ((le - lower) * (share * total - below)) / Math.max(1, count - below)) * 1_000
        )
      ;[lower, below] = [le, count]
    }
    return lower * 1_000
  }
  return { p50: at(low), p99: at(high) }
}
