import { createHash } from 'node:crypto'

/** Eight hex digits that stay the same as long as the content does, in whatever order its keys stand. */
export function fingerprint(content: unknown): string {
  const sorted = (_: string, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value
  return createHash('sha256').update(JSON.stringify(content, sorted)).digest('hex').slice(0, 8)
}
