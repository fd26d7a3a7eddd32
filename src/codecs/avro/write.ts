/** Makes data of values. */
import type { AvroType, RecordType } from '../../core/schema.ts'
import { defaultOf } from './default.ts'
import { DAY_MS, isTime, unitOf, unscaledOf } from './numbers.ts'
import type { Output } from './output.ts'

export type Write = (value: unknown, output: Output) => void

/** A value does not fit its type; `path` leads to it. */
export class Misfit extends Error {
  readonly found: string
  path: string

  constructor(value: unknown, expected: string) {
    super()
    this.name = 'Misfit'
    this.found = value === undefined ? `it is missing; expected ${expected}` : `${shown(value)} is not ${expected}`
    this.path = ''
  }

  /** The same, seen from the thing around it. */
  inside(step: string): this {
    const dot = this.path === '' || this.path.startsWith('[') ? '' : '.'
    this.path = `${step}${dot}${this.path}`
    return this
  }
}

/** Of records inside records of one type. */
export const MAX_DEPTH = 64

export function compileWrite(type: RecordType): Write {
  return new Compiler().record(type)
}

class Compiler {
  private readonly records = new Map<RecordType, Write | undefined>()

  private write(type: AvroType): Write {
    switch (type.kind) {
      case 'record':
        return this.record(type)
      case 'union':
        return this.union(type.options)
      case 'array':
        return list(this.write(type.items))
      case 'map':
        return dictionary(this.write(type.items))
      case 'enum': {
        const numbers = new Map(type.symbols.map((symbol, i) => [symbol as unknown, i]))
        const expected = `one of ${type.symbols.slice(0, 20).join(', ')}`
        return (value, output) => output.long(numbers.get(value) ?? fail(value, expected))
      }
      case 'fixed':
        return (value, output) =>
          value instanceof Uint8Array && value.length === type.size
            ? output.raw(value)
            : fail(value, `${type.size} bytes`)
      case 'decimal': {
        const { scale, fixed } = type
        return (value, output) => {
          const unscaled = typeof value === 'number' ? unscaledOf(value, scale, fixed?.size) : undefined
          if (!unscaled) return fail(value, 'a number that fits the decimal')
          if (fixed) output.raw(unscaled)
          else output.blob(unscaled)
        }
      }
      default:
        return isTime(type) ? time(unitOf(type)) : (PRIMITIVES[type.kind] as Write)
    }
  }

  record(type: RecordType): Write {
    const made = this.records.get(type)
    if (made) return made
    if (this.records.has(type)) return recursive(() => this.records.get(type) as Write)
    this.records.set(type, undefined)
    const fields = type.fields.map((field) => ({
      name: field.name,
      write: this.write(field.type),
      absent: 'default' in field ? defaultOf(field) : undefined,
    }))
    const write: Write = (value, output) => {
      if (typeof value !== 'object' || value === null) return fail(value, `a record ${type.name}`)
      for (let i = 0; i < fields.length; i++) {
        const field = fields[i] as (typeof fields)[number]
        const found = (value as Record<string, unknown>)[field.name]
        try {
          field.write(found === undefined ? field.absent : found, output)
        } catch (error) {
          throw error instanceof Misfit ? error.inside(field.name) : error
        }
      }
    }
    this.records.set(type, write)
    return write
  }

  /** The first option that the value fits; what is absent is null. */
  private union(options: readonly AvroType[]): Write {
    const writes = options.map((option) => this.write(option))
    const nullAt = options.findIndex((option) => option.kind === 'null')
    const others = writes.map((write, index) => ({ write, index })).filter(({ index }) => index !== nullAt)
    const [only] = others
    return (value, output) => {
      if (nullAt >= 0 && (value === null || value === undefined)) return output.long(nullAt)
      if (only && others.length === 1) {
        output.long(only.index)
        return only.write(value, output)
      }
      const from = output.position
      for (const { write, index } of others) {
        if (fits(() => write(value, output), output, index)) return
        output.rewind(from)
      }
      fail(value, `any of ${options.map((option) => option.kind).join(', ')}`)
    }
  }
}

function fits(write: () => void, output: Output, index: number): boolean {
  try {
    output.long(index)
    write()
    return true
  } catch (error) {
    if (error instanceof Misfit) return false
    throw error
  }
}

function recursive(write: () => Write): Write {
  return (value, output) => {
    if (output.depth === MAX_DEPTH) return fail(value, `at most ${MAX_DEPTH} deep`)
    output.depth++
    try {
      write()(value, output)
    } finally {
      output.depth--
    }
  }
}

function list(item: Write): Write {
  return (value, output) => {
    if (!Array.isArray(value)) return fail(value, 'a list')
    if (value.length > 0) output.long(value.length)
    for (let i = 0; i < value.length; i++) inside(`[${i}]`, item, value[i], output)
    output.long(0)
  }
}

function dictionary(item: Write): Write {
  return (value, output) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return fail(value, 'a map')
    const entries = Object.entries(value)
    if (entries.length > 0) output.long(entries.length)
    for (const [key, entry] of entries) {
      output.text(key)
      inside(`[${JSON.stringify(key)}]`, item, entry, output)
    }
    output.long(0)
  }
}

function inside(step: string, write: Write, value: unknown, output: Output): void {
  try {
    write(value, output)
  } catch (error) {
    throw error instanceof Misfit ? error.inside(step) : error
  }
}

const PRIMITIVES: Readonly<Record<string, Write>> = {
  null: (value) => (value === null || value === undefined ? undefined : fail(value, 'null')),
  boolean: (value, output) => (typeof value === 'boolean' ? output.byte(value ? 1 : 0) : fail(value, 'true or false')),
  int: (value, output) => (isInt(value) ? output.long(value) : fail(value, 'a whole number of 32 bits')),
  long: (value, output) => (isWhole(value) ? output.long(value) : fail(value, 'a whole number within 2^53')),
  float: (value, output) => (typeof value === 'number' ? output.float(value) : fail(value, 'a number')),
  double: (value, output) => (typeof value === 'number' ? output.double(value) : fail(value, 'a number')),
  string: (value, output) => (typeof value === 'string' ? output.text(value) : fail(value, 'a text')),
  bytes: (value, output) => (value instanceof Uint8Array ? output.blob(value) : fail(value, 'bytes')),
}

/** From milliseconds. */
function time(unit: ReturnType<typeof unitOf>): Write {
  return (value, output) => {
    if (!isWhole(value)) return fail(value, 'whole milliseconds')
    if (unit === 'nanos') return output.bigint(BigInt(value) * 1_000_000n)
    const count = unit === 'days' ? Math.floor(value / DAY_MS) : unit === 'micros' ? value * 1000 : value
    if (!isWhole(count)) fail(value, `a time within reach of ${unit}`)
    output.long(count)
  }
}

export function isInt(value: unknown): value is number {
  return typeof value === 'number' && (value | 0) === value
}

export function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value)
}

export function fail(value: unknown, expected: string): never {
  throw new Misfit(value, expected)
}

/** Enough to find the fault; texts are cut, since they may be personal. */
function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 32 ? `${value.slice(0, 32)}…` : value)
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object'
  return String(value)
}
