/** What a sub-expression is, and how it runs. */
import type { Fault } from '../problem.ts'
import type { AvroType } from '../schema.ts'

/** Every type may also be null. `other` is what expressions can only ask `has()` and `== null` about. */
export type Type =
  | { readonly kind: 'int' | 'double' | 'bool' | 'string' | 'null' }
  | { readonly kind: 'enum'; readonly symbols: readonly string[] }
  | { readonly kind: 'record'; readonly fields: ReadonlyMap<string, Type> }
  | { readonly kind: 'list'; readonly items: Type }
  | { readonly kind: 'map'; readonly values: Type }
  | { readonly kind: 'other'; readonly name: string }

export type Event = Readonly<Record<string, unknown>>

/** Answers null for null and for every failure; never undefined, never throws. */
export type Run = (event: Event) => unknown

export interface Typed {
  readonly type: Type
  readonly run: Run
  /** Where it stands in the text. */
  readonly start: number
  /** Set for literals. */
  readonly literal?: unknown
  /** It is never null. */
  readonly sure?: boolean
  /** Where it is a value of the data as it stands there: its type, without null. */
  readonly avro?: AvroType | undefined
}

export const INT: Type = { kind: 'int' }
export const DOUBLE: Type = { kind: 'double' }
export const BOOL: Type = { kind: 'bool' }
export const STRING: Type = { kind: 'string' }
export const NULL: Type = { kind: 'null' }

export function isText(type: Type): boolean {
  return type.kind === 'string' || type.kind === 'enum'
}

export function isNumber(type: Type): boolean {
  return type.kind === 'int' || type.kind === 'double'
}

/** Can the two be compared by `==`, stand in one list, be branches of one `?:`? */
export function isSame(a: Type, b: Type): boolean {
  return a.kind === b.kind || (isText(a) && isText(b))
}

export function describe(type: Type): string {
  switch (type.kind) {
    case 'bool':
      return 'true or false'
    case 'int':
      return 'a whole number (int)'
    case 'double':
      return 'a number (double)'
    case 'string':
      return 'a text'
    case 'enum':
      return `one of ${type.symbols.join(', ')}`
    case 'list':
      return 'a list'
    case 'map':
      return 'a map'
    case 'record':
      return 'a record'
    case 'other':
      return type.name
    default:
      return type.kind
  }
}

/** What is wrong with an expression, and the offset in its text where it is wrong. */
export class ExpressionError extends Error implements Fault {
  readonly code: 'bad-expression' | 'unknown-field'
  readonly offset: number
  readonly expected: string | undefined
  readonly suggestion: string | undefined

  constructor(
    offset: number,
    message: string,
    more: {
      code?: 'bad-expression' | 'unknown-field'
      expected?: string | undefined
      suggestion?: string | undefined
    } = {},
  ) {
    super(message)
    this.name = 'ExpressionError'
    this.offset = offset
    this.code = more.code ?? 'bad-expression'
    this.expected = more.expected
    this.suggestion = more.suggestion
  }
}

/** An expression names what has no value here, so it has none either. */
export class AbsentName extends Error {
  constructor() {
    super('a name has no value here')
    this.name = 'AbsentName'
  }
}
