/**
 * Expressions over one event: a part of the Common Expression Language (CEL), checked against the topic's Avro
 * schema once and compiled to closures.
 *
 * - The record is `event`; its fields are `event.store.id`. A bare field path (`prepSeconds`) stands for `event.prepSeconds`.
 * - Every field may be null. Null in arithmetic, a comparison, a function or a condition gives null;
 *   `== null` and `!= null` ask for it, `has(event.a.b)` says whether there is a value. `&&` and `||` are
 *   three-valued: `false && null` is false, `true || null` is true. A condition that is null in the end is false.
 * - Nothing fails while running: a division of whole numbers by zero, a text that is no number, a missing entry of a map or
 *   list, and a whole number beyond ±(2^53 - 1) are null. A number that is not finite in the end is null.
 * - int and double do not mix in `+ - * / % == != in`, as in CEL; `<` and its kin compare both. int divides towards zero.
 * - Times are whole numbers: milliseconds since 1970-01-01T00:00:00Z.
 * - A text compared with an enum must be one of its symbols.
 * - Left out: `matches` (its run time has no bound), macros but for has(), maps, bytes, unsigned numbers.
 *
 * The library parses; types are checked here because its checker knows neither null nor enums (`event.x == null`
 * is an error to it), and run here because its whole numbers are BigInt. Where both apply they agree: a property test.
 */
import type { AvroType } from '../schema.ts'
import { nearestOrBegun } from '../suggest.ts'
import { Compilation } from './compile.ts'
import { avroOf } from './event-type.ts'
import { canonical, type Lets, leadOf, parse } from './parse.ts'
import { describe, type Event, ExpressionError, isNumber, isText, type Typed } from './types.ts'

export { AbsentName, ExpressionError } from './types.ts'

const MAX_LENGTH = 4096

interface Result {
  readonly bool: boolean
  readonly number: number | null
  readonly text: string | null
  readonly value: number | string | null
  readonly any: unknown
}
/**
 * What is wanted: `bool`, never null; `number`, finite or null; `text`, where a whole number becomes its digits; `value`, a
 * number or a text; `any` value that Avro has a type for.
 */
export type Expected = keyof Result

export interface Expression<E extends Expected = Expected> {
  /** Equal for expressions that differ only in spacing and brackets. */
  readonly canonical: string
  /** Never throws for an event of the schema; undefined fields count as null. */
  readonly evaluate: (event: Event) => Result[E]
  /** Paths of the fields it reads. */
  readonly fields: readonly (readonly string[])[]
  /** Names of the values beside the record that it reads, also through named expressions. */
  readonly beside: ReadonlySet<string>
  readonly type: string
  /** Type of what it gives, with null unless it never is; undefined where that has no Avro type, as a null that is written. */
  readonly avro: AvroType | undefined
}

/** What expressions may name. */
export interface Names {
  /** Type of the record. */
  readonly event: AvroType
  /**
   * Further values beside the record, by name. With it, `evaluate` is given an object with all of them, the record as
   * `event` among them; without it, the record itself.
   */
  readonly beside?: ReadonlyMap<string, AvroType>
  /**
   * Names for expressions, which stand for them as if they were written in their place; they are right, and name only those before
   * them. Null: it has no value here, nor has what names it (`AbsentName`).
   */
  readonly lets?: Lets
}

/** Throws `ExpressionError` with the offset in `text` of what is wrong, and `AbsentName`. */
export function compileExpression<E extends Expected>(
  text: string,
  { expects, ...names }: Names & { readonly expects: E },
): Expression<E> {
  if (text.length > MAX_LENGTH) throw new ExpressionError(0, `the expression is longer than ${MAX_LENGTH} characters`)
  const { beside, lets } = names
  const lead = leadOf(text, (name) => lets?.has(name) || beside?.has(name) || false)
  try {
    const ast = parse(lead === '' ? text : lead + text.trimStart())
    const compilation = new Compilation(names)
    const typed = compilation.compile(ast)
    return {
      canonical: canonical(ast, lets, beside),
      evaluate: finish[expects](typed) as Expression<E>['evaluate'],
      fields: [...compilation.fields.values()],
      beside: compilation.beside,
      type: typed.type.kind,
      avro: avroOf(typed),
    }
  } catch (error) {
    if (!(error instanceof ExpressionError) || lead === '') throw error
    const { offset, message, code, expected } = error
    const suggestion =
      error.suggestion ?? nearestOrBegun(text.trim(), [...(lets?.keys() ?? []), ...(beside?.keys() ?? [])])
    const shift = lead.length - (text.length - text.trimStart().length)
    throw new ExpressionError(Math.max(0, offset - shift), message, {
      code,
      suggestion,
      expected,
    })
  }
}

const finish: { readonly [E in Expected]: (typed: Typed) => (event: Event) => Result[E] } = {
  bool(typed) {
    demand(typed, typed.type.kind === 'bool', 'true or false, such as event.x == "A"')
    const { run } = typed
    return (event) => run(event) === true
  },
  number(typed) {
    demand(typed, isNumber(typed.type), 'a number')
    const { run } = typed
    return (event) => {
      const value = run(event)
      return Number.isFinite(value) ? (value as number) : null
    }
  },
  text(typed) {
    demand(typed, isText(typed.type) || typed.type.kind === 'int', 'a text or a whole number')
    const { run } = typed
    if (typed.type.kind !== 'int') return run as (event: Event) => string | null
    return (event) => {
      const value = run(event)
      return value === null ? null : String(value)
    }
  },
  value(typed) {
    demand(typed, isNumber(typed.type) || isText(typed.type), 'a number or a text')
    return isText(typed.type) ? finish.text(typed) : finish.number(typed)
  },
  any(typed) {
    demand(typed, avroOf(typed) !== undefined, 'a value with a type, such as event.x')
    return typed.type.kind === 'double' && !typed.avro ? finish.number(typed) : typed.run
  },
}

function demand(typed: Typed, fits: boolean, expected: string): void {
  if (!fits) throw new ExpressionError(typed.start, `this is ${describe(typed.type)}`, { expected })
}
