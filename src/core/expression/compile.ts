/** From the syntax tree to closures, checking types on the way. */
import type { ASTNode } from '@marcbachmann/cel-js'
import { nearestOrBegun } from '../suggest.ts'
import { call, refusal } from './calls.ts'
import { binary, choice, junction, mismatch, negative, not } from './operators.ts'
import {
  BOOL,
  DOUBLE,
  describe,
  type Event,
  ExpressionError,
  INT,
  isSame,
  NULL,
  type Run,
  STRING,
  type Type,
  type Typed,
} from './types.ts'

export const MAX_DEPTH = 64

type Node<O extends ASTNode['op']> = Extract<ASTNode, { op: O }>
/** `path` is set while the value is a field reached through records only. */
type Reached = Typed & { readonly path?: readonly string[] }

/** Compiles one tree; `fields` collects the paths that are read. */
export class Compilation {
  readonly fields = new Map<string, readonly string[]>()
  private readonly record: Type

  constructor(record: Type) {
    this.record = record
  }

  compile(node: ASTNode, depth = 1): Typed {
    const value = this.reach(node, depth)
    if (!value.path) return value
    if (value.path.length === 0)
      throw new ExpressionError(node.start, 'event is the whole record', {
        expected: 'a field of it, such as event.id',
      })
    this.fields.set(value.path.join('.'), value.path)
    return value
  }

  private reach(node: ASTNode, depth: number): Reached {
    if (depth > MAX_DEPTH) throw new ExpressionError(node.start, `nested deeper than ${MAX_DEPTH}`)
    const side = (inner: ASTNode) => this.compile(inner, depth + 1)
    const { start } = node
    switch (node.op) {
      case 'value':
        return literal(node)
      case 'id':
        return this.name(node)
      case '.':
        return this.select(this.reach(node.args[0], depth + 1), node.args[1], node.pos)
      case '[]':
        return this.index(node, depth)
      case 'call':
        return this.call(node.args[0], node.args[1], start, depth)
      case 'rcall': {
        const [name, target, rest] = node.args
        const place = target.end + 1
        const refused = refusal(name, place)
        if (refused) throw refused
        return call(name, [target, ...rest].map(side), place, true)
      }
      case 'list':
        return list(node, node.args.map(side))
      case '&&':
      case '||':
        return junction(node.op, chain(node).map(side))
      case '?:':
        return choice(side(node.args[0]), side(node.args[1]), side(node.args[2]))
      case '!_':
        return not(side(node.args), start)
      case '-_':
        return negative(side(node.args), start)
      case 'map':
        throw new ExpressionError(start, 'maps cannot be written here')
      case '.?':
      case '[?]':
        throw new ExpressionError(start, 'optional access is not needed: a field of null is null')
      default:
        return binary(node.op, side(node.args[0]), side(node.args[1]))
    }
  }

  private name(node: Node<'id'>): Reached {
    if (node.args === 'event') return { type: this.record, start: node.start, path: [], run: (event) => event }
    const fields = this.record.kind === 'record' ? [...this.record.fields.keys()] : []
    const near = nearestOrBegun(node.args, [...fields, 'event'])
    throw new ExpressionError(node.start, `no name '${node.args}'`, {
      code: 'unknown-field',
      expected: 'event.<field>',
      suggestion: near && (near === 'event' ? near : `event.${near}`),
    })
  }

  private select(from: Reached, name: string, place: number): Reached {
    const { type, start, run } = from
    if (type.kind === 'map') {
      this.read(from)
      return { type: type.values, start, run: entry(run, () => name) }
    }
    if (type.kind !== 'record')
      throw new ExpressionError(place, `${describe(type)} has no fields`, {
        expected: 'a record or a map before the dot',
      })
    const field = type.fields.get(name)
    if (!field) {
      const near = nearestOrBegun(name, type.fields.keys())
      const names = [...type.fields.keys()]
      throw new ExpressionError(place, `no field '${name}'`, {
        code: 'unknown-field',
        expected: `one of ${names.slice(0, 20).join(', ')}${names.length > 20 ? ' …' : ''}`,
        suggestion: near,
      })
    }
    const path = from.path && [...from.path, name]
    return { type: field, start, run: path ? reader(path) : entry(run, () => name), ...(path ? { path } : {}) }
  }

  private index(node: Node<'[]'>, depth: number): Reached {
    const from = this.reach(node.args[0], depth + 1)
    const key = this.compile(node.args[1], depth + 1)
    if (from.type.kind === 'record' && typeof key.literal === 'string') return this.select(from, key.literal, key.start)
    this.read(from)
    if (from.type.kind === 'map' && (key.type.kind === 'string' || key.type.kind === 'enum'))
      return { type: from.type.values, start: node.start, run: entry(from.run, key.run) }
    if (from.type.kind === 'list' && key.type.kind === 'int')
      return { type: from.type.items, start: node.start, run: entry(from.run, key.run) }
    throw mismatch('[]', from, key)
  }

  private call(name: string, values: readonly ASTNode[], start: number, depth: number): Typed {
    const refused = refusal(name, start)
    if (refused) throw refused
    if (name !== 'has')
      return call(
        name,
        values.map((value) => this.compile(value, depth + 1)),
        start,
        false,
      )
    const [value] = values
    if (values.length !== 1 || value?.op !== '.')
      throw new ExpressionError(value?.start ?? start, 'has() is given no field', { expected: 'has(event.field)' })
    const { run } = this.compile(value, depth + 1)
    return { type: BOOL, start, run: (event) => run(event) !== null }
  }

  private read(value: Reached): void {
    if (value.path?.length) this.fields.set(value.path.join('.'), value.path)
  }
}

/** The sides of `a && b && c` in order, so that a long chain is not deep. */
function chain(node: Node<'&&' | '||'>): ASTNode[] {
  const sides: ASTNode[] = []
  let left: ASTNode = node
  while (left.op === node.op) {
    const [next, right]: readonly [ASTNode, ASTNode] = (left as Node<'&&' | '||'>).args
    sides.push(right)
    left = next
  }
  sides.push(left)
  return sides.reverse()
}

function reader(path: readonly string[]): Run {
  const [first, second] = path as readonly [string, string?]
  if (second === undefined) return (event) => event[first] ?? null
  if (path.length === 2) return (event) => (event[first] as Event | null | undefined)?.[second] ?? null
  return (event) => {
    let value: unknown = event
    for (const name of path) value = (value as Event | null | undefined)?.[name]
    return value ?? null
  }
}

/** An entry of a map, or an item of a list; null when it is not there. */
function entry(run: Run, key: Run): Run {
  return (event) => {
    const from = run(event)
    const at = key(event)
    if (from === null || at === null || !Object.hasOwn(from as object, at as string)) return null
    return (from as Event)[at as string] ?? null
  }
}

function literal(node: Node<'value'>): Typed {
  const { start } = node
  const value = node.args
  const is = (type: Type, plain: unknown): Typed => ({ type, start, literal: plain, run: () => plain })
  if (value === null) return { type: NULL, start, run: () => null }
  if (typeof value === 'string') return is(STRING, value)
  if (typeof value === 'boolean') return is(BOOL, value)
  if (typeof value === 'number') return is(DOUBLE, value)
  if (typeof value !== 'bigint')
    throw new ExpressionError(start, 'bytes and unsigned numbers cannot be written here', {
      expected: 'a number, a text, true, false or null',
    })
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new ExpressionError(start, 'a whole number beyond 2^53 - 1')
  return is(INT, Number(value))
}

function list(node: Node<'list'>, items: readonly Typed[]): Typed {
  const { start } = node
  const [first] = items
  if (!first) throw new ExpressionError(start, 'the list is empty', { expected: 'at least one value' })
  for (const item of items) {
    if (item.type.kind === 'null')
      throw new ExpressionError(item.start, 'null in a list', { expected: '… == null beside it' })
    if (!isSame(first.type, item.type)) throw mismatch('[,]', first, item)
  }
  return {
    type: { kind: 'list', items: first.type },
    start,
    literal: items,
    run: (event) => {
      const values = items.map((item) => item.run(event))
      return values.includes(null) ? null : values
    },
  }
}
