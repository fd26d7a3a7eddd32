/** Avro's schema resolution (1.12): which data can be read as which type. Pure; codecs and registries share it. */
import { type AvroField, type AvroType, branchOf, nonNull, type RecordType } from './schema.ts'

const PROMOTIONS: Readonly<Record<string, readonly string[]>> = {
  int: ['long', 'float', 'double'],
  long: ['float', 'double'],
  float: ['double'],
  string: ['bytes'],
  bytes: ['string'],
}

/**
 * Why data of `writer` cannot be read as `reader`, with the place in the reader; undefined when it can.
 * `some`: it is enough that some data can, since a record may use only those options and symbols that fit.
 */
export function mismatch(writer: AvroType, reader: AvroType, demand: 'all' | 'some'): string | undefined {
  return new Comparison(demand).fault(writer, reader, '')
}

/** The option of a reader's union that data of `writer` is read as: the same type, else the first that it can be read as. */
export function optionFor(writer: AvroType, options: readonly AvroType[]): AvroType | undefined {
  const same = options.filter((option) => branchOf(option) === branchOf(writer))
  return [...same, ...options].find((option) => mismatch(writer, option, 'some') === undefined)
}

/** The field of `writer` that `field` is read from, by its name or else by its aliases. */
export function sourceOf(field: AvroField, writer: RecordType): AvroField | undefined {
  const named = writer.fields.find(({ name }) => name === field.name)
  return named ?? writer.fields.find(({ name }) => field.aliases.includes(name))
}

class Comparison {
  private readonly demand: 'all' | 'some'
  /** Answers by pair of records; undefined while one is being worked out, which ends recursion. */
  private readonly known = new Map<RecordType, Map<RecordType, string | undefined>>()

  constructor(demand: 'all' | 'some') {
    this.demand = demand
  }

  fault(writer: AvroType, reader: AvroType, at: string): string | undefined {
    if (writer.kind === 'union') {
      const faults = writer.options.map((option) => this.fault(option, reader, at))
      const fits = this.demand === 'all' ? faults.every((f) => f === undefined) : faults.some((f) => f === undefined)
      return fits ? undefined : faults.find((f) => f !== undefined)
    }
    if (reader.kind === 'union') {
      const { type, nullable } = nonNull(reader)
      if (nullable && writer.kind === 'null') return undefined
      if (type.kind !== 'union') return this.fault(writer, type, at)
      const fits = type.options.some((option) => this.fault(writer, option, at) === undefined)
      return fits ? undefined : unreadable(writer, 'any option of the union', at)
    }
    if (writer.kind === 'record' && reader.kind === 'record') return this.records(writer, reader, at)
    if (writer.kind === 'array' && reader.kind === 'array') return this.fault(writer.items, reader.items, `${at}[]`)
    if (writer.kind === 'map' && reader.kind === 'map') return this.fault(writer.items, reader.items, `${at}{}`)
    if (writer.kind === 'enum' && reader.kind === 'enum') {
      if (!isSameName(writer, reader)) return unreadable(writer, reader.name, at)
      if (reader.default !== undefined) return undefined
      const strange = writer.symbols.filter((symbol) => !reader.symbols.includes(symbol))
      if (strange.length < (this.demand === 'all' ? 1 : writer.symbols.length)) return undefined
      return `${place(at)}the symbol ${strange[0]} is not known to ${reader.name}, which has no default`
    }
    return fitsAsBase(writer, reader) ? undefined : unreadable(writer, nameOf(reader), at)
  }

  private records(writer: RecordType, reader: RecordType, at: string): string | undefined {
    if (!isSameName(writer, reader)) return unreadable(writer, reader.name, at)
    const answers = this.known.get(writer) ?? new Map<RecordType, string | undefined>()
    this.known.set(writer, answers)
    if (answers.has(reader)) return answers.get(reader)
    answers.set(reader, undefined)
    for (const field of reader.fields) {
      const source = sourceOf(field, writer)
      const inside = at === '' ? field.name : `${at}.${field.name}`
      const fault = source ? this.fault(source.type, field.type, inside) : absent(field, inside)
      if (fault === undefined) continue
      answers.set(reader, fault)
      return fault
    }
    return undefined
  }
}

function absent(field: AvroField, at: string): string | undefined {
  return 'default' in field ? undefined : `${place(at)}the writer has no such field, and the reader no default for it`
}

function fitsAsBase(writer: AvroType, reader: AvroType): boolean {
  const [from, to] = [fixedOf(writer), fixedOf(reader)]
  if (from && to) return from.size === to.size && isSameName(from, to)
  if (from || to || 'name' in writer || 'name' in reader) return false
  const [base, wanted] = [branchOf(writer), branchOf(reader)]
  if (base === wanted) return base !== 'array' && base !== 'map'
  return PROMOTIONS[base]?.includes(wanted) ?? false
}

function fixedOf(type: AvroType) {
  return type.kind === 'fixed' ? type : type.kind === 'decimal' ? type.fixed : undefined
}

type Named = { readonly name: string; readonly aliases: readonly string[] }

/** Avro compares names without their namespaces. */
function isSameName(writer: Named, reader: Named): boolean {
  const wanted = simple(writer.name)
  return simple(reader.name) === wanted || reader.aliases.some((alias) => simple(alias) === wanted)
}

function simple(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1)
}

function nameOf(type: AvroType): string {
  return 'name' in type ? type.name : type.kind
}

function unreadable(writer: AvroType, reader: string, at: string): string {
  return `${place(at)}${nameOf(writer)} cannot be read as ${reader}`
}

function place(at: string): string {
  return at === '' ? '' : `${at}: `
}
