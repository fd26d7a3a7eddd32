/** Topics as topologies see them: schema, event time, id and key, checked against each other. */
import { readdir } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Config, TopicConfig } from './config.ts'
import { only } from './errors.ts'
import { compileExpression, type Expression, ExpressionError } from './expression/index.ts'
import type { Fault } from './problem.ts'
import { readYaml } from './read-yaml.ts'
import { type AvroField, type AvroType, nonNull, type RecordType, SchemaError, topicType } from './schema.ts'
import { nearest } from './suggest.ts'
import type { YamlFile } from './yaml.ts'

export interface SourceTopic {
  readonly name: string
  /** Parsed JSON, as the file or the registry has it. */
  readonly schema: unknown
  readonly type: RecordType
  readonly config: TopicConfig
  readonly time: Expression<'number'> | undefined
  readonly id: Expression<'text'> | undefined
  /** A transform appends to it: its records carry names, by which repeats are told. */
  readonly named: boolean
}

/** Asks where schemas are that no file holds; undefined when there is none. */
export type RemoteSchema = (topic: string, config: Config) => Promise<unknown>

/** `missing`: neither declared nor has a schema anywhere. `wrong`: its problem is told already. */
export type FoundTopic = SourceTopic | 'missing' | 'wrong'

export interface Reading {
  readonly directory: string
  readonly config: Config
  /** `millrace.yaml`, where problems with what it says of topics go. */
  readonly yaml: YamlFile
  /** Gets the files of schemas, with their problems. */
  readonly files: YamlFile[]
  readonly remoteSchema: RemoteSchema | undefined
  /** Topics that topologies of the project append to; those without a schema of their own get it from there. */
  readonly written: ReadonlySet<string>
}

/** Finds a topic's schema and checks what `millrace.yaml` says of it. */
export async function findTopic(name: string, reading: Reading): Promise<FoundTopic> {
  const { directory, config, yaml, files, remoteSchema, written } = reading
  const declared = Object.hasOwn(config.topics, name) ? config.topics[name] : undefined
  const path = declared?.schema ?? `schemas/${name}.avsc`
  const read = await readYaml(join(directory, path), path)
  const at = ['topics', name]
  if (read) {
    const { file, text } = read
    files.push(file)
    const schema = text === undefined ? undefined : parseJson(text, file)
    if (schema === undefined || file.problems.length > 0) return 'wrong'
    return topicOf(name, schema, reading, (fault, place) => file.add(place, fault))
  }
  if (declared?.schema === undefined) {
    if (written.has(name)) return 'missing'
    const remote = await remoteSchema?.(name, config)
    if (remote !== undefined) return topicOf(name, remote, reading, (fault) => yaml.add(at, fault, 'key'))
    if (!declared) return 'missing'
  }
  const fault = { code: 'missing-schema', message: `topic ${name} has no schema: there is no file ${path}` } as const
  const more = { expected: 'an Avro schema (.avsc)', suggestion: await nearFile(directory, path) }
  if (declared?.schema === undefined) yaml.add(at, { ...fault, ...more }, 'key')
  else yaml.add([...at, 'schema'], { ...fault, ...more })
  return 'wrong'
}

/** The topic with this schema; what is wrong with the schema itself is given to `add`. */
export function topicOf(
  name: string,
  schema: unknown,
  { config, yaml, written }: Pick<Reading, 'config' | 'yaml' | 'written'>,
  add: (fault: Fault, place: readonly (string | number)[]) => void,
): FoundTopic {
  const declared = Object.hasOwn(config.topics, name) ? config.topics[name] : undefined
  try {
    return describeTopic(name, schema, topicType(schema), declared ?? {}, yaml, declared?.named ?? written.has(name))
  } catch (error) {
    const { code, message, expected, suggestion, path } = only(SchemaError, error)
    add({ code, message, expected, suggestion }, path)
    return 'wrong'
  }
}

function describeTopic(
  name: string,
  schema: unknown,
  type: RecordType,
  config: TopicConfig,
  yaml: YamlFile,
  named: boolean,
): FoundTopic {
  const before = yaml.problems.length
  const compile = <E extends 'number' | 'text'>(key: 'time' | 'id', expects: E): Expression<E> | undefined => {
    const path = config[key]
    const fields = key === 'time' ? type.fields.filter((field) => isTimeKind(nonNull(field.type).type.kind)) : []
    const likely = fields.map((field) => field.name)
    return path === undefined ? undefined : compileField(yaml, ['topics', name, key], path, type, expects, likely)
  }
  const time = compile('time', 'number')
  const timeKind = time && kindAt(type, time.fields[0] as readonly string[])
  if (timeKind !== undefined && !isTimeKind(timeKind))
    yaml.add(['topics', name, 'time'], {
      code: 'bad-value',
      message: `time is of type ${timeKind}`,
      expected: 'a timestamp, or a long in milliseconds',
      suggestion: type.fields.find((field) => nonNull(field.type).type.kind === 'timestamp')?.name,
    })
  const id = compile('id', 'text')
  for (const [i, path] of (config.key ?? []).entries())
    compileField(yaml, ['topics', name, 'key', i], path, type, 'text')
  return yaml.problems.length > before ? 'wrong' : { name, schema, type, config, time, id, named }
}

/** The Avro kind of the field at a path through records. */
function kindAt(type: RecordType, path: readonly string[]): AvroType['kind'] {
  let at: AvroType = type
  for (const name of path) {
    const field = (at as RecordType).fields.find((each) => each.name === name) as AvroField
    at = nonNull(field.type).type
  }
  return at.kind
}

function isTimeKind(kind: AvroType['kind']): boolean {
  return kind === 'timestamp' || kind === 'long'
}

/** A field path that must name a field of the record; of near names, `likely` ones are suggested first. */
export function compileField<E extends 'number' | 'text'>(
  yaml: YamlFile,
  at: readonly (string | number)[],
  path: string,
  type: RecordType,
  expects: E,
  likely: readonly string[] = [],
): Expression<E> | undefined {
  try {
    return compileExpression(`event.${path}`, { event: type, expects })
  } catch (error) {
    const { code, message, expected, suggestion, offset } = only(ExpressionError, error)
    const near = code === 'unknown-field' ? nearest(path, likely) : undefined
    yaml.add(at, { code, message, expected, suggestion: near ?? suggestion }, Math.max(0, offset - 'event.'.length))
    return undefined
  }
}

/** A schema in the same folder whose name is near. */
async function nearFile(directory: string, path: string): Promise<string | undefined> {
  const names = await readdir(join(directory, dirname(path))).catch(() => [])
  const near = nearest(
    basename(path),
    names.filter((name) => name.endsWith('.avsc')),
  )
  return near && join(dirname(path), near)
}

/** YAML reads JSON, so it can point into it; but not all that it reads is JSON. */
function parseJson(text: string, file: YamlFile): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    const [, reason = 'not JSON', position = text.trimEnd().length] =
      /^(.*?) (?:in|after) JSON at position (\d+)/.exec((error as Error).message) ?? []
    file.problems.length = 0
    const message = /end of JSON/.test((error as Error).message) ? 'it ends too soon' : reason
    file.addAt(Number(position), { code: 'invalid-schema', message, expected: 'JSON' })
    return undefined
  }
}
