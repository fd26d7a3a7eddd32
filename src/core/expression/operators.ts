/** Operators of two sides and of one: which types they take, and the closure for each. Null in, null out. */

import type { AvroType } from '../schema.ts'
import { nearest } from '../suggest.ts'
import {
  BOOL,
  describe,
  ExpressionError,
  isNumber,
  isSame,
  isText,
  type Run,
  STRING,
  type Type,
  type Typed,
} from './types.ts'

type Both<T> = (a: T, b: T) => unknown

function both<T>(left: Run, right: Run, apply: Both<T>): Run {
  return (event) => {
    const a = left(event)
    if (a === null) return null
    const b = right(event)
    return b === null ? null : apply(a as T, b as T)
  }
}

/** A whole number as long as it is exact; `+ 0` makes -0 a 0. */
const exact = (value: number) => (Number.isSafeInteger(value) ? value + 0 : null)

const ON_INT: Readonly<Record<string, Both<number>>> = {
  '+': (a, b) => exact(a + b),
  '-': (a, b) => exact(a - b),
  '*': (a, b) => exact(a * b),
  '/': (a, b) => (b === 0 ? null : exact(Math.trunc(a / b))),
  '%': (a, b) => (b === 0 ? null : exact(a % b)),
}
const ON_DOUBLE: Readonly<Record<string, Both<number>>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
}
const ORDER: Readonly<Record<string, Both<number | string>>> = {
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
}

export function binary(operator: string, left: Typed, right: Typed): Typed {
  const start = left.start
  const known = left.sure === true && right.sure === true
  /** Of values that are there, it always has an answer. */
  const make = (type: Type, run: Run): Typed => ({ type, run, start, sure: known })
  if (operator === '==' || operator === '!=') {
    const compared = make(BOOL, equality(operator === '==', left, right))
    return left.type.kind === 'null' || right.type.kind === 'null' ? { ...compared, sure: true } : compared
  }
  if (operator === 'in') return make(BOOL, membership(left, right))
  const order = ORDER[operator]
  if (order) {
    const fits = (isNumber(left.type) && isNumber(right.type)) || (left.type.kind === 'string' && isText(right.type))
    if (!fits && !(isText(left.type) && right.type.kind === 'string')) throw mismatch(operator, left, right)
    return make(BOOL, both(left.run, right.run, order))
  }
  if (operator === '+' && isText(left.type) && isText(right.type))
    return make(
      STRING,
      both<string>(left.run, right.run, (a, b) => a + b),
    )
  const kind = left.type.kind === right.type.kind ? left.type.kind : undefined
  const apply = kind === 'int' ? ON_INT[operator] : kind === 'double' ? ON_DOUBLE[operator] : undefined
  if (!apply) throw mismatch(operator, left, right)
  return { type: left.type, start, run: both(left.run, right.run, apply) }
}

function equality(equal: boolean, left: Typed, right: Typed): Run {
  const { run } = left
  const other = right.run
  if (right.type.kind === 'null') return equal ? (event) => run(event) === null : (event) => run(event) !== null
  if (left.type.kind === 'null') return equality(equal, right, left)
  const comparable = isNumber(left.type) || isText(left.type) || left.type.kind === 'bool'
  if (!comparable || !isSame(left.type, right.type)) throw mismatch(equal ? '==' : '!=', left, right)
  checkSymbol(left, right)
  checkSymbol(right, left)
  const wanted = right.literal
  if (wanted !== undefined)
    return (event) => {
      const value = run(event)
      return value === null ? null : (value === wanted) === equal
    }
  return both(run, other, (a, b) => (a === b) === equal)
}

function membership(left: Typed, right: Typed): Run {
  const { run } = left
  if (right.type.kind === 'map') {
    if (!isText(left.type)) throw mismatch('in', left, right)
    return both<unknown>(run, right.run, (key, map) => Object.hasOwn(map as object, key as string))
  }
  if (right.type.kind !== 'list')
    throw new ExpressionError(right.start, `'in' looks into ${describe(right.type)}`, {
      expected: 'a list such as ["A", "B"], or a map',
    })
  const known = right.literal as readonly Typed[] | undefined
  for (const item of known ?? [{ type: right.type.items, start: right.start, run }]) {
    if (!(isNumber(left.type) || isText(left.type) || left.type.kind === 'bool') || !isSame(left.type, item.type))
      throw mismatch('in', left, item)
    checkSymbol(left, item)
  }
  if (known?.every((item) => item.literal !== undefined)) {
    const set = new Set(known.map((item) => item.literal))
    return (event) => {
      const value = run(event)
      return value === null ? null : set.has(value)
    }
  }
  return both<unknown>(run, right.run, (value, list) => (list as readonly unknown[]).includes(value))
}

/** A text compared with an enum must be one of its symbols. */
function checkSymbol(side: Typed, other: Typed): void {
  if (side.type.kind !== 'enum' || typeof other.literal !== 'string') return
  const { symbols } = side.type
  if (symbols.includes(other.literal)) return
  const near = nearest(other.literal, symbols)
  throw new ExpressionError(other.start, `the field never is "${other.literal}"`, {
    expected: describe(side.type),
    suggestion: near && `"${near}"`,
  })
}

export function mismatch(operator: string, left: Typed, right: Typed): ExpressionError {
  const mixed = isNumber(left.type) && isNumber(right.type) && left.type.kind !== right.type.kind
  return new ExpressionError(
    right.start,
    `'${operator}' does not go between ${describe(left.type)} and ${describe(right.type)}`,
    {
      expected: mixed
        ? 'both int or both double: write 5.0 for 5, or double(…)'
        : operator === '%' && left.type.kind === 'double'
          ? 'whole numbers: write int(…)'
          : 'values of one type',
    },
  )
}

/** Three-valued: false wins over null in `&&`, true in `||`. */
export function junction(operator: '&&' | '||', sides: readonly Typed[]): Typed {
  for (const side of sides) requireBool(operator, side)
  const runs = sides.map((side) => side.run)
  const decides = operator === '||'
  const { start } = sides[0] as Typed
  const sure = sides.every((side) => side.sure)
  const [first, second] = runs
  if (runs.length === 2 && first && second)
    return {
      type: BOOL,
      start,
      sure,
      run: (event) => {
        const a = first(event)
        if (a === decides) return decides
        const b = second(event)
        return b === decides ? decides : a === null || b === null ? null : !decides
      },
    }
  const run: Run = (event) => {
    let undecided: boolean | null = !decides
    for (const side of runs) {
      const value = side(event)
      if (value === decides) return decides
      if (value === null) undecided = null
    }
    return undecided
  }
  return { type: BOOL, start, run, sure }
}

export function not(side: Typed, start: number): Typed {
  requireBool('!', side)
  const { run, sure = false } = side
  return {
    type: BOOL,
    start,
    sure,
    run: (event) => {
      const value = run(event)
      return value === null ? null : !value
    },
  }
}

export function negative(side: Typed, start: number): Typed {
  if (!isNumber(side.type))
    throw new ExpressionError(side.start, `'-' does not go before ${describe(side.type)}`, { expected: 'a number' })
  if (typeof side.literal === 'number') {
    const value = side.type.kind === 'int' ? 0 - side.literal : -side.literal
    return { type: side.type, start, literal: value, sure: true, run: () => value }
  }
  const { run, sure = false } = side
  const zero = side.type.kind === 'double' ? -0 : 0
  return {
    type: side.type,
    start,
    sure,
    run: (event) => {
      const value = run(event)
      return value === null ? null : zero - (value as number)
    },
  }
}

export function choice(condition: Typed, yes: Typed, no: Typed): Typed {
  requireBool('?:', condition)
  const type = yes.type.kind === 'null' ? no.type : yes.type
  if (no.type.kind !== 'null' && !isSame(type, no.type)) throw mismatch('?:', yes, no)
  const { run } = condition
  return {
    type: isText(type) && no.type.kind !== 'null' ? STRING : type,
    start: condition.start,
    sure: [condition, yes, no].every((part) => part.sure),
    avro: commonAvro(yes, no),
    run: (event) => {
      const value = run(event)
      return value === null ? null : value ? yes.run(event) : no.run(event)
    },
  }
}

/** The type of both branches, where it is one. */
function commonAvro(yes: Typed, no: Typed): AvroType | undefined {
  if (yes.type.kind === 'null') return no.avro
  if (no.type.kind === 'null' || yes.avro === no.avro) return yes.avro
  const isTime = (kind: string | undefined) => kind === 'timestamp' || kind === 'date' || kind === 'time'
  const same = isTime(yes.avro?.kind) && JSON.stringify(yes.avro) === JSON.stringify(no.avro)
  return same ? yes.avro : undefined
}

function requireBool(operator: string, side: Typed): void {
  if (side.type.kind === 'bool' || side.type.kind === 'null') return
  throw new ExpressionError(side.start, `'${operator}' needs true or false, this is ${describe(side.type)}`, {
    expected: 'a comparison such as event.x == 5',
  })
}
