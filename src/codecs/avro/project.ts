import { MillraceError } from '../../core/errors.ts'
import type { AvroField, AvroType, RecordType } from '../../core/schema.ts'

/** `true`: all of it. */
type Wanted = true | Map<string, Wanted>

/**
 * The topic's type with only the fields that are read: nested records are pruned too, also where they may be null;
 * a path that ends at a record, or enters a list or a map, keeps all of it. Throws `config-invalid` for a field that
 * the type does not have.
 */
export function project(type: RecordType, paths: readonly (readonly string[])[]): RecordType {
  const wanted = new Map<string, Wanted>()
  for (const path of paths) {
    if (!has(type, path))
      throw new MillraceError('config-invalid', `the schema ${type.name} has no field ${path.join('.')}`)
    add(wanted, path)
  }
  return pruneRecord(type, wanted)
}

function has(type: AvroType, [name, ...rest]: readonly string[]): boolean {
  if (name === undefined || type.kind === 'array' || type.kind === 'map') return true
  if (type.kind === 'union') return type.options.some((option) => has(option, [name, ...rest]))
  if (type.kind !== 'record') return false
  const field = type.fields.find((candidate) => candidate.name === name)
  return field !== undefined && has(field.type, rest)
}

function add(to: Map<string, Wanted>, [name, ...rest]: readonly string[]): void {
  if (name === undefined) return
  const there = to.get(name)
  if (there === true) return
  if (rest.length === 0) return void to.set(name, true)
  const inner = there ?? new Map<string, Wanted>()
  to.set(name, inner)
  add(inner, rest)
}

function pruneRecord(type: RecordType, wanted: Map<string, Wanted>): RecordType {
  const fields = type.fields.flatMap((field): AvroField[] => {
    const inner = wanted.get(field.name)
    return inner === undefined ? [] : [{ ...field, type: prune(field.type, inner) }]
  })
  return { ...type, fields }
}

function prune(type: AvroType, wanted: Wanted): AvroType {
  if (wanted === true) return type
  if (type.kind === 'record') return pruneRecord(type, wanted)
  if (type.kind === 'union') return { kind: 'union', options: type.options.map((option) => prune(option, wanted)) }
  return type
}
