/** From the syntax tree to closures, checking types on the way. */
import type { ASTNode } from '@marcbachmann/cel-js'
import { only } from '../errors.ts'
import { type AvroType, nonNull } from '../schema.ts'
import { nearestOrBegun } from '../suggest.ts'
import { call, refusal } from './calls.ts'
import { eventType } from './event-type.ts'
import type { Names } from './index.ts'
import { binary, choice, junction, mismatch, negative, not } from './operators.ts'
import { canonical, type Lets, MAX_DEPTH, parseLet } from './parse.ts'
import {
  AbsentName,
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

type Node<O extends ASTNode['op']> = Extract<ASTNode, { op: O }>
/** `path` is set while the value is a field reached through records only. */
type Reached = Typed & { readonly path?: readonly string[] }

/** Characters of an expression and of the names in it, each as often as it is used: with every name that uses two others they double. */
const MOST_WRITTEN_OUT = 16_384

/** Compiles one tree; `fields` collects the paths that are read, `beside` the names of values beside the record. */
export class Compilation {
  readonly fields = new Map<string, readonly string[]>()
  readonly beside = new Set<string>()
  private readonly names: Names
  private writtenOut = 0

  constructor(names: Names) {
    this.names = names
  }

  compile(node: ASTNode, depth = 1): Typed {
    const value = this.reach(node, depth)
    if (!value.path) return value
    if (value.path.length === 0)
      throw new ExpressionError(node.start, 'event is the whole record', {
        expected: 'a field of it, such as event.id',
      })
    this.read(value)
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
        return this.name(node, depth)
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
        return this.choice(node, side)
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

  private name({ args: name, start }: Node<'id'>, depth: number): Reached {
    const { event, beside, lets } = this.names
    const written = lets?.get(name)
    if (written === null) throw new AbsentName()
    if (written !== undefined) {
      this.writtenOut += written.length
      if (this.writtenOut > MOST_WRITTEN_OUT)
        throw new ExpressionError(start, `with its names written out it has more than ${MOST_WRITTEN_OUT} characters`)
      return this.let(name, parseLet(written, lets as Lets, beside), start, depth)
    }
    const type = eventType(event)
    if (name === 'event' && !beside) return { type, start, sure: true, avro: event, path: [], run: (record) => record }
    const avro = name === 'event' ? event : beside?.get(name)
    if (avro) {
      if (name !== 'event') this.beside.add(name)
      return { type: eventType(avro), start, path: [name], run: reader([name]), ...nullability(avro) }
    }
    const fields = type.kind === 'record' ? [...type.fields.keys()] : []
    const others = ['event', ...(beside?.keys() ?? []), ...(lets?.keys() ?? [])]
    const near = nearestOrBegun(name, [...fields, ...others])
    throw new ExpressionError(start, `no name '${name}'`, {
      code: 'unknown-field',
      expected: others.length > 1 ? `event.<field>, or one of ${others.slice(1).join(', ')}` : 'event.<field>',
      suggestion: near && (others.includes(near) ? near : `event.${near}`),
    })
  }

  /** A named expression, which is right where it is declared: here it may name what is not known yet. */
  private let(name: string, ast: ASTNode, start: number, depth: number): Reached {
    try {
      return { ...this.reach(ast, depth + 1), start }
    } catch (error) {
      throw new ExpressionError(start, `'${name}' cannot be used here: ${only(ExpressionError, error).message}`)
    }
  }

  /** `x == null ? y : x` and its kin are never null where y is not. */
  private choice({ args: [condition, yes, no] }: Node<'?:'>, side: (node: ASTNode) => Typed): Typed {
    const guard = guarded(condition)
    const branch = (node: ASTNode, safe: boolean) => {
      const typed = side(node)
      return safe && guard && canonical(guard.value) === canonical(node) ? { ...typed, sure: true } : typed
    }
    return choice(side(condition), branch(yes, guard?.isThere === true), branch(no, guard?.isThere === false))
  }

  private select(from: Reached, name: string, place: number): Reached {
    const { type, start, run, avro } = from
    if (type.kind === 'map') {
      this.read(from)
      return { type: type.values, start, run: entry(run, () => name), ...insideOf(avro) }
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
    const found = avro?.kind === 'record' ? avro.fields.find((each) => each.name === name) : undefined
    return {
      type: field,
      start,
      run: path ? reader(path) : entry(run, () => name),
      ...(path ? { path } : {}),
      ...(found && nullability(found.type, from.sure)),
    }
  }

  private index(node: Node<'[]'>, depth: number): Reached {
    const from = this.reach(node.args[0], depth + 1)
    const key = this.compile(node.args[1], depth + 1)
    if (from.type.kind === 'record' && typeof key.literal === 'string') return this.select(from, key.literal, key.start)
    this.read(from)
    if (from.type.kind === 'map' && (key.type.kind === 'string' || key.type.kind === 'enum'))
      return { type: from.type.values, start: node.start, run: entry(from.run, key.run), ...insideOf(from.avro) }
    if (from.type.kind === 'list' && key.type.kind === 'int')
      return { type: from.type.items, start: node.start, run: entry(from.run, key.run), ...insideOf(from.avro) }
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
    return { type: BOOL, start, sure: true, run: (event) => run(event) !== null }
  }

  private read({ path = [] }: Reached): void {
    const [first, ...rest] = path
    const { beside, event } = this.names
    if (first === undefined) return
    if (!beside) this.fields.set(path.join('.'), path)
    else if (first === 'event' && rest.length > 0) this.fields.set(rest.join('.'), rest)
    else if (first === 'event' && event.kind === 'record')
      for (const { name } of event.fields) this.fields.set(name, [name])
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

function nullability(avro: AvroType, within: boolean | undefined = true): Pick<Typed, 'avro' | 'sure'> {
  const { type, nullable } = nonNull(avro)
  return { avro: type, sure: within && !nullable }
}

/** What stands in a list or a map may be missing. */
function insideOf(avro: AvroType | undefined): Pick<Typed, 'avro'> {
  return avro?.kind === 'array' || avro?.kind === 'map' ? { avro: nonNull(avro.items).type } : {}
}

/** The value that a condition asks for, and whether it is there when the condition is met; undefined for other conditions. */
function guarded(condition: ASTNode): { readonly value: ASTNode; readonly isThere: boolean } | undefined {
  const { op, args } = condition
  if (op === 'call') return args[0] === 'has' && args[1][0] ? { value: args[1][0], isThere: true } : undefined
  if (op !== '==' && op !== '!=') return undefined
  const [left, right] = args
  return right.op === 'value' && right.args === null ? { value: left, isThere: op === '!=' } : undefined
}

/** Code of its own for each path, `e => e["store"]?.["id"] ?? null`: closures over names would share one, which looks up every name anew. */
function reader(path: readonly string[]): Run {
  return new Function('e', `return e${path.map((name) => `[${JSON.stringify(name)}]`).join('?.')} ?? null`) as Run
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
  const is = (type: Type, plain: unknown): Typed => ({ type, start, literal: plain, sure: true, run: () => plain })
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
    sure: items.every((item) => item.sure),
    literal: items,
    run: (event) => {
      const values = items.map((item) => item.run(event))
      return values.includes(null) ? null : values
    },
  }
}
