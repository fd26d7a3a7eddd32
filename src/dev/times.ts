/** Times of events as people write them. */
import { isMapping, type Mapping } from '../core/mapping.ts'
import { nonNull, type RecordType } from '../core/schema.ts'

const ISO = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d))?$/

/**
 * The event with the ISO 8601 texts of its timestamp fields, also of records within, as milliseconds. A time of day needs
 * its zone. Throws an Error that names a timestamp field with another value, or without one where it must have one.
 */
export function withTimes(event: Mapping, type: RecordType, path = ''): Mapping {
  const changed: Record<string, unknown> = {}
  for (const field of type.fields) {
    const { type: inner, nullable } = nonNull(field.type)
    const value = event[field.name]
    const place = `${path}${field.name}`
    if (inner.kind === 'record' && isMapping(value)) changed[field.name] = withTimes(value, inner, `${place}.`)
    if (inner.kind !== 'timestamp') continue
    if (value === undefined && !nullable && !('default' in field)) throw new Error(`${place} is missing`)
    if (value !== undefined && !(value === null && nullable)) changed[field.name] = millisOf(value, place)
  }
  return { ...event, ...changed }
}

function millisOf(value: unknown, place: string): number {
  if (Number.isSafeInteger(value)) return value as number
  const ms = typeof value === 'string' && ISO.test(value) ? Date.parse(value) : Number.NaN
  if (!Number.isNaN(ms)) return ms
  const found = JSON.stringify(value)
  const cut = found.length > 40 ? `${found.slice(0, 40)}…` : found
  throw new Error(`${place}: expected milliseconds since 1970 or an ISO 8601 time; found ${cut}`)
}
