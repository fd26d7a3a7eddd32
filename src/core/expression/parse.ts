/** From text to syntax tree and back. */
import { type ASTNode, Environment, ParseError, serialize } from '@marcbachmann/cel-js'
import { only } from '../errors.ts'
import { ExpressionError } from './types.ts'

export const MAX_DEPTH = 64

export type Lets = ReadonlyMap<string, string | null>

const environment = new Environment({ limits: { maxDepth: MAX_DEPTH }, enableOptionalTypes: true })

/** Throws `ExpressionError` with the offset in `text` of what is wrong. */
export function parse(text: string): ASTNode {
  try {
    return environment.parse(text).ast
  } catch (error) {
    const { range, summary } = only(ParseError, error)
    const offset = Math.min(range!.start, text.length)
    const found = summary.replace('Unexpected token: EOF', 'the expression ends too early')
    throw new ExpressionError(offset, otherSpelling(text, offset) ?? found, {
      expected: 'an expression such as event.x == "A"',
    })
  }
}

/** How an operator of other languages is written here; undefined when none stands at `offset`. */
function otherSpelling(text: string, offset: number): string | undefined {
  const here = text.slice(offset)
  if (/^=(?!=)/.test(here)) return 'write == to compare'
  if (/^and\b/i.test(here)) return 'write && for and'
  if (/^or\b/i.test(here)) return 'write || for or'
  return /\bnot\s+$/i.test(text.slice(0, offset)) ? 'write ! for not' : undefined
}

const BARE = /^\s*(?!(?:true|false|null|event)\b)([A-Za-z_]\w*)(?:\.[A-Za-z_]\w*)*\s*$/

/** A bare path stands for a field of the record, unless its first name is taken: what has to be put before it. */
export function leadOf(text: string, isTaken: (name: string) => boolean): '' | 'event.' {
  const first = BARE.exec(text)?.[1]
  return first === undefined || isTaken(first) ? '' : 'event.'
}

type Beside = ReadonlyMap<string, unknown>

/** The tree of a named expression, which may name others that stand before it, and what stands beside the record. */
export function parseLet(text: string, lets: Lets, beside: Beside = new Map()): ASTNode {
  return parse(leadOf(text, (name) => lets.has(name) || beside.has(name)) + text.trimStart())
}

/** Equal for trees that differ only in spacing and brackets. Names in `lets` stand for what they are written as. */
export function canonical(ast: ASTNode, lets: Lets = new Map(), beside?: Beside): string {
  return serialize(inlined(ast, lets, beside) as ASTNode)
}

function inlined(part: unknown, lets: Lets, beside: Beside | undefined): unknown {
  if (Array.isArray(part)) return part.map((each) => inlined(each, lets, beside))
  if (!isNode(part)) return part
  const written = part.op === 'id' ? lets.get(part.args) : undefined
  if (typeof written === 'string') return inlined(parseLet(written, lets, beside), lets, beside)
  // the library writes nine digits
  if (part.op === 'value' && typeof part.args === 'number' && !Number.isInteger(part.args))
    return { op: 'id', args: String(part.args) }
  return { op: part.op, args: inlined(part.args, lets, beside) }
}

function isNode(part: unknown): part is ASTNode {
  return typeof part === 'object' && part !== null && 'op' in part && 'args' in part
}
