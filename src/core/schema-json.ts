/** From a type back to the JSON of its schema: what a registry is given. */
import { type AvroType, SchemaError } from './schema.ts'

/**
 * A schema that `parseSchema` reads as this type. Every named type is defined where it first stands. Throws `SchemaError` when two
 * that differ have one name.
 */
export function schemaJson(type: AvroType): unknown {
  return new Writer().json(type)
}

class Writer {
  private readonly defined = new Map<string, AvroType>()

  json(type: AvroType): unknown {
    switch (type.kind) {
      case 'union':
        return type.options.map((option) => this.json(option))
      case 'array':
        return { type: 'array', items: this.json(type.items) }
      case 'map':
        return { type: 'map', values: this.json(type.items) }
      case 'timestamp':
        return { type: 'long', logicalType: `timestamp-${type.unit}` }
      case 'time':
        return { type: type.unit === 'millis' ? 'int' : 'long', logicalType: `time-${type.unit}` }
      case 'date':
        return { type: 'int', logicalType: 'date' }
      case 'decimal': {
        const { precision, scale, fixed } = type
        const below = fixed ? this.json(fixed) : 'bytes'
        // a fixed that is defined already is a decimal there
        if (typeof below === 'string' && fixed) return below
        return { ...(fixed ? (below as object) : { type: below }), logicalType: 'decimal', precision, scale }
      }
      case 'record':
      case 'enum':
      case 'fixed':
        return this.named(type)
      default:
        return type.kind
    }
  }

  private named(type: AvroType & { readonly kind: 'record' | 'enum' | 'fixed' }): unknown {
    const { name } = type
    const known = this.defined.get(name)
    if (known && !isSameType(known, type))
      throw new SchemaError([], `two different types are named ${name}`, { expected: 'names of their own' })
    if (known) return name
    this.defined.set(name, type)
    switch (type.kind) {
      case 'enum':
        return {
          type: 'enum',
          name,
          symbols: type.symbols,
          ...(type.default === undefined ? {} : { default: type.default }),
        }
      case 'fixed':
        return { type: 'fixed', name, size: type.size }
      case 'record':
        return {
          type: 'record',
          name,
          fields: type.fields.map(({ name: field, type: inner, doc, ...others }) => ({
            name: field,
            type: this.json(inner),
            ...('default' in others ? { default: others.default } : {}),
            ...(doc === undefined ? {} : { doc }),
          })),
        }
    }
  }
}

/** Do two types have the same values, written alike? */
export function isSameType(a: AvroType, b: AvroType): boolean {
  return a === b || text(a) === text(b)
}

/** A record inside itself stands as its name. */
function text(type: AvroType): string {
  const inside: unknown[] = []
  return JSON.stringify(type, function (this: unknown, key, value: unknown) {
    if (key === 'doc' || key === 'aliases') return undefined
    while (inside.length > 0 && inside.at(-1) !== this) inside.pop()
    if (typeof value !== 'object' || value === null) return value
    if (inside.includes(value)) return (value as { readonly name?: string }).name
    inside.push(value)
    return value
  })
}
