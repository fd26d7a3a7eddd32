/** An Avro type as expressions see it: fewer kinds, and null is always possible. */
import { type AvroType, nonNull } from '../schema.ts'
import { BOOL, DOUBLE, INT, isNumber, isText, NULL, STRING, type Type, type Typed } from './types.ts'

const known = new WeakMap<AvroType, Type>()

export function eventType(avro: AvroType): Type {
  const { type } = nonNull(avro)
  if (type.kind !== 'record') return convert(type)
  const found = known.get(type)
  if (found) return found
  const fields = new Map<string, Type>()
  const record: Type = { kind: 'record', fields }
  known.set(type, record)
  for (const field of type.fields) fields.set(field.name, eventType(field.type))
  return record
}

function convert(type: AvroType): Type {
  switch (type.kind) {
    case 'null':
      return NULL
    case 'boolean':
      return BOOL
    case 'string':
      return STRING
    case 'int':
    case 'long':
    case 'date':
    case 'time':
    case 'timestamp':
      return INT
    case 'float':
    case 'double':
    case 'decimal':
      return DOUBLE
    case 'enum':
      return { kind: 'enum', symbols: type.symbols }
    case 'array':
      return { kind: 'list', items: eventType(type.items) }
    case 'map':
      return { kind: 'map', values: eventType(type.items) }
    case 'union':
      return union(type.options.map(eventType))
    default:
      return { kind: 'other', name: type.kind }
  }
}

function union(options: readonly Type[]): Type {
  if (options.every((option) => option.kind === 'int')) return INT
  if (options.every(isNumber)) return DOUBLE
  if (options.every(isText)) return STRING
  return { kind: 'other', name: 'a union of several types' }
}

/** The Avro type of what an expression gives; undefined when there is none. */
export function avroOf({ avro, type, sure }: Typed): AvroType | undefined {
  const plain = avro ?? computed(type)
  if (plain === undefined || plain.kind === 'null') return undefined
  if (sure) return plain
  const options = plain.kind === 'union' ? plain.options : [plain]
  return { kind: 'union', options: [{ kind: 'null' }, ...options] }
}

/** Type of what is not taken from the data as it is. */
function computed(type: Type): AvroType | undefined {
  switch (type.kind) {
    case 'int':
      return { kind: 'long' }
    case 'double':
      return { kind: 'double' }
    case 'bool':
      return { kind: 'boolean' }
    case 'string':
    case 'enum':
      return { kind: 'string' }
    case 'list': {
      const items = computed(type.items)
      return items && { kind: 'array', items }
    }
    default:
      return undefined
  }
}
