/** What the expressions of a transform may name, beside the event: an element of a list, and what tables hold. */
import type { AvroType } from '../core/schema.ts'
import type { SourceTopic } from '../core/topics.ts'
import { type Compiled, compileLets, compileWritten, type NamesOn } from '../core/written.ts'
import type { YamlFile } from '../core/yaml.ts'
import type { Declaration } from './declaration.ts'

/** A table as a transform uses it. */
export interface Table {
  readonly name: string
  readonly topic: SourceTopic
  readonly key: Compiled<'text'>
  /** Its key asks for the element: there is a lookup for each. */
  readonly ofItem: boolean
}

export interface TransformNames {
  readonly flatten: Compiled<'any'> | undefined
  readonly tables: readonly Table[]
  /** For `where`: before there are elements. */
  readonly ofEvent: NamesOn
  readonly all: NamesOn
}

/** Undefined when anything is wrong; the problems are then the file's. */
export function compileNames(
  yaml: YamlFile,
  { flatten, tables, let: named }: Declaration,
  sources: readonly SourceTopic[],
  topics: ReadonlyMap<string, SourceTopic>,
): TransformNames | undefined {
  const before = yaml.problems.length
  const alone: NamesOn = () => ({ beside: new Map() })
  const lists = flatten === undefined ? undefined : compileWritten(yaml, ['flatten'], flatten, sources, 'any', alone)
  const itemOf = new Map(sources.map(({ name }) => [name, itemType(yaml, lists, name)]))
  const item = ({ name }: SourceTopic): [string, AvroType][] => {
    const type = itemOf.get(name)
    return type ? [['item', type]] : []
  }
  const withoutTables: NamesOn = (topic) => ({ beside: new Map(item(topic)) })
  const found = Object.entries(tables).flatMap(([name, { topic, key }]): Table[] => {
    checkName(yaml, name, sources)
    const compiled = compileWritten(yaml, ['tables', name, 'key'], key, sources, 'text', withoutTables)
    const table = topics.get(topic)
    const ofItem = [...(compiled?.values() ?? [])].some(({ beside }) => beside.has('item'))
    return compiled && table ? [{ name, topic: table, key: compiled, ofItem }] : []
  })
  const typesOf = (of: readonly Table[]) => of.map(({ name, topic }) => [name, maybe(topic.type)] as const)
  const everything: NamesOn = (topic) => ({ beside: new Map([...item(topic), ...typesOf(found)]) })
  if (yaml.problems.length > before) return undefined
  const all = compileLets(yaml, named, sources, everything)
  if (!all) return undefined
  const withLets =
    (names: NamesOn): NamesOn =>
    (topic) => ({ ...all(topic), ...names(topic) })
  const ofEvent: NamesOn = () => ({ beside: new Map(typesOf(found.filter(({ ofItem }) => !ofItem))) })
  return { flatten: lists, tables: found, ofEvent: withLets(ofEvent), all }
}

const maybe = (type: AvroType): AvroType => ({ kind: 'union', options: [{ kind: 'null' }, type] })

function itemType(yaml: YamlFile, lists: Compiled<'any'> | undefined, topic: string): AvroType | undefined {
  const { avro } = lists?.get(topic) ?? {}
  const options = avro?.kind === 'union' ? avro.options : avro ? [avro] : []
  const list = options.find((option) => option.kind !== 'null')
  if (!list || list.kind === 'array') return list?.items
  yaml.add(['flatten'], { code: 'bad-expression', message: `this is ${list.kind}`, expected: 'a list' })
  return undefined
}

function checkName(yaml: YamlFile, name: string, sources: readonly SourceTopic[]): void {
  const isField = sources.some(({ type }) => type.fields.some((field) => field.name === name))
  if (!isField && name !== 'event' && name !== 'item') return
  const message = `'${name}' is ${isField ? 'a field of the events' : 'a name'} already`
  yaml.add(['tables', name], { code: 'duplicate-name', message, expected: 'another name' }, 'key')
}
