import { isMapping, type Mapping } from '../../core/mapping.ts'
import { type AvroField, type AvroType, branchOf, type RecordType, type TimeType } from '../../core/schema.ts'
import { DAY_MS, decimalOf, isTime } from './numbers.ts'

/** Value of a field that the writer does not have. Throws an Error that names the field when its default fits it not. */
export function defaultOf(field: AvroField): unknown {
  const value = convert(field.type, field.default)
  if (value === UNFIT) throw new Error(`the default of the field ${field.name} is no ${branchOf(field.type)}`)
  return value
}

const UNFIT = Symbol('unfit')

/** JSON of a default as a decoded value. */
function convert(type: AvroType, json: unknown): unknown {
  switch (type.kind) {
    case 'union': {
      const values = type.options.map((option) => convert(option, json)).filter((value) => value !== UNFIT)
      return values.length > 0 ? values[0] : UNFIT
    }
    case 'null':
      return json === null ? null : UNFIT
    case 'boolean':
      return typeof json === 'boolean' ? json : UNFIT
    case 'int':
    case 'long':
      return Number.isSafeInteger(json) ? json : UNFIT
    case 'float':
    case 'double':
      return typeof json === 'number' ? json : UNFIT
    case 'string':
      return typeof json === 'string' ? json : UNFIT
    case 'enum':
      return type.symbols.some((symbol) => symbol === json) ? json : UNFIT
    case 'bytes':
      return typeof json === 'string' ? Buffer.from(json, 'latin1') : UNFIT
    case 'fixed':
      return typeof json === 'string' && json.length === type.size ? Buffer.from(json, 'latin1') : UNFIT
    case 'decimal':
      return typeof json === 'string' ? (decimalOf(Buffer.from(json, 'latin1'), type.scale) ?? UNFIT) : UNFIT
    case 'array':
      return Array.isArray(json) ? whole(json, (item) => convert(type.items, item)) : UNFIT
    case 'map':
      return isMapping(json) ? dictionary(type.items, json) : UNFIT
    case 'record':
      return isMapping(json) ? record(type, json) : UNFIT
    default:
      return isTime(type) && Number.isSafeInteger(json) ? inMillis(type, json as number) : UNFIT
  }
}

function dictionary(items: AvroType, json: Mapping): unknown {
  const entries: Record<string, unknown> = Object.create(null)
  for (const [key, value] of Object.entries(json)) entries[key] = convert(items, value)
  return Object.values(entries).includes(UNFIT) ? UNFIT : entries
}

function record(type: RecordType, json: Mapping): unknown {
  const values = whole(type.fields, (field) => {
    if (Object.hasOwn(json, field.name)) return convert(field.type, json[field.name])
    return 'default' in field ? convert(field.type, field.default) : UNFIT
  })
  return Array.isArray(values) ? Object.fromEntries(type.fields.map((field, i) => [field.name, values[i]])) : UNFIT
}

/** All converted, or unfit. */
function whole<T>(items: readonly T[], each: (item: T) => unknown): unknown {
  const values = items.map(each)
  return values.includes(UNFIT) ? UNFIT : values
}

function inMillis(type: TimeType, value: number): number {
  if (type.kind === 'date') return value * DAY_MS
  return Math.floor(value / { millis: 1, micros: 1e3, nanos: 1e6 }[type.unit])
}
