/** From a declaration to a flow: everything checked against the schemas, every expression a closure. */
import type { Config } from '../core/config.ts'
import { RecordError } from '../core/errors.ts'
import type { Expected } from '../core/expression/index.ts'
import { fingerprint } from '../core/fingerprint.ts'
import { described, misfit } from '../core/fit.ts'
import type { Encoder, Event, Lookup, Made, Millis, TopicSpec, TransformFlow, TransformSource } from '../core/model.ts'
import { schemaJson } from '../core/schema-json.ts'
import { nearest } from '../core/suggest.ts'
import type { SourceTopic } from '../core/topics.ts'
import type { Topology } from '../core/topology.ts'
import { type Compiled, compileWritten, type NamesOn, outermost } from '../core/written.ts'
import type { YamlFile } from '../core/yaml.ts'
import { type Declaration, placeOf } from './declaration.ts'
import { compileNames, type Table } from './names.ts'
import type { OwnMaker } from './own.ts'
import { compileRecord, type MadeRecord, ownRecord } from './record.ts'

/** A topology of kind `transform` that is right. */
export interface TransformTopology extends Topology {
  readonly kind: 'transform'
  readonly owner: Declaration['owner']
  readonly description: string | undefined
  /** `encoders`: for the topics it writes. */
  readonly flow: (encoders: ReadonlyMap<string, Encoder>) => TransformFlow
}

/**
 * A transform has one generation for ever: it goes on from where it stands, whatever is changed, since what it appended stays
 * appended. So a record has one name, however often it is made.
 */
const GENERATION = 'once'
const RETENTION_MS = 7 * 86_400_000
/** What is made of one record is held in memory at once: a long list of which each element keeps the whole record would fill it. */
const MOST_MADE_BYTES = 64 << 20

interface Route {
  readonly topic: string
  readonly when: Compiled<'bool'> | undefined
}

/** Undefined when anything is wrong; the problems are then the file's. */
export function compileTransform(
  yaml: YamlFile,
  declaration: Declaration,
  topics: ReadonlyMap<string, SourceTopic>,
  config: Config,
  writtenAt: Millis,
  own: OwnMaker | undefined,
): TransformTopology | undefined {
  const before = yaml.problems.length
  const { topology: name, from, tags, owner, description } = declaration
  const sources = from.flatMap((topic) => topics.get(topic) ?? [])
  const names = compileNames(yaml, declaration, sources, topics)
  if (!names) return undefined
  const { tables } = names
  const one = <E extends Expected>(at: 'where' | 'key', expects: E, known: NamesOn) => {
    const written = declaration[at]
    return written === undefined ? undefined : compileWritten(yaml, [at], written, sources, expects, known)
  }
  const where = one('where', 'bool', names.ofEvent)
  const key = one('key', 'text', names.all)
  if (key) refuseTable(yaml, key, tables)
  const routes = declaration.to.map(({ topic, when }, i): Route => {
    const at = [...placeOf(yaml, 'to', i), 'when']
    return { topic, when: when === undefined ? undefined : compileWritten(yaml, at, when, sources, 'bool', names.all) }
  })
  const made = own ? ownRecord(own, sources) : compileRecord(yaml, declaration, sources, names.all)
  if (!made || yaml.problems.length > before) return undefined
  const writes = declaration.to.map(({ topic, format }, i) => {
    const known = topics.get(topic)
    if (known) checkFit(yaml, i, made, known)
    return { ...specOf(topic, config), schema: known?.schema ?? schemaOf(made, description), format }
  })
  if (yaml.problems.length > before) return undefined
  const code = own ? { own: [own.own.name, own.own.digest] } : {}
  const definition = fingerprint({ declared: yaml.value, ...code })
  const declaredAt = Math.max(writtenAt, own?.own.modified ?? 0)
  const parts = { flatten: names.flatten, tables, where, key, routes, made }
  return {
    kind: 'transform',
    name,
    file: yaml.file,
    sources,
    tables: tables.map(({ topic }) => topic),
    writes,
    tags,
    owner,
    description,
    generation: GENERATION,
    definition,
    declaredAt,
    flow: (encoders) => ({
      name,
      generation: GENERATION,
      definition,
      declaredAt,
      shuffle: undefined,
      direct: undefined,
      sources: sources.map((source) => sourceOf(source, parts, encoders)),
      tables: tables.map(({ topic }) => ({
        topic: topic.name,
        fields: topic.type.fields.map((field) => [field.name]),
      })),
      writes: writes.map((topic) => topic.name),
      start: declaration.start ?? config.engine.start,
      ...(own ? { own: { timeout: config.ownParts.timeout, stops: config.ownParts.failures === 'stop' } } : {}),
    }),
  }
}

/** The key decides where a record goes, which must be the same whenever it is made again. */
function refuseTable(yaml: YamlFile, key: Compiled<'text'>, tables: readonly Table[]): void {
  const asked = tables.find(({ name }) => [...key.values()].some(({ beside }) => beside.has(name)))
  if (!asked) return
  const message = `the key comes from the table '${asked.name}', where it may change`
  const expected = 'a key from the event; a second transform can have what this one found as its key'
  yaml.add(['key'], { code: 'bad-expression', message, expected })
}

function specOf(name: string, { topics, engine }: Config): TopicSpec {
  const { partitions = engine.shufflePartitions, retention: retentionMs = RETENTION_MS } = topics[name] ?? {}
  return { name, partitions, retentionMs }
}

const schemaOf = ({ type }: MadeRecord, doc: string | undefined) => ({
  ...(schemaJson(type) as object),
  ...(doc === undefined ? {} : { doc }),
})

/** A topic that has a schema gets records that fit it. */
function checkFit(
  yaml: YamlFile,
  index: number,
  { type, placeOf: placeOfField }: MadeRecord,
  topic: SourceTopic,
): void {
  const { fields } = topic.type
  for (const field of fields) {
    const given = type.fields.find(({ name }) => name === field.name)
    if (!given && !('default' in field)) {
      const message = `the schema of ${topic.name} has a field '${field.name}', which the record lacks`
      yaml.add(placeOf(yaml, 'to', index), { code: 'bad-value', message, expected: described(field.type) })
    }
    const fault = given && misfit(given.type, field.type)
    if (fault === undefined) continue
    const message = `'${field.name}' does not fit the schema of ${topic.name}: ${fault}`
    yaml.add(placeOfField(field.name), { code: 'bad-expression', message })
  }
  const known = fields.map(({ name }) => name)
  for (const { name } of type.fields) {
    if (known.includes(name)) continue
    const message = `the schema of ${topic.name} has no field '${name}'`
    const expected = `one of ${known.slice(0, 20).join(', ')}`
    yaml.add(placeOfField(name), { code: 'unknown-field', message, expected, suggestion: nearest(name, known) }, 'key')
  }
}

interface Parts {
  readonly flatten: Compiled<'any'> | undefined
  readonly tables: readonly Table[]
  readonly where: Compiled<'bool'> | undefined
  readonly key: Compiled<'text'> | undefined
  readonly routes: readonly Route[]
  readonly made: MadeRecord
}

function sourceOf(
  { name, named }: SourceTopic,
  { flatten, tables, where, key, routes, made }: Parts,
  encoders: ReadonlyMap<string, Encoder>,
): TransformSource {
  const on = <E extends Expected>(compiled: Compiled<E> | undefined) => compiled?.get(name)
  const used = [
    ...[on(flatten), on(where), on(key)],
    ...tables.map((table) => on(table.key)),
    ...routes.map(({ when }) => on(when)),
  ]
  const fieldsWith = (ofRecord: ReturnType<MadeRecord['uses']>) =>
    outermost([...used, ...ofRecord].flatMap((expression) => expression?.fields ?? []))
  const fill = made.fill(name)
  const takes = where ? (on(where)?.evaluate ?? never) : always
  const listOf = flatten && (on(flatten)?.evaluate ?? nothing)
  const keyOf = key && (on(key)?.evaluate ?? nothing)
  const lookups = (ofItem: boolean) =>
    tables
      .filter((table) => table.ofItem === ofItem)
      .map((table) => ({ name: table.name, topic: table.topic.name, keyOf: on(table.key)?.evaluate ?? nothing }))
  const [ofEvent, ofItem] = [lookups(false), lookups(true)]
  const ways = routes.map(({ topic, when }) => ({
    topic,
    takes: when ? (on(when)?.evaluate ?? never) : always,
    encoder: encoders.get(topic) as Encoder,
  }))
  return {
    topic: name,
    named,
    fields: fieldsWith(made.uses(name)),
    asked: fieldsWith(made.asks(name)),
    make: (event, record, lookup) => {
      const scope = withTables({ event }, ofEvent, lookup)
      if (!takes(scope)) return []
      const items = listOf ? ((listOf(scope) ?? []) as readonly unknown[]) : [undefined]
      const all: Made[] = []
      let bytes = 0
      for (const [i, item] of items.entries()) {
        const here = listOf ? withTables({ ...scope, item }, ofItem, lookup) : scope
        let value: Event | null | undefined
        for (const [way, { topic, takes: goes, encoder }] of ways.entries()) {
          if (!goes(here)) continue
          value ??= fill(here)
          if (value === null) break
          const index = i * ways.length + way
          const made = encoder.encode(value)
          bytes += made.length
          if (bytes > MOST_MADE_BYTES)
            throw new RecordError(
              'record-too-large',
              `more than ${MOST_MADE_BYTES} bytes are made of its ${items.length} items`,
            )
          all.push({ topic, index, key: keyOf ? keyOf(here) : record.key, value: made })
        }
      }
      return all
    },
  }
}

const always = () => true
const never = () => false
const nothing = () => null

function withTables(
  scope: Record<string, unknown>,
  lookups: readonly {
    readonly name: string
    readonly topic: string
    readonly keyOf: (scope: Event) => string | null
  }[],
  lookup: Lookup,
): Record<string, unknown> {
  for (const { name, topic, keyOf } of lookups) {
    const key = keyOf(scope)
    scope[name] = key === null ? null : lookup(topic, key)
  }
  return scope
}
