/** How hungry the city is by the hour, UTC: a small peak at lunch, a higher one at dinner. */
import type { Millis } from '../../core/model.ts'

const HOURS = [
  0.7, 0.55, 0.45, 0.4, 0.4, 0.45, 0.5, 0.6, 0.7, 0.75, 0.9, 1.2, 1.7, 1.8, 1.4, 1, 0.9, 1, 1.3, 1.7, 1.9, 1.8, 1.4, 1,
]
const MEAN = HOURS.reduce((sum, hour) => sum + hour) / HOURS.length
const HOUR_MS = 3_600_000

/** Demand as a factor on its mean over the day, changing smoothly from hour to hour. */
export function load(at: Millis): number {
  const hour = (((at / HOUR_MS) % 24) + 24) % 24
  const before = Math.floor(hour)
  const here = HOURS[before] as number
  const next = HOURS[(before + 1) % 24] as number
  return (here + (next - here) * (hour - before)) / MEAN
}
