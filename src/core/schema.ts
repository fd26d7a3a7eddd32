/**
 * What an Avro schema says, with all names resolved: plain data for whoever checks expressions, derives lineage or
 * decodes. Pure; needs no Avro library.
 */

/**
 * One Avro type. A recursive schema gives a cyclic object: walk it with a set of the records seen.
 *
 * As values, in what `codecs/avro` reads and writes: int, long, float, double and decimal are numbers; timestamp and
 * date are milliseconds since the epoch (a date is its midnight, UTC), time is milliseconds since midnight; enum and
 * string are texts; bytes and fixed are Buffers; a map is an object without prototype.
 */
export type AvroType =
  | { readonly kind: 'null' | 'boolean' | 'int' | 'long' | 'float' | 'double' | 'string' | 'bytes' }
  | TimeType
  | { readonly kind: 'decimal'; readonly precision: number; readonly scale: number; readonly fixed?: FixedType }
  | FixedType
  | EnumType
  | { readonly kind: 'array'; readonly items: AvroType }
  | { readonly kind: 'map'; readonly items: AvroType }
  | RecordType
  | { readonly kind: 'union'; readonly options: readonly AvroType[] }

export type TimeType =
  | { readonly kind: 'timestamp' | 'time'; readonly unit: 'millis' | 'micros' | 'nanos' }
  | { readonly kind: 'date' }

export interface FixedType extends Named {
  readonly kind: 'fixed'
  readonly size: number
}

export interface EnumType extends Named {
  readonly kind: 'enum'
  readonly symbols: readonly string[]
  /** What a reader takes for a symbol it does not know. */
  readonly default?: string
}

export interface RecordType extends Named {
  readonly kind: 'record'
  readonly fields: readonly AvroField[]
}

interface Named {
  /** With its namespace: `shop.OrderEvent`. */
  readonly name: string
  /** Other full names under which writers may know it. */
  readonly aliases: readonly string[]
}

export interface AvroField {
  readonly name: string
  readonly type: AvroType
  readonly aliases: readonly string[]
  readonly doc?: string
  /** As written in the schema; absent when the field has no default. */
  readonly default?: unknown
}

/** A schema is wrong; `path` leads to the place inside its JSON. */
export class SchemaError extends Error {
  readonly code = 'invalid-schema'
  readonly path: readonly (string | number)[]
  readonly expected: string | undefined
  readonly suggestion: string | undefined

  constructor(
    path: readonly (string | number)[],
    found: string,
    more: { expected?: string; suggestion?: string } = {},
  ) {
    super(path.length === 0 ? found : `${written(path)}: ${found}`)
    this.name = 'SchemaError'
    this.path = path
    this.expected = more.expected
    this.suggestion = more.suggestion
  }
}

/** The type itself without null, and whether null is among its values. A union of one other option is that option. */
export function nonNull(type: AvroType): { readonly type: AvroType; readonly nullable: boolean } {
  if (type.kind !== 'union') return { type, nullable: type.kind === 'null' }
  const options = type.options.filter((option) => option.kind !== 'null')
  const nullable = options.length < type.options.length
  if (options.length === 1) return { type: options[0] as AvroType, nullable }
  return { type: options.length === 0 ? { kind: 'null' } : { kind: 'union', options }, nullable }
}

/** Type of the records of a topic, from its parsed schema. Throws `SchemaError`, also when it is not a record. */
export function topicType(schema: unknown): RecordType {
  const type = parseSchema(schema)
  if (type.kind !== 'record') throw new SchemaError([], `a topic's schema is a record, not ${type.kind}`)
  return type
}

/**
 * Any parsed Avro schema (1.12). Throws `SchemaError`. A schema nested deeper than 200 steps or with more than 20,000 types is refused,
 * so the work is bounded whoever wrote it.
 */
export function parseSchema(schema: unknown): AvroType {
  return new Parser().type(schema, [], '')
}

/** `['fields', 2, 'type']` as `fields[2].type`. */
function written(path: readonly (string | number)[]): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`
    return text === '' ? step : `${text}.${step}`
  }, '')
}

type Path = readonly (string | number)[]
type Json = Readonly<Record<string, unknown>>

const MAX_PATH = 200
const MAX_TYPES = 20_000
const MAX_NAME = 1_000
const PRIMITIVES = ['null', 'boolean', 'int', 'long', 'float', 'double', 'string', 'bytes'] as const
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

class Parser {
  private readonly names = new Map<string, AvroType>()
  /** Longest way down from a type to its leaves, by named references too; of a record that is being read, so far. */
  private readonly heights = new Map<AvroType, number>()
  private types = 0

  type(schema: unknown, path: Path, namespace: string): AvroType {
    const type = this.typeOf(schema, path, namespace)
    const height = 1 + Math.max(-1, ...inside(type).map((inner) => this.heights.get(inner) as number))
    if (height > MAX_PATH) throw tooDeep()
    this.heights.set(type, height)
    return type
  }

  private typeOf(schema: unknown, path: Path, namespace: string): AvroType {
    if (++this.types > MAX_TYPES) throw new SchemaError([], `the schema has more than ${MAX_TYPES} types`)
    if (path.length > MAX_PATH) throw tooDeep()
    if (typeof schema === 'string') return this.reference(schema, path, namespace)
    if (Array.isArray(schema)) return this.union(schema, path, namespace)
    const json = object(schema, path, 'a type')
    switch (json.type) {
      case 'record':
      case 'error':
        return this.record(json, path, namespace)
      case 'enum':
        return this.enumeration(json, path, namespace)
      case 'fixed':
        return logical(this.fixed(json, path, namespace), json)
      case 'array':
        return { kind: 'array', items: this.type(json.items, [...path, 'items'], namespace) }
      case 'map':
        return { kind: 'map', items: this.type(json.values, [...path, 'values'], namespace) }
      default:
        return logical(this.type(json.type, [...path, 'type'], namespace), json)
    }
  }

  private reference(name: string, path: Path, namespace: string): AvroType {
    const primitive = PRIMITIVES.find((kind) => kind === name)
    if (primitive) return { kind: primitive }
    const found = this.names.get(fullName(name, namespace)) ?? this.names.get(name)
    if (found) return found
    throw new SchemaError(path, `no type is named ${quoted(name)} before this place`, {
      expected: [...PRIMITIVES, ...this.names.keys()].slice(0, 30).join(', '),
    })
  }

  private union(schema: readonly unknown[], path: Path, namespace: string): AvroType {
    const options = schema.map((option, i) => this.type(option, [...path, i], namespace))
    if (options.length === 0) throw new SchemaError(path, 'the union has no options')
    const seen = new Set<string>()
    for (const [i, option] of options.entries()) {
      if (option.kind === 'union') throw new SchemaError([...path, i], 'a union stands directly in a union')
      const identity = branchOf(option)
      if (seen.has(identity)) throw new SchemaError([...path, i], `${identity} stands twice in the union`)
      seen.add(identity)
    }
    return { kind: 'union', options }
  }

  private record(json: Json, path: Path, namespace: string): AvroType {
    const named = this.named(json, path, namespace)
    const fields: AvroField[] = []
    const record: RecordType = { kind: 'record', ...named, fields }
    this.define(record, path)
    const inner = named.name.slice(0, Math.max(0, named.name.lastIndexOf('.')))
    const seen = new Set<string>()
    for (const [i, value] of array(json.fields, [...path, 'fields']).entries()) {
      const place = [...path, 'fields', i]
      const field = object(value, place, 'a field')
      const name = simpleName(field.name, [...place, 'name'])
      if (name === '__proto__') throw new SchemaError([...place, 'name'], 'no field may be named __proto__')
      if (seen.has(name)) throw new SchemaError([...place, 'name'], `two fields are named ${name}`)
      seen.add(name)
      fields.push({
        name,
        type: this.type(field.type, [...place, 'type'], inner),
        aliases: optionalArray(field.aliases, [...place, 'aliases']).map((alias, k) =>
          simpleName(alias, [...place, 'aliases', k]),
        ),
        ...(typeof field.doc === 'string' ? { doc: field.doc } : {}),
        ...(Object.hasOwn(field, 'default') ? { default: field.default } : {}),
      })
    }
    return record
  }

  private enumeration(json: Json, path: Path, namespace: string): AvroType {
    const named = this.named(json, path, namespace)
    const symbols = array(json.symbols, [...path, 'symbols']).map((symbol, i) =>
      simpleName(symbol, [...path, 'symbols', i]),
    )
    if (new Set(symbols).size < symbols.length) throw new SchemaError([...path, 'symbols'], 'a symbol stands twice')
    const fallback = symbols.find((symbol) => symbol === json.default)
    if (json.default !== undefined && fallback === undefined)
      throw new SchemaError([...path, 'default'], 'the default is none of the symbols', {
        expected: symbols.join(', '),
      })
    const type: EnumType = { kind: 'enum', ...named, symbols, ...(fallback === undefined ? {} : { default: fallback }) }
    this.define(type, path)
    return type
  }

  private fixed(json: Json, path: Path, namespace: string): FixedType {
    const { size } = json
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
      throw new SchemaError([...path, 'size'], `${quoted(size)} is no size`, { expected: 'a whole number of bytes' })
    const type: FixedType = { kind: 'fixed', ...this.named(json, path, namespace), size }
    this.define(logical(type, json), path, type.name)
    return type
  }

  private named(json: Json, path: Path, namespace: string): Named {
    const at = [...path, 'name']
    const name = text(json.name, at)
    const own = typeof json.namespace === 'string' && !name.includes('.') ? json.namespace : namespace
    const full = fullName(name, own)
    for (const part of full.split('.')) simpleName(part, at)
    const inner = full.slice(0, Math.max(0, full.lastIndexOf('.')))
    const aliases = optionalArray(json.aliases, [...path, 'aliases']).map((alias, i) =>
      fullName(text(alias, [...path, 'aliases', i]), inner),
    )
    return { name: full, aliases }
  }

  private define(type: AvroType, path: Path, name = (type as Named).name): void {
    if (this.names.has(name)) throw new SchemaError([...path, 'name'], `the name ${name} is taken`)
    this.names.set(name, type)
  }
}

function tooDeep(): SchemaError {
  return new SchemaError([], `the schema is nested deeper than ${MAX_PATH} steps`)
}

function inside(type: AvroType): readonly AvroType[] {
  if (type.kind === 'record') return type.fields.map((field) => field.type)
  if (type.kind === 'union') return type.options
  return type.kind === 'array' || type.kind === 'map' ? [type.items] : []
}

/** What tells the options of a union apart: the Avro type below a logical one, or the name. */
export function branchOf(type: AvroType): string {
  switch (type.kind) {
    case 'timestamp':
      return 'long'
    case 'time':
      return type.unit === 'millis' ? 'int' : 'long'
    case 'date':
      return 'int'
    case 'decimal':
      return type.fixed?.name ?? 'bytes'
    case 'record':
    case 'enum':
    case 'fixed':
      return type.name
    default:
      return type.kind
  }
}

/** The type with its logical type, where that is known and fits; as it is otherwise, as Avro asks of readers. */
function logical(type: AvroType, json: Json): AvroType {
  const name = json.logicalType
  if (typeof name !== 'string') return type
  if (name === 'decimal' && (type.kind === 'bytes' || type.kind === 'fixed')) {
    const { precision, scale = 0 } = json
    if (!isCount(precision) || !isCount(scale) || precision === 0 || scale > precision) return type
    return { kind: 'decimal', precision, scale, ...(type.kind === 'fixed' ? { fixed: type } : {}) }
  }
  const [, kind, unit] = /^(?:local-)?(timestamp|time)-(millis|micros|nanos)$/.exec(name) ?? []
  if (kind === 'timestamp' && type.kind === 'long') return { kind, unit: unit as 'millis' | 'micros' | 'nanos' }
  if (name === 'time-millis' && type.kind === 'int') return { kind: 'time', unit: 'millis' }
  if (name === 'time-micros' && type.kind === 'long') return { kind: 'time', unit: 'micros' }
  if (name === 'date' && type.kind === 'int') return { kind: 'date' }
  return type
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= 1_000
}

function fullName(name: string, namespace: string): string {
  return name.includes('.') || namespace === '' ? name : `${namespace}.${name}`
}

function object(value: unknown, path: Path, what: string): Json {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json
  throw new SchemaError(path, `${quoted(value)} is not ${what}`, { expected: 'an object, a name or a list' })
}

function array(value: unknown, path: Path): readonly unknown[] {
  if (Array.isArray(value)) return value
  throw new SchemaError(path, `${quoted(value)} is not a list`)
}

function optionalArray(value: unknown, path: Path): readonly unknown[] {
  return value === undefined || value === null ? [] : array(value, path)
}

function text(value: unknown, path: Path): string {
  if (typeof value === 'string' && value !== '' && value.length <= MAX_NAME) return value
  throw new SchemaError(path, `${quoted(value)} is not a name`)
}

function simpleName(value: unknown, path: Path): string {
  const name = text(value, path)
  if (NAME.test(name)) return name
  throw new SchemaError(path, `${quoted(name)} is not a name`, { expected: 'letters, digits and _' })
}

function quoted(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object'
  const json = JSON.stringify(value) ?? typeof value
  return json.length > 60 ? `${json.slice(0, 60)}…` : json
}
