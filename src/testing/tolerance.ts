/** A number that is expected within bounds: `{ about: 50, within: 1% }`. */
import { isMapping } from '../core/mapping.ts'
import type { Fault } from '../core/problem.ts'

/** Numbers match to this share of their magnitude where nothing else is said. */
const EXACT = 1e-9
/** What `percentile` is off by at most. */
const ESTIMATE = '1%'

/** Is it written as a number with a tolerance, rightly or not? */
export function isTolerance(written: unknown): written is { readonly about?: unknown; readonly within?: unknown } {
  return isMapping(written) && 'about' in written && Object.keys(written).every((key) => /^(about|within)$/.test(key))
}

/** What is wrong with a tolerance. */
export function toleranceFault({ about, within }: { about?: unknown; within?: unknown }): Fault | undefined {
  if (typeof about === 'number' && !Number.isNaN(allowed(about, within))) return undefined
  const message = typeof about === 'number' ? `within is ${JSON.stringify(within)}` : 'about is no number'
  return { code: 'bad-value', message, expected: '{ about: 50, within: 1% }, or within: 0.5 in the unit of the value' }
}

/** Is the number as it is written: a number, or one with a tolerance? */
export function isAbout(written: unknown, actual: number): boolean {
  if (!isTolerance(written)) return isNear(written as number, actual, EXACT * Math.max(1, Math.abs(written as number)))
  const { about, within } = written
  return typeof about === 'number' && isNear(about, actual, allowed(about, within) * (1 + EXACT))
}

/** How a case says that a percentile is an estimate, where that may be all that is wrong. */
export function toleranceHint(operator: string | undefined, expected: unknown, actual: unknown): string | undefined {
  if (operator !== 'percentile' || typeof expected !== 'number' || typeof actual !== 'number') return undefined
  return isNear(expected, actual, allowed(expected, ESTIMATE) * 2)
    ? `percentile is an estimate: { about: ${expected}, within: ${ESTIMATE} }`
    : undefined
}

const isNear = (expected: number, actual: number, by: number) => Math.abs(actual - expected) <= by

/** NaN when it is no tolerance. */
function allowed(about: number, within: unknown): number {
  if (typeof within === 'number') return within >= 0 ? within : Number.NaN
  const percent = /^(\d+(?:\.\d+)?) ?%$/.exec(String(within))?.[1]
  return percent === undefined ? Number.NaN : (Math.abs(about) * Number(percent)) / 100
}
