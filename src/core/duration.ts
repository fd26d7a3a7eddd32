/** Durations as people write them: `500ms`, `30s`, `10m`, `2h`, `7d`. */
import { z } from 'zod'
import type { Millis } from './model.ts'

const UNITS: Readonly<Record<string, Millis>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const MOST_DAYS = 36_500

export const DURATION_EXPECTED = 'a whole number and a unit of ms, s, m, h or d: 500ms, 30s, 10m, 2h, 7d'

/** Milliseconds of a duration, at least 1. Throws RangeError that says what was found and which units there are. */
export function parseDuration(text: string): Millis {
  const read = readDuration(text)
  if (typeof read === 'string') throw new RangeError(read)
  return read
}

/** Milliseconds, or why it is no duration. */
function readDuration(text: string): Millis | string {
  const [, digits, unit] = /^(\d{1,15})(ms|s|m|h|d)$/.exec(text) ?? []
  const found = JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text)
  if (digits === undefined || unit === undefined) return `${found} is no duration; expected ${DURATION_EXPECTED}`
  const ms = Number(digits) * (UNITS[unit] as Millis)
  if (ms === 0) return `${found} is no time at all; expected at least 1ms`
  if (ms > MOST_DAYS * 86_400_000) return `${found} is too long; expected at most ${MOST_DAYS}d`
  return ms
}

const LONG_UNITS: readonly (readonly [RegExp, string])[] = [
  [/^(ms|msecs?|millis|milliseconds?)$/, 'ms'],
  [/^(s|secs?|seconds?)$/, 's'],
  [/^(m|mins?|minutes?)$/, 'm'],
  [/^(h|hrs?|hours?)$/, 'h'],
  [/^(d|days?)$/, 'd'],
]

/** `5m` for `5 min`: what was meant by a text that is no duration; undefined when that cannot be told. */
function meantDuration(text: string): string | undefined {
  const [, digits, word] = /^\s*(\d{1,15})\s*([a-z]{1,12})\s*$/i.exec(text) ?? []
  const unit = LONG_UNITS.find(([pattern]) => word !== undefined && pattern.test(word.toLowerCase()))?.[1]
  return digits === undefined || unit === undefined || Number(digits) === 0 ? undefined : `${digits}${unit}`
}

/** A setting that is a duration: text in, milliseconds out. Its fault has the code `bad-duration` and never repeats the text. */
export const duration = z
  .unknown()
  .meta({ type: 'string', pattern: '^[0-9]{1,15}(ms|s|m|h|d)$', examples: ['10m'] })
  .transform((value, context): Millis => {
    if (value === undefined) {
      context.issues.push({ code: 'invalid_type', expected: 'string', input: value })
      return z.NEVER
    }
    const read = typeof value === 'string' ? readDuration(value) : undefined
    if (typeof read === 'number') return read
    const suggestion = typeof value === 'string' ? meantDuration(value) : undefined
    const params = {
      code: 'bad-duration',
      expected: `${DURATION_EXPECTED}; at least 1ms, at most ${MOST_DAYS}d`,
      ...(suggestion === undefined || suggestion === value ? {} : { suggestion }),
    }
    context.issues.push({ code: 'custom', message: 'not a duration', params, input: value })
    return z.NEVER
  })
