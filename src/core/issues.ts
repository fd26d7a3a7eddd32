/** What zod found wrong, said as problems at their places. */
import type { z } from 'zod'
import type { Fault, ProblemCode } from './problem.ts'
import { nearest } from './suggest.ts'
import { MAX_PROBLEMS, type Path, type YamlFile } from './yaml.ts'

type Issue = z.core.$ZodIssue
type Def = {
  readonly innerType?: z.core.$ZodType
  readonly shape?: Readonly<Record<string, z.core.$ZodType>>
  readonly valueType?: z.core.$ZodType
  readonly element?: z.core.$ZodType
  readonly in?: z.core.$ZodType
  readonly options?: readonly z.core.$ZodType[]
}

/**
 * Reports the issues of what stands at `at` in the file. A schema's own messages (of `.regex`, unions and custom issues) say
 * what is expected. Found texts are said as they are written, before the environment was inserted; never where `secret`.
 */
export function addIssues(
  yaml: YamlFile,
  at: Path,
  issues: readonly Issue[],
  schema: z.core.$ZodType,
  secret: boolean = false,
): void {
  for (const issue of issues) {
    const inner = issue.path as (string | number)[]
    const path = [...at, ...inner]
    const found = yaml.at(path)
    const meant = issue.code === 'invalid_union' && describe(found) === 'a mapping' ? mapping(issue.errors) : undefined
    if (meant) {
      const deeper = meant.map((each) => ({ ...each, path: [...inner, ...each.path] }))
      addIssues(yaml, at, deeper as Issue[], schema, secret)
      continue
    }
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys.slice(0, MAX_PROBLEMS))
        yaml.add([...path, key], unknownKey(key, keysAt(schema, inner)), 'key')
    } else if (issue.code === 'invalid_key') {
      const message = `'${String(path.at(-1))}' is not a right name`
      yaml.add(path, { code: 'bad-value', message, expected: issue.issues[0]?.message }, 'key')
    } else if (found === undefined && issue.code !== 'custom') {
      const message = `'${String(path.at(-1))}' is missing`
      yaml.add(path, { code: 'missing-key', message, expected: expectation(issue) }, 'key')
    } else yaml.add(path, fault(issue, `${path.join('.')} is ${describe(found, secret)}`, found))
  }
}

/** Of several shapes the one that is a mapping at all, where there is one. */
function mapping(shapes: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  const fit = flat(shapes).filter(
    (issues) => !issues.some(({ code, path }) => path.length === 0 && WRONG_SHAPE.includes(code)),
  )
  return fit.length === 1 ? fit[0] : undefined
}

/** Shapes of which one is a choice of shapes itself, in one list. */
function flat(shapes: readonly (readonly Issue[])[]): (readonly Issue[])[] {
  return shapes.flatMap((issues) => {
    const [only] = issues
    return only?.code === 'invalid_union' && only.path.length === 0 ? flat(only.errors) : [issues]
  })
}

const WRONG_SHAPE: readonly string[] = ['invalid_type', 'invalid_value', 'invalid_union']

export function unknownKey(key: string, known: readonly string[]): Fault {
  const expected = known.length > 0 ? `one of ${known.join(', ')}` : undefined
  const meant = ['where', 'when'].find((name) => key === 'filter' && known.includes(name))
  return { code: 'unknown-key', message: `unknown key '${key}'`, expected, suggestion: nearest(key, known) ?? meant }
}

function fault(issue: Issue, message: string, found: unknown): Fault {
  if (issue.code === 'custom') {
    const { code, expected, suggestion } = (issue.params ?? {}) as Partial<Fault> & { code?: ProblemCode }
    if (code === 'bad-part' || code === 'unknown-key') return { code, message: issue.message, expected, suggestion }
    return code
      ? { code, message: `${message}, ${issue.message}`, expected, suggestion }
      : { code: 'bad-value', message: issue.message, expected }
  }
  const suggestion = issue.code === 'invalid_value' ? nearest(found, issue.values.map(String)) : undefined
  return { code: 'bad-value', message, expected: expectation(issue), suggestion }
}

function expectation(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return TYPES[issue.expected] ?? issue.expected
    case 'invalid_value':
      return `${issue.values.length > 1 ? 'one of ' : ''}${issue.values.join(', ')}`
    case 'too_small':
      return `${issue.inclusive ? 'at least' : 'more than'} ${issue.minimum}${unit(issue.origin, issue.minimum)}`
    case 'too_big':
      return `${issue.inclusive ? 'at most' : 'less than'} ${issue.maximum}${unit(issue.origin, issue.maximum)}`
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
const UNITS: Readonly<Record<string, string>> = { string: ' character', array: ' item' }

function unit(origin: string, count: number | bigint): string {
  return UNITS[origin] === undefined ? '' : `${UNITS[origin]}${Number(count) === 1 ? '' : 's'}`
}

export function describe(found: unknown, secret: boolean = false): string {
  if (found === null || found === undefined) return 'empty'
  if (Array.isArray(found)) return found.length === 0 ? 'an empty list' : 'a list'
  if (typeof found === 'object') return 'a mapping'
  if (secret) return `another ${typeof found === 'string' ? 'text' : typeof found}`
  const text = String(found)
  return typeof found === 'string' ? `'${text.length > 60 ? `${text.slice(0, 60)}…` : text}'` : text
}

/** Keys that an object schema knows at a path; empty where it takes any. */
export function keysAt(schema: z.core.$ZodType, path: readonly PropertyKey[]): string[] {
  let at: z.core.$ZodType | undefined = schema
  for (let i = 0; at; ) {
    const def = at._zod.def as Def
    if (def.innerType ?? def.in) at = def.innerType ?? def.in
    else if (def.options) at = def.options.find((option) => keysAt(option, []).length > 0)
    else if (i === path.length) return Object.keys(def.shape ?? {})
    else {
      at = def.shape?.[String(path[i])] ?? def.valueType ?? def.element
      i++
    }
  }
  return []
}
