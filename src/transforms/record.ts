/** The record that a transform makes: its fields, how each is filled from every source topic, and its schema. */
import type { Expected, Expression } from '../core/expression/index.ts'
import { atOnce } from '../core/guard.ts'
import type { Event, Maker } from '../core/model.ts'
import { type AvroField, type AvroType, nonNull, type RecordType, SchemaError } from '../core/schema.ts'
import { isSameType, schemaJson } from '../core/schema-json.ts'
import { nearest } from '../core/suggest.ts'
import type { SourceTopic } from '../core/topics.ts'
import { recordName } from '../core/topology.ts'
import { type Compiled, compileWritten, type NamesOn } from '../core/written.ts'
import type { Path, YamlFile } from '../core/yaml.ts'
import type { Declaration } from './declaration.ts'
import type { OwnMaker } from './own.ts'

/** One field: what fills it, by source topic; a topic that is absent leaves it null. */
interface Field {
  readonly name: string
  readonly at: Path
  readonly compiled: Compiled<Expected>
  readonly doc: string | undefined
}

export interface MadeRecord {
  readonly type: RecordType
  /** Makes a record of what expressions may name; null for none. */
  readonly fill: (topic: string) => (scope: Readonly<Record<string, unknown>>) => Event | null
  readonly uses: (topic: string) => readonly Pick<Expression<Expected>, 'fields'>[]
  /** Those of `uses` that the declaration names; what is taken because the event has it is not among them. */
  readonly asks: (topic: string) => readonly Pick<Expression<Expected>, 'fields'>[]
  /** Where in the file a field is declared. */
  readonly placeOf: (field: string) => Path
}

/** Undefined when anything is wrong; the problems are then the file's. */
export function compileRecord(
  yaml: YamlFile,
  declaration: Declaration,
  sources: readonly SourceTopic[],
  names: NamesOn,
): MadeRecord | undefined {
  const before = yaml.problems.length
  const kept = keptFields(yaml, declaration, sources)
  const fields: Field[] = [...kept].flatMap(([name, at]) => {
    const written = Object.fromEntries(
      sources.filter(({ type }) => fieldOf(type, name)).map((source) => [source.name, `event.${name}`]),
    )
    const compiled = compileWritten(yaml, at, written, sources, 'any', names)
    const doc = sources.flatMap(({ type }) => fieldOf(type, name)?.doc ?? [])[0]
    return compiled ? [{ name, at, compiled, doc }] : []
  })
  for (const [name, written] of Object.entries(declaration.map)) {
    const at = ['map', name]
    if (kept.has(name))
      yaml.add(at, { code: 'duplicate-name', message: `'${name}' is kept already`, expected: 'another name' }, 'key')
    const compiled = compileWritten(yaml, at, written, sources, 'any', names)
    if (compiled) fields.push({ name, at, compiled, doc: undefined })
  }
  if (yaml.problems.length > before) return undefined
  const placeOf = (name: string): Path => fields.find((field) => field.name === name)?.at ?? ['to']
  const type = recordType(yaml, declaration, sources, fields)
  if (!type) return undefined
  return {
    type,
    fill: (topic) => {
      const fills = fields.map(({ name, compiled }) => [name, compiled.get(topic)?.evaluate ?? nothing] as const)
      return (scope) => {
        const record: Record<string, unknown> = {}
        for (const [name, evaluate] of fills) record[name] = evaluate(scope)
        return record
      }
    },
    uses: (topic) => fields.flatMap(({ compiled }) => compiled.get(topic) ?? []),
    // `keep: all` stands at one place for all fields
    asks: (topic) => fields.flatMap(({ at, compiled }) => (at.length > 1 && compiled.get(topic)) || []),
    placeOf,
  }
}

/** The record that a part of one's own makes, which may look at the whole event. */
export function ownRecord({ type, maker }: OwnMaker, sources: readonly SourceTopic[]): MadeRecord {
  const whole = new Map(sources.map((source) => [source.name, source.type.fields.map(({ name }) => [name])]))
  return {
    type,
    fill: () => (scope) => {
      for (const name in scope) freeze(scope[name])
      return atOnce('make', maker.make(scope as Parameters<Maker['make']>[0]))
    },
    uses: (topic) => [{ fields: whole.get(topic) ?? [] }],
    asks: () => [],
    placeOf: () => ['use'],
  }
}

/** Events and what tables hold are shared with others: code of one's own may look, and fails where it changes them. */
function freeze(value: unknown): void {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || Object.isFrozen(value)) return
  Object.freeze(value)
  for (const inner of Object.values(value)) freeze(inner)
}

const nothing = () => null
const fieldOf = ({ fields }: RecordType, name: string): AvroField | undefined =>
  fields.find((field) => field.name === name)

/** Names of the fields that are kept, and where that is said. */
function keptFields(
  yaml: YamlFile,
  { keep, map }: Declaration,
  sources: readonly SourceTopic[],
): ReadonlyMap<string, Path> {
  const all = new Set(sources.flatMap(({ type }) => type.fields.map(({ name }) => name)))
  if (keep === undefined && Object.keys(map).length > 0) return new Map()
  if (keep === undefined || keep === 'all') return new Map([...all].map((name) => [name, [keep ? 'keep' : 'to']]))
  for (const [i, name] of keep.entries()) {
    const at = ['keep', i]
    const expected = `one of ${[...all].slice(0, 20).join(', ')}`
    if (!all.has(name))
      yaml.add(at, { code: 'unknown-field', message: `no field '${name}'`, expected, suggestion: nearest(name, all) })
    else if (keep.indexOf(name) < i) yaml.add(at, { code: 'duplicate-name', message: `'${name}' stands twice` })
  }
  return new Map(keep.map((name, i) => [name, ['keep', i]]))
}

function recordType(
  yaml: YamlFile,
  { topology }: Declaration,
  sources: readonly SourceTopic[],
  fields: readonly Field[],
): RecordType | undefined {
  const before = yaml.problems.length
  const typed = fields.map(({ name, at, compiled, doc }): AvroField => {
    const types = sources.flatMap((source) => compiled.get(source.name)?.avro ?? [])
    const [first, ...others] = types.map((type) => nonNull(type).type)
    const other = others.find((type) => !isSameType(first as AvroType, type))
    if (other) {
      const message = `'${name}' is ${first?.kind} on one topic and ${other.kind} on another`
      yaml.add(at, { code: 'bad-expression', message, expected: 'one type on all topics' })
    }
    const nullable = types.length < sources.length || types.some((type) => nonNull(type).nullable)
    const plain = (first ?? { kind: 'null' }) as AvroType
    const options = plain.kind === 'union' ? plain.options : [plain]
    const about = doc === undefined ? {} : { doc }
    if (!nullable) return { name, type: plain, aliases: [], ...about }
    return {
      name,
      type: { kind: 'union', options: [{ kind: 'null' }, ...options] },
      aliases: [],
      default: null,
      ...about,
    }
  })
  if (yaml.problems.length > before) return undefined
  const type: RecordType = { kind: 'record', name: `millrace.${recordName(topology)}`, aliases: [], fields: typed }
  try {
    schemaJson(type)
  } catch (error) {
    if (!(error instanceof SchemaError)) throw error
    const at = fields[0]?.at[0] ?? 'to'
    yaml.add([at], { code: 'invalid-schema', message: error.message, expected: error.expected })
    return undefined
  }
  return type
}
