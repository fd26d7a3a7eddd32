/** The same records as JSON, for readers that know no Avro. */
import { RecordError } from '../../core/errors.ts'
import type { Encoder } from '../../core/model.ts'
import { type AvroType, type RecordType, topicType } from '../../core/schema.ts'
import { defaultOf } from './default.ts'
import { isTime, unscaledOf } from './numbers.ts'
import { fail, isInt, isWhole, MAX_DEPTH, Misfit } from './write.ts'

/** Says a value that fits; throws `Misfit` for others. */
type Say = (value: unknown) => string

/**
 * Encodes records of one schema as JSON, UTF-8, from values as `core/schema.ts` says: numbers and times (milliseconds) as
 * numbers, bytes in base64, of a union the value alone. What is absent, unknown or unfit is treated as in Avro; a number that is
 * infinite or none does not fit. Throws `SchemaError` when the schema is no record's.
 */
export function jsonEncoder(schema: unknown): Encoder {
  const say = new Compiler().record(topicType(schema))
  return {
    encode(value) {
      try {
        return Buffer.from(say(value))
      } catch (error) {
        if (error instanceof Misfit) throw new RecordError('value-unfit', `${error.path}: ${error.found}`)
        throw error
      }
    },
  }
}

class Compiler {
  private readonly records = new Map<RecordType, Say | undefined>()

  private say(type: AvroType): Say {
    switch (type.kind) {
      case 'record':
        return this.record(type)
      case 'union':
        return this.union(type.options)
      case 'array':
        return list(this.say(type.items))
      case 'map':
        return dictionary(this.say(type.items))
      case 'enum': {
        const texts = new Map(type.symbols.map((symbol) => [symbol as unknown, JSON.stringify(symbol)]))
        const expected = `one of ${type.symbols.slice(0, 20).join(', ')}`
        return (value) => texts.get(value) ?? fail(value, expected)
      }
      case 'fixed': {
        const { size } = type
        return (value) =>
          value instanceof Uint8Array && value.length === size ? base64(value) : fail(value, `${size} bytes`)
      }
      case 'decimal': {
        const { scale, fixed } = type
        return (value) =>
          typeof value === 'number' && unscaledOf(value, scale, fixed?.size)
            ? String(value)
            : fail(value, 'a number that fits the decimal')
      }
      default:
        return isTime(type) ? (PRIMITIVES.time as Say) : (PRIMITIVES[type.kind] as Say)
    }
  }

  record(type: RecordType): Say {
    const made = this.records.get(type)
    if (made) return made
    if (this.records.has(type)) return recursive(() => this.records.get(type) as Say)
    this.records.set(type, undefined)
    const fields = type.fields.map((field, i) => ({
      name: field.name,
      before: `${i === 0 ? '{' : ','}${JSON.stringify(field.name)}:`,
      say: this.say(field.type),
      absent: 'default' in field ? defaultOf(field) : undefined,
    }))
    const say: Say = (value) => {
      if (typeof value !== 'object' || value === null) return fail(value, `a record ${type.name}`)
      let text = fields.length === 0 ? '{' : ''
      for (const field of fields) {
        const found = (value as Record<string, unknown>)[field.name]
        try {
          text += field.before + field.say(found === undefined ? field.absent : found)
        } catch (error) {
          throw error instanceof Misfit ? error.inside(field.name) : error
        }
      }
      return `${text}}`
    }
    this.records.set(type, say)
    return say
  }

  /** By the first option that the value fits; what is absent is null. */
  private union(options: readonly AvroType[]): Say {
    const takesNull = options.some(({ kind }) => kind === 'null')
    const others = options.filter(({ kind }) => kind !== 'null').map((option) => this.say(option))
    const [only] = others
    return (value) => {
      if (takesNull && (value === null || value === undefined)) return 'null'
      if (only && others.length === 1) return only(value)
      for (const say of others) {
        try {
          return say(value)
        } catch (error) {
          if (!(error instanceof Misfit)) throw error
        }
      }
      return fail(value, `any of ${options.map((option) => option.kind).join(', ')}`)
    }
  }
}

function recursive(say: () => Say): Say {
  let depth = 0
  return (value) => {
    if (depth === MAX_DEPTH) return fail(value, `at most ${MAX_DEPTH} deep`)
    depth++
    try {
      return say()(value)
    } finally {
      depth--
    }
  }
}

function list(item: Say): Say {
  return (value) =>
    Array.isArray(value) ? `[${value.map((each, i) => inside(`[${i}]`, item, each)).join(',')}]` : fail(value, 'a list')
}

function dictionary(item: Say): Say {
  return (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return fail(value, 'a map')
    const entries = Object.entries(value).map(([key, entry]) => {
      const name = JSON.stringify(key)
      return `${name}:${inside(`[${name}]`, item, entry)}`
    })
    return `{${entries.join(',')}}`
  }
}

function inside(step: string, say: Say, value: unknown): string {
  try {
    return say(value)
  } catch (error) {
    throw error instanceof Misfit ? error.inside(step) : error
  }
}

const base64 = (bytes: Uint8Array) =>
  `"${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64')}"`
const number: Say = (value) => (Number.isFinite(value) ? String(value) : fail(value, 'a finite number'))

const PRIMITIVES: Readonly<Record<string, Say>> = {
  null: (value) => (value === null || value === undefined ? 'null' : fail(value, 'null')),
  boolean: (value) => (typeof value === 'boolean' ? String(value) : fail(value, 'true or false')),
  int: (value) => (isInt(value) ? String(value) : fail(value, 'a whole number of 32 bits')),
  long: (value) => (isWhole(value) ? String(value) : fail(value, 'a whole number within 2^53')),
  time: (value) => (isWhole(value) ? String(value) : fail(value, 'whole milliseconds')),
  float: number,
  double: number,
  string: (value) => (typeof value === 'string' ? JSON.stringify(value) : fail(value, 'a text')),
  bytes: (value) => (value instanceof Uint8Array ? base64(value) : fail(value, 'bytes')),
}
