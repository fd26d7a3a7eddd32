/** Compiles what files declare, all against all: topics that one makes have their schema from it, and come before who reads them. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { isMapping } from '../core/mapping.ts'
import { nearest } from '../core/suggest.ts'
import { type FoundTopic, findTopic, type Reading, type SourceTopic, topicOf } from '../core/topics.ts'
import type { Declared, Named } from '../core/topology.ts'
import type { YamlFile } from '../core/yaml.ts'
import type { AnyTopology } from './kinds.ts'

/** A file that declares something. */
export interface Read {
  readonly file: YamlFile
  readonly modified: number
  readonly declared: Declared<AnyTopology>
}

/** Those that are right, with what others read before them. Problems go to the files. `unread`: files that are wrong. */
export async function compileAll(
  read: readonly Read[],
  unread: readonly YamlFile[],
  given: Omit<Reading, 'written'>,
): Promise<readonly AnyTopology[]> {
  reportDuplicates(read)
  reportFormats(read)
  if (given.yaml.problems.some((problem) => problem.code === 'yaml-syntax')) return []
  const namesOf = (list: (declared: Declared<AnyTopology>) => readonly Named[]) =>
    read.flatMap(({ declared }) => list(declared).map(({ name }) => name))
  const written = new Set(namesOf(({ writes }) => writes))
  const reading = { ...given, written }
  const topics = new Map<string, FoundTopic>()
  for (const name of new Set([...Object.keys(given.config.topics), ...namesOf(({ reads }) => reads), ...written]))
    topics.set(name, await findTopic(name, reading))
  // what a wrong file would write is not missing: its own fault is the cause
  for (const name of unread.flatMap(topicsNamed)) if (topics.get(name) === 'missing') topics.set(name, 'wrong')
  return new Compiling(read, reading, topics, await knownTopics(reading)).all()
}

/** Topics that a file names under `to`, whatever else is in it. */
function topicsNamed({ value }: YamlFile): string[] {
  const to = isMapping(value) ? value.to : undefined
  return (Array.isArray(to) ? to : [to]).flatMap((one) => {
    const name = isMapping(one) ? one.topic : one
    return typeof name === 'string' ? [name] : []
  })
}

class Compiling {
  private readonly read: readonly Read[]
  private readonly reading: Reading
  private readonly topics: Map<string, FoundTopic>
  private readonly known: readonly string[]
  private readonly begun = new Set<Read>()
  private readonly done = new Set<Read>()
  private readonly right: AnyTopology[] = []

  constructor(read: readonly Read[], reading: Reading, topics: Map<string, FoundTopic>, known: readonly string[]) {
    this.read = read
    this.reading = reading
    this.topics = topics
    this.known = known
  }

  all(): readonly AnyTopology[] {
    for (const one of this.read) this.compile(one)
    return this.right
  }

  private compile(one: Read): void {
    if (this.begun.has(one)) return
    this.begun.add(one)
    const { file, declared, modified } = one
    const before = file.problems.length
    for (const { name, at } of declared.reads) {
      for (const writer of this.read.filter((other) => other.declared.writes.some((topic) => topic.name === name))) {
        if (writer.declared.writes.some((topic) => topic.name === name && topic.format === 'json')) {
          const message = `topic '${name}' is written as JSON by ${writer.file.file}: topologies read Avro`
          file.add(at, { code: 'bad-value', message, expected: 'a topic of format: avro' })
          continue
        }
        this.compile(writer)
        if (this.done.has(writer) || writer === one) continue
        const message = `topic '${name}' is made of what is made here: records would go round for ever`
        file.add(at, { code: 'bad-value', message, expected: 'topologies that form no circle' })
      }
    }
    const mine = file.problems.length > before ? undefined : this.topicsOf(one)
    const compiled = mine && declared.compile(mine, this.reading.config, modified)
    for (const topology of compiled ?? []) {
      this.right.push(topology)
      for (const { name, schema } of topology.writes)
        if (this.topics.get(name) === 'missing')
          this.topics.set(
            name,
            topicOf(name, schema, this.reading, (fault) => file.add(['to'], fault)),
          )
    }
    if (!compiled)
      for (const { name } of declared.writes) if (this.topics.get(name) === 'missing') this.topics.set(name, 'wrong')
    this.done.add(one)
  }

  /** The topics that it reads, by name, and those it writes that are known; undefined when one is missing or wrong. */
  private topicsOf({ file, declared: { reads, writes } }: Read): ReadonlyMap<string, SourceTopic> | undefined {
    const mine = new Map<string, SourceTopic>()
    let right = true
    for (const { name, at } of reads) {
      const topic = this.topics.get(name)
      if (topic === 'missing') {
        const expected = `a schema schemas/${name}.avsc, or the topic under topics: in millrace.yaml`
        const suggestion = nearest(name, [...this.known, ...this.reading.written])
        file.add(at, { code: 'unknown-topic', message: `unknown topic '${name}'`, expected, suggestion })
      }
      if (topic === undefined || typeof topic === 'string') right = false
      else mine.set(name, topic)
    }
    for (const { name } of writes) {
      const topic = this.topics.get(name)
      if (topic === 'wrong') right = false
      else if (topic !== undefined && topic !== 'missing') mine.set(name, topic)
    }
    return right ? mine : undefined
  }
}

/** Topics that are declared or have a schema file, for suggestions. */
async function knownTopics({ directory, config }: Reading): Promise<string[]> {
  const files = await readdir(join(directory, 'schemas')).catch(() => [])
  const named = files.filter((file) => file.endsWith('.avsc')).map((file) => file.slice(0, -'.avsc'.length))
  return [...Object.keys(config.topics), ...named]
}

/** Topologies by name, and what only one may define: each once in a project. */
function reportDuplicates(read: readonly Read[]): void {
  const topologies = new Map<string, string>()
  const defined = new Map<string, string>()
  for (const { file, declared } of read) {
    const before = file.problems.length
    for (const { name, at } of declared.names) {
      const first = topologies.get(name)
      if (first === undefined) topologies.set(name, file.file)
      else
        file.add(at, {
          code: 'duplicate-name',
          message: `topology '${name}' is declared in ${first} already`,
          expected: 'another name',
        })
    }
    // a copy: what it defines is there already, too
    if (file.problems.length > before) continue
    for (const { what, name, at } of declared.defines) {
      const before = defined.get(`${what} ${name}`)
      if (before === undefined) defined.set(`${what} ${name}`, file.file)
      else
        file.add(
          at,
          {
            code: 'duplicate-name',
            message: `${what} '${name}' in ${before} already`,
            expected: 'another name',
          },
          'key',
        )
    }
  }
}

/** A topic has one format, whoever writes it. */
function reportFormats(read: readonly Read[]): void {
  const first = new Map<string, string>()
  for (const { file, declared } of read)
    for (const { name, at, format } of declared.writes) {
      const before = first.get(name) ?? format
      first.set(name, before)
      const message = `topic '${name}' is written as ${before} already`
      if (before !== format) file.add(at, { code: 'bad-value', message, expected: `format: ${before}` })
    }
}
