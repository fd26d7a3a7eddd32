/** `${NAME}` inside texts of the configuration. */
import type { z } from 'zod'
import type { Path, YamlFile } from './yaml.ts'

const VARIABLE = /\$(\$?)\{([^}]*)\}/g

export interface Inserted {
  readonly value: unknown
  /** Says whether a variable was missing in what stands there: its value means nothing then. */
  readonly isMissing: (path: Path) => boolean
  /** Parses; a text that came from the environment counts as a number or a switch where the schema wants one. */
  readonly check: <T>(schema: z.ZodType<T>, value: unknown) => z.ZodSafeParseResult<T>
}

/**
 * A copy with every variable inserted; `$${NAME}` stays as `${NAME}`. A missing variable is a problem that names it;
 * values are never said.
 */
export function environmentIn(
  yaml: YamlFile,
  value: unknown,
  environment: Readonly<Record<string, string | undefined>>,
): Inserted {
  let inserted = false
  const missing = new Set<string>()
  const insert = (node: unknown, path: Path): unknown => {
    if (Array.isArray(node)) return node.map((item, i) => insert(item, [...path, i]))
    if (typeof node === 'object' && node !== null) {
      const copy: Record<string, unknown> = Object.create(null)
      for (const [key, item] of Object.entries(node)) copy[key] = insert(item, [...path, key])
      return copy
    }
    if (typeof node !== 'string') return node
    return node.replace(VARIABLE, (whole, escaped: string, name: string, offset: number) => {
      if (escaped) return whole.slice(1)
      const found = Object.hasOwn(environment, name) ? environment[name] : undefined
      inserted = true
      if (found !== undefined) return found
      missing.add(path.join('\0'))
      const message = `the environment has no variable ${name || '{}'}`
      yaml.add(path, { code: 'missing-variable', message, expected: 'a variable that is set' }, offset)
      return ''
    })
  }
  const copy = insert(value, [])
  return {
    value: copy,
    isMissing: (path) => missing.has(path.join('\0')),
    check: (schema, part) => (inserted ? lenient(schema, part) : schema.safeParse(part)),
  }
}

function lenient<T>(schema: z.ZodType<T>, value: unknown): z.ZodSafeParseResult<T> {
  const first = schema.safeParse(value)
  if (first.success) return first
  const copy = structuredClone(value)
  for (const issue of first.error.issues) {
    const key = issue.path.at(-1)
    const parent = issue.path
      .slice(0, -1)
      .reduce<unknown>((node, step) => (node as Record<PropertyKey, unknown>)?.[step], copy)
    if (issue.code !== 'invalid_type' || key === undefined || typeof parent !== 'object' || parent === null) continue
    const holder = parent as Record<PropertyKey, unknown>
    const text = holder[key]
    if (typeof text !== 'string' || text.trim() === '') continue
    if (issue.expected === 'boolean' && (text === 'true' || text === 'false')) holder[key] = text === 'true'
    if ((issue.expected === 'number' || issue.expected === 'int') && Number.isFinite(Number(text)))
      holder[key] = Number(text)
  }
  return schema.safeParse(copy)
}
