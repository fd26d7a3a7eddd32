/** What zod found wrong, said as problems at their places. */
import type { z } from 'zod'
import type { Fault, ProblemCode } from './problem.ts'
import { nearest } from './suggest.ts'
import type { Path, YamlFile } from './yaml.ts'

type Issue = z.core.$ZodIssue
type Def = {
  readonly innerType?: z.core.$ZodType
  readonly shape?: Readonly<Record<string, z.core.$ZodType>>
  readonly valueType?: z.core.$ZodType
  readonly element?: z.core.$ZodType
  readonly in?: z.core.$ZodType
}

/**
 * Reports the issues of a value that stands at `at` in the file. A schema's own messages (of `.regex`, unions and custom
 * issues) say what is expected. Found values are said where they are numbers or switches, never texts: those may be secrets.
 */
export function addIssues(
  yaml: YamlFile,
  at: Path,
  value: unknown,
  issues: readonly Issue[],
  schema: z.core.$ZodType,
): void {
  for (const issue of issues) {
    const inner = issue.path as (string | number)[]
    const path = [...at, ...inner]
    const found = inner.reduce<unknown>((node, step) => (node as Record<string, unknown> | undefined)?.[step], value)
    if (issue.code === 'unrecognized_keys') {
      const known = keysAt(schema, inner)
      for (const key of issue.keys) {
        const expected = known.length > 0 ? `one of ${known.join(', ')}` : undefined
        const fault = { code: 'unknown-key', message: `unknown key '${key}'`, expected } as const
        yaml.add([...path, key], { ...fault, suggestion: nearest(key, known) }, 'key')
      }
    } else if (issue.code === 'invalid_key') {
      const [first] = issue.issues
      const message = `'${String(inner.at(-1))}' is not a right name`
      yaml.add(path, { code: 'bad-value', message, expected: first?.message }, 'key')
    } else if (found === undefined && issue.code !== 'custom') {
      const key = String(inner.at(-1))
      yaml.add(path.slice(0, -1), { code: 'missing-key', message: `'${key}' is missing`, expected: expectation(issue) })
    } else yaml.add(path, fault(issue, found, [...at, ...inner].join('.')))
  }
}

function fault(issue: Issue, found: unknown, name: string): Fault {
  if (issue.code === 'custom') {
    const code = (issue.params?.code as ProblemCode | undefined) ?? 'bad-value'
    return { code, message: issue.message, expected: issue.params?.expected as string | undefined }
  }
  const message = `${name} is ${describe(found)}`
  const suggestion = issue.code === 'invalid_value' ? nearest(String(found), issue.values.map(String)) : undefined
  return { code: 'bad-value', message, expected: expectation(issue), suggestion }
}

function expectation(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return TYPES[issue.expected] ?? issue.expected
    case 'invalid_value':
      return `${issue.values.length > 1 ? 'one of ' : ''}${issue.values.join(', ')}`
    case 'too_small':
      return `${issue.inclusive ? 'at least' : 'more than'} ${issue.minimum}${UNITS[issue.origin] ?? ''}`
    case 'too_big':
      return `${issue.inclusive ? 'at most' : 'less than'} ${issue.maximum}${UNITS[issue.origin] ?? ''}`
    default:
      return issue.message
  }
}

const TYPES: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'a mapping',
  record: 'a mapping',
  array: 'a list',
}
const UNITS: Readonly<Record<string, string>> = { string: ' characters', array: ' items' }

/** A value without its text. */
export function describe(found: unknown): string {
  if (found === null || found === undefined) return 'empty'
  if (Array.isArray(found)) return 'a list'
  if (typeof found === 'object') return 'a mapping'
  return typeof found === 'string' ? 'another text' : String(found)
}

/** Keys that an object schema knows at a path; empty where it takes any. */
export function keysAt(schema: z.core.$ZodType, path: readonly PropertyKey[]): string[] {
  let at: z.core.$ZodType | undefined = schema
  for (let i = 0; at; ) {
    const def = at._zod.def as Def
    if (def.innerType ?? def.in) at = def.innerType ?? def.in
    else if (i === path.length) return Object.keys(def.shape ?? {})
    else at = def.shape?.[String(path[i++])] ?? def.valueType ?? def.element
  }
  return []
}
