/** Can the values of one type be written as another? */
import { type AvroType, nonNull, type RecordType } from './schema.ts'

/** Why values of `from` cannot all be written as `to`; undefined when they can. */
export function misfit(from: AvroType, to: AvroType, seen = new Set<AvroType>()): string | undefined {
  const [given, wanted] = [nonNull(from), nonNull(to)]
  if (given.nullable && !wanted.nullable) return `it may be null, and ${described(to)} is expected`
  const [a, b] = [given.type, wanted.type]
  if (a.kind === 'null') return undefined
  if (b.kind === 'union')
    return b.options.some((option) => misfit(a, option, seen) === undefined) ? undefined : differs(a, b)
  if (seen.has(a)) return undefined
  if (a.kind === 'record' && b.kind === 'record') return recordMisfit(a, b, new Set(seen).add(a))
  if ((a.kind === 'array' && b.kind === 'array') || (a.kind === 'map' && b.kind === 'map'))
    return misfit(a.items, b.items, seen)
  if (a.kind === 'enum' && b.kind === 'enum')
    return a.symbols.every((symbol) => b.symbols.includes(symbol)) ? undefined : differs(a, b)
  if (a.kind === 'fixed' && b.kind === 'fixed') return a.size === b.size ? undefined : differs(a, b)
  if (a.kind === 'decimal' && b.kind === 'decimal')
    return a.scale <= b.scale && a.precision - a.scale <= b.precision - b.scale ? undefined : differs(a, b)
  return a.kind === b.kind || WIDER[a.kind]?.includes(b.kind) ? undefined : differs(a, b)
}

/** Kinds that hold every value of a kind. Times are whole milliseconds, whatever their unit. */
const WIDER: Readonly<Partial<Record<AvroType['kind'], readonly AvroType['kind'][]>>> = {
  int: ['long', 'float', 'double', 'timestamp'],
  long: ['float', 'double', 'timestamp'],
  float: ['double'],
  enum: ['string'],
  timestamp: ['long'],
  date: ['long'],
  time: ['long'],
}

function recordMisfit(from: RecordType, to: RecordType, seen: Set<AvroType>): string | undefined {
  for (const field of to.fields) {
    const given = from.fields.find(({ name }) => name === field.name)
    if (!given && 'default' in field) continue
    const fault = given ? misfit(given.type, field.type, seen) : 'it is missing'
    if (fault !== undefined) return `${field.name}: ${fault}`
  }
  return undefined
}

const differs = (from: AvroType, to: AvroType): string => `it is ${described(from)}, and ${described(to)} is expected`

export function described(type: AvroType): string {
  const { type: plain, nullable } = nonNull(type)
  const name = plain.kind === 'record' || plain.kind === 'enum' ? `${plain.kind} ${plain.name}` : plain.kind
  return nullable && plain.kind !== 'null' ? `${name} or null` : name
}
