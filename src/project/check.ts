/** Reads a project's files and says everything that is wrong with them, without a broker. */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Config, readConfig } from '../core/config.ts'
import { describe } from '../core/issues.ts'
import { type Problem, sortProblems } from '../core/problem.ts'
import { nearest } from '../core/suggest.ts'
import { type FoundTopic, findTopic, type RemoteSchema, readText, type SourceTopic } from '../core/topics.ts'
import type { Declared, Kind } from '../core/topology.ts'
import { YamlFile } from '../core/yaml.ts'
import { type AnyTopology, KINDS } from './kinds.ts'

export { type Problem, renderProblems } from '../core/problem.ts'

export interface Project {
  readonly directory: string
  readonly config: Config
  readonly topologies: readonly AnyTopology[]
}

export interface CheckOptions {
  /** For `${NAME}` in `millrace.yaml`; nothing is set when left out. */
  readonly environment?: Readonly<Record<string, string | undefined>>
  /** Asked for the schema of a topic that has no file; its failures are passed on. */
  readonly remoteSchema?: RemoteSchema
}

/** Either problems, in the order of files and lines, or a project that can start. */
export async function checkProject(
  directory: string,
  { environment = {}, remoteSchema }: CheckOptions = {},
): Promise<{ readonly problems: readonly Problem[]; readonly project?: Project }> {
  const text = await readText(join(directory, 'millrace.yaml'))
  const yaml = new YamlFile('millrace.yaml', text ?? '')
  const config = await readConfig(yaml, environment)
  const files: YamlFile[] = [yaml]
  const topologies = await topologyFiles(directory, config)
  if (topologies === undefined && (text === undefined || yaml.problems.length === 0)) {
    const message =
      text === undefined
        ? `neither millrace.yaml nor a folder ${config.topologies} is here`
        : `there is no folder ${config.topologies}`
    yaml.add(['topologies'], { code: 'file-unreadable', message, expected: 'topology files (*.yaml) in it' })
  }
  files.push(...(topologies ?? []).map(({ file }) => file))
  const compiled = await compileAll(topologies ?? [], { directory, config, yaml, files, remoteSchema })
  const problems = sortProblems(files.flatMap((file) => file.problems))
  return problems.length > 0 ? { problems } : { problems, project: { directory, config, topologies: compiled } }
}

interface TopologyFile {
  readonly file: YamlFile
  readonly modified: number
}
type Read = TopologyFile & { readonly declared: Declared<AnyTopology> }
type Reading = Parameters<typeof findTopic>[1]

/** Is a file in the folder of the topologies one of them? Their test cases stand there too. */
export function isTopologyFile(name: string): boolean {
  return /\.ya?ml$/.test(name) && !isTestFile(name)
}

/** Does a file in the folder of the topologies hold test cases? */
export function isTestFile(name: string): boolean {
  return /\.test\.ya?ml$/.test(name)
}

/** Undefined when there is no such folder. */
async function topologyFiles(directory: string, config: Config): Promise<TopologyFile[] | undefined> {
  const folder = join(directory, config.topologies)
  const found = await stat(folder).catch(() => undefined)
  if (!found?.isDirectory()) return undefined
  const names = (await readdir(folder)).filter(isTopologyFile).sort()
  return Promise.all(
    names.map(async (name) => {
      const path = join(folder, name)
      const [text, { mtimeMs }] = await Promise.all([readText(path), stat(path)])
      return { file: new YamlFile(`${config.topologies}/${name}`, text ?? ''), modified: Math.floor(mtimeMs) }
    }),
  )
}

async function compileAll(files: readonly TopologyFile[], reading: Reading): Promise<AnyTopology[]> {
  const read: Read[] = []
  for (const one of files) {
    const declared = one.file.problems.length > 0 ? undefined : await kindOf(one.file)?.read(one.file)
    if (declared) read.push({ ...one, declared })
  }
  reportDuplicates(read)
  if (reading.yaml.problems.some((problem) => problem.code === 'yaml-syntax')) return []
  const named = read.flatMap(({ declared }) => declared.reads.map(({ name }) => name))
  const topics = new Map<string, FoundTopic>()
  for (const name of new Set([...Object.keys(reading.config.topics), ...named]))
    topics.set(name, await findTopic(name, reading))
  const known = await knownTopics(reading)
  return read.flatMap((one) => {
    const mine = topicsOf(one, topics, known)
    return (mine && one.declared.compile(mine, reading.config, one.modified)) ?? []
  })
}

/** Undefined when the file names a kind that is none. */
function kindOf(file: YamlFile): Kind<AnyTopology> | undefined {
  const { kind = 'features' } = (file.value ?? {}) as { readonly kind?: unknown }
  if (typeof kind === 'string' && Object.hasOwn(KINDS, kind)) return KINDS[kind]
  const names = Object.keys(KINDS)
  const suggestion = nearest(String(kind), names)
  const expected = `one of ${names.join(', ')}`
  file.add(['kind'], { code: 'bad-value', message: `kind is ${describe(kind)}`, expected, suggestion })
  return undefined
}

/** The topics that it reads, by name; undefined when one is missing or wrong. */
function topicsOf({ file, declared }: Read, topics: ReadonlyMap<string, FoundTopic>, known: readonly string[]) {
  const mine = new Map<string, SourceTopic>()
  let right = true
  for (const { name, at } of declared.reads) {
    const topic = topics.get(name)
    if (topic === 'missing') {
      const expected = `a schema schemas/${name}.avsc, or the topic under topics: in millrace.yaml`
      file.add(at, {
        code: 'unknown-topic',
        message: `unknown topic '${name}'`,
        expected,
        suggestion: nearest(name, known),
      })
    }
    if (topic === undefined || typeof topic === 'string') right = false
    else mine.set(name, topic)
  }
  return right ? mine : undefined
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
