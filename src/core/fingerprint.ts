import { createHash } from 'node:crypto'
import { isMapping } from './mapping.ts'

/** JSON that is the same for the same content, in whatever order its keys stand. */
export function canonicalJson(content: unknown): string {
  return JSON.stringify(content, (_, value: unknown) =>
    isMapping(value) ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) : value,
  )
}

/** Eight hex digits that stay the same as long as the content does, in whatever order its keys stand. */
export function fingerprint(content: unknown): string {
  return createHash('sha256').update(canonicalJson(content)).digest('hex').slice(0, 8)
}
