/** Times as tests write them: offsets from the start of a case, ISO 8601, or milliseconds. */
import { parseDuration } from '../core/duration.ts'
import type { Millis } from '../core/model.ts'

export const MOMENT_EXPECTED =
  'an offset from the start such as 90s, +5m or -1h, or a time such as 2026-01-31T12:00:00Z'

const ISO = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d))?$/

/** Milliseconds since 1970 of an absolute time; undefined for anything else. A time of day needs its zone. */
export function absoluteMoment(value: unknown): Millis | undefined {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number
  if (typeof value !== 'string' || !ISO.test(value)) return undefined
  const ms = Date.parse(value)
  return Number.isNaN(ms) ? undefined : ms
}

/** Milliseconds since 1970; undefined when it is no time. */
export function momentOf(value: unknown, start: Millis): Millis | undefined {
  const [, sign, length] = typeof value === 'string' ? (/^([+-]?)(\d+(?:ms|s|m|h|d))$/.exec(value) ?? []) : []
  if (length === undefined) return absoluteMoment(value)
  if (/^0+\D/.test(length)) return start
  try {
    return start + (sign === '-' ? -1 : 1) * parseDuration(length)
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

/** `+10m`, `+1h30m`: the way from the start, as short as it can be said. */
export function offsetText(time: Millis, start: Millis): string {
  let rest = Math.abs(time - start)
  let text = ''
  for (const [unit, ms] of [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1_000],
    ['ms', 1],
  ] as const) {
    const count = Math.floor(rest / ms)
    if (count > 0) text += `${count}${unit}`
    rest -= count * ms
  }
  return `${time < start ? '-' : '+'}${text || '0s'}`
}
