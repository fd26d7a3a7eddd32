/** Avro schemas, readers of them and values, as chance has them; unions are those that avsc tells apart without wrapping. */
import type { Chance } from './chance.ts'

export type Schema = string | readonly Schema[] | { readonly type: unknown; readonly [key: string]: unknown }
export interface Field {
  readonly name: string
  readonly type: Schema
  readonly default?: unknown
}
export interface RecordSchema {
  readonly type: 'record'
  readonly name: string
  readonly fields: readonly Field[]
  readonly [key: string]: unknown
}

const PRIMITIVES = ['null', 'boolean', 'int', 'long', 'float', 'double', 'string', 'bytes'] as const
const DEEPEST = 3

/** A record of up to seven fields. A record inside may refer to itself. */
export function rootSchema(chance: Chance): RecordSchema {
  let names = 0
  const record = (depth: number): RecordSchema => {
    const name = `N${names++}`
    const fields = Array.from({ length: (depth === 0 ? 1 : 0) + chance.int(6) }, (_, i) => ({
      name: chance.odds(0.03) ? chance.pick(STRANGE) + i : `f${i}`,
      type: schema(depth + 1, name),
    }))
    return { type: 'record', name, fields }
  }
  const schema = (depth: number, around: string): Schema => {
    if (depth > DEEPEST || chance.odds(0.5)) return chance.pick(PRIMITIVES)
    switch (chance.int(8)) {
      case 0:
        return { type: 'enum', name: `N${names++}`, symbols: ['A', 'B', 'C'] }
      case 1:
        return { type: 'fixed', name: `N${names++}`, size: chance.int(4) }
      case 2:
        return { type: 'array', items: schema(depth + 1, around) }
      case 3:
        return { type: 'map', values: schema(depth + 1, around) }
      case 4:
        return ['null', chance.pick(['boolean', 'int', 'double', 'string', 'bytes'])]
      case 5:
        return ['string', 'null', 'double', 'boolean']
      case 6:
        return chance.odds(0.5) ? ['null', around] : { type: 'array', items: around }
      default:
        return record(depth)
    }
  }
  return record(0)
}

/** Names that objects have already. */
const STRANGE = ['constructor', 'toString', 'hasOwnProperty', 'valueOf', '__defineGetter__']

const WIDER: Readonly<Record<string, readonly string[]>> = {
  int: ['long', 'float', 'double'],
  long: ['float', 'double'],
  float: ['double'],
  string: ['bytes'],
  bytes: ['string'],
}
const ADDED: readonly Omit<Field, 'name'>[] = [
  { type: 'string', default: 'd' },
  { type: 'long', default: -5 },
  { type: ['null', 'double'], default: null },
  { type: { type: 'array', items: 'int' }, default: [1, 2] },
]

/** A reader of what `writer` wrote: fields left out, moved, widened, added. */
export function promoted(chance: Chance, writer: RecordSchema): RecordSchema {
  const fields: Field[] = []
  for (const field of writer.fields) {
    if (chance.odds(0.2)) continue
    const wider = typeof field.type === 'string' ? WIDER[field.type] : undefined
    const type = wider && chance.odds(0.4) ? chance.pick(wider) : field.type
    fields.splice(chance.int(fields.length + 1), 0, { name: field.name, type })
  }
  if (fields.length === 0 || chance.odds(0.4)) fields.push({ name: 'added', ...chance.pick(ADDED) })
  // a record that refers to itself would be read as the writer's: it is kept as it is
  const text = JSON.stringify(writer)
  return text.includes(`"${writer.name}"]`) || text.includes(`"items":"${writer.name}"`)
    ? writer
    : { ...writer, fields }
}

/** A value that fits. Texts, numbers and lists of all sizes that matter. */
export function someValue(chance: Chance, root: RecordSchema): unknown {
  const named = new Map<string, Schema>()
  const value = (schema: Schema, depth: number): unknown => {
    if (Array.isArray(schema))
      return value(depth > 6 ? (schema.find((each) => each === 'null') ?? schema[0]) : chance.pick(schema), depth)
    if (typeof schema === 'string')
      return named.has(schema) ? value(named.get(schema) as Schema, depth + 1) : primitive(chance, schema)
    const given = schema as { type: string; name: string; items: Schema; values: Schema; size: number; fields: Field[] }
    if (given.name !== undefined) named.set(given.name, schema as Schema)
    const most = depth > 6 ? 0 : depth > 3 ? 2 : 4
    switch (given.type) {
      case 'record':
        return Object.fromEntries(given.fields.map(({ name, type }) => [name, value(type, depth + 1)]))
      case 'enum':
        return chance.pick(['A', 'B', 'C'])
      case 'fixed':
        return chance.bytes(given.size)
      case 'array':
        return chance.list(most, () => value(given.items, depth + 1))
      default:
        return Object.fromEntries(chance.list(most, (i) => [chance.text(3) + i, value(given.values, depth + 1)]))
    }
  }
  return value(root, 0)
}

function primitive(chance: Chance, type: string): unknown {
  switch (type) {
    case 'null':
      return null
    case 'boolean':
      return chance.odds(0.5)
    case 'int':
      return chance.whole() | 0
    case 'long':
      return Math.trunc(chance.whole() / 2)
    case 'string':
      return chance.odds(0.1) ? 'long '.repeat(20) : chance.text(6)
    case 'bytes':
      return chance.bytes(chance.int(6))
    case 'float':
      return Math.fround(chance.number())
    default:
      return chance.number()
  }
}
