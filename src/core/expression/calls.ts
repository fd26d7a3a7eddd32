/** Functions, as `f(x)` or `x.f()`. */
import { nearest } from '../suggest.ts'
import { contains } from './contains.ts'
import {
  BOOL,
  DOUBLE,
  describe,
  ExpressionError,
  INT,
  isText,
  type Run,
  STRING,
  type Type,
  type Typed,
} from './types.ts'

type Apply = (value: never, ...others: never[]) => unknown
interface Call {
  readonly type: Type
  /** Types of each argument; those from `least` on may be left out. */
  readonly takes: readonly (readonly Type['kind'][])[]
  readonly least?: number
  readonly apply: (type: Type) => Apply
  /** Types it has an answer for, whatever the value. */
  readonly always: readonly Type['kind'][]
}

const TEXT: readonly Type['kind'][] = ['string', 'enum']
const test = (apply: (value: string, part: string) => boolean): Call => ({
  type: BOOL,
  takes: [TEXT, TEXT],
  apply: () => apply,
  always: TEXT,
})

const text = (apply: (value: string) => string): Call => ({
  type: STRING,
  takes: [TEXT],
  apply: () => apply,
  always: TEXT,
})

const CALLS: Readonly<Record<string, Call>> = {
  startsWith: test((value, part) => value.startsWith(part)),
  endsWith: test((value, part) => value.endsWith(part)),
  contains: test(contains),
  lowerAscii: text((value) => value.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())),
  upperAscii: text((value) => value.replace(/[a-z]+/g, (letters) => letters.toUpperCase())),
  trim: text((value) => value.trim()),
  substring: { type: STRING, takes: [TEXT, ['int'], ['int']], least: 2, apply: () => substring, always: [] },
  size: {
    type: INT,
    takes: [[...TEXT, 'list', 'map']],
    apply: (type) => (isText(type) ? characters : (value: object) => Object.keys(value).length),
    always: [...TEXT, 'list', 'map'],
  },
  int: {
    type: INT,
    takes: [['int', 'double', ...TEXT]],
    apply: () => (value: number | string) =>
      typeof value === 'string' ? (WHOLE.test(value) ? whole(Number(value)) : null) : whole(Math.trunc(value)),
    always: ['int'],
  },
  double: {
    type: DOUBLE,
    takes: [['int', 'double', ...TEXT]],
    apply: () => (value: number | string) =>
      typeof value === 'string' ? (DECIMAL.test(value) ? Number(value) : null) : value,
    always: ['int'],
  },
  string: {
    type: STRING,
    takes: [['int', 'double', 'bool', ...TEXT]],
    apply: () => String,
    always: ['int', 'double', 'bool', ...TEXT],
  },
}

const METHODS = ['startsWith', 'endsWith', 'contains', 'size', 'lowerAscii', 'upperAscii', 'trim', 'substring']
const WHOLE = /^[+-]?\d{1,19}$/
const DECIMAL = /^[+-]?(\d{1,400}(\.\d{0,400})?|\.\d{1,400})([eE][+-]?\d{1,4})?$/
const whole = (value: number) => (Number.isSafeInteger(value) ? value + 0 : null)

/** By Unicode characters, from `start` to before `end`; null where the text is not so long. */
function substring(value: string, start: number, end?: number): string | null {
  const all = Array.from(value)
  const last = end ?? all.length
  return start < 0 || start > last || last > all.length ? null : all.slice(start, last).join('')
}

/** Unicode characters, not UTF-16 units. */
function characters(text: string): number {
  let count = 0
  for (const _ of text) count++
  return count
}

const REFUSED: Readonly<Record<string, string>> = {
  matches: 'regular expressions are refused: their run time has no bound; use startsWith, endsWith, contains or in',
  exists: '',
  exists_one: '',
  all: '',
  filter: '',
  map: '',
  bind: '',
  timestamp: 'times are whole numbers here: milliseconds since 1970-01-01T00:00:00Z',
  duration: 'times are whole numbers here: milliseconds',
}

/** The call of `name` at `start`; `method` when written `x.f()`. */
export function call(name: string, values: readonly Typed[], start: number, method: boolean): Typed {
  const found = Object.hasOwn(CALLS, name) ? CALLS[name] : undefined
  if (!found || (method && !METHODS.includes(name))) throw unknown(name, start)
  const [value, second, third] = values
  if (values.length > found.takes.length || values.length < (found.least ?? found.takes.length) || !value) {
    const expected = METHODS.slice(0, 3).includes(name) ? `text.${name}("…")` : `${name}(value)`
    throw new ExpressionError(start, `${name} is given ${values.length - (method ? 1 : 0)} values`, { expected })
  }
  for (const [i, one] of values.entries())
    if (one.type.kind !== 'null' && !found.takes[i]?.includes(one.type.kind))
      throw new ExpressionError(one.start, `${name} does not take ${describe(one.type)}`, {
        expected: [...new Set(found.takes[i]?.map((kind) => (kind === 'enum' ? 'string' : kind)))].join(', '),
      })
  const apply = found.apply(value.type) as (value: unknown, ...others: unknown[]) => unknown
  return {
    type: found.type,
    start,
    run: third
      ? onThree(value.run, second?.run as Run, third.run, apply)
      : second
        ? onTwo(value.run, second.run, apply)
        : onOne(value.run, apply),
    sure: found.always.includes(value.type.kind) && values.every((one) => one.sure),
  }
}

/** Why a call cannot be; asked before its arguments are looked at, since macros have arguments of their own kind. */
export function refusal(name: string, start: number): ExpressionError | undefined {
  const reason = Object.hasOwn(REFUSED, name) ? REFUSED[name] : undefined
  if (reason === undefined) return undefined
  return new ExpressionError(
    start,
    reason === '' ? `${name}() is not in this version; of the macros only has() is` : reason,
  )
}

function unknown(name: string, start: number): ExpressionError {
  const names = ['has', ...Object.keys(CALLS)]
  return new ExpressionError(start, `no function '${name}'`, {
    expected: `one of ${names.join(', ')}`,
    suggestion: nearest(name, names),
  })
}

function onOne(run: Run, apply: (value: unknown) => unknown): Run {
  return (event) => {
    const value = run(event)
    return value === null ? null : apply(value)
  }
}

function onTwo(first: Run, second: Run, apply: (value: unknown, argument: unknown) => unknown): Run {
  return (event) => {
    const a = first(event)
    const b = second(event)
    return a === null || b === null ? null : apply(a, b)
  }
}

function onThree(first: Run, second: Run, third: Run, apply: (a: unknown, b: unknown, c: unknown) => unknown): Run {
  return (event) => {
    const a = first(event)
    const b = second(event)
    const c = third(event)
    return a === null || b === null || c === null ? null : apply(a, b, c)
  }
}
