/** Reads a project's files and says everything that is wrong with them, without a broker. */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Config, readConfig } from '../core/config.ts'
import { type Problem, sortProblems } from '../core/problem.ts'
import { nearest } from '../core/suggest.ts'
import { YamlFile } from '../core/yaml.ts'
import { compileTopology, type FeatureTopology } from './compile.ts'
import { type Declaration, readDeclaration } from './declaration.ts'
import { loadFeatureParts } from './parts.ts'
import { type FoundTopic, findTopic, type RemoteSchema, readText, type SourceTopic } from './topics.ts'

export { type Problem, renderProblems } from '../core/problem.ts'

export interface Project {
  readonly directory: string
  readonly config: Config
  readonly topologies: readonly FeatureTopology[]
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
type Declared = TopologyFile & { readonly declaration: Declaration }
type Reading = Parameters<typeof findTopic>[1]

/** Undefined when there is no such folder. */
async function topologyFiles(directory: string, config: Config): Promise<TopologyFile[] | undefined> {
  const folder = join(directory, config.topologies)
  const found = await stat(folder).catch(() => undefined)
  if (!found?.isDirectory()) return undefined
  const names = (await readdir(folder)).filter((name) => /\.ya?ml$/.test(name)).sort()
  return Promise.all(
    names.map(async (name) => {
      const path = join(folder, name)
      const [text, { mtimeMs }] = await Promise.all([readText(path), stat(path)])
      return { file: new YamlFile(`${config.topologies}/${name}`, text ?? ''), modified: Math.floor(mtimeMs) }
    }),
  )
}

async function compileAll(files: readonly TopologyFile[], reading: Reading): Promise<FeatureTopology[]> {
  const parts = await loadFeatureParts()
  const declared = files.flatMap((one): Declared[] => {
    const declaration = one.file.problems.length > 0 ? undefined : readDeclaration(one.file, parts)
    return declaration ? [{ ...one, declaration }] : []
  })
  reportDuplicates(declared)
  const names = new Set([
    ...Object.keys(reading.config.topics),
    ...declared.flatMap(({ declaration }) => declaration.from),
  ])
  const broken = reading.yaml.problems.some((problem) => problem.code === 'yaml-syntax')
  const topics = new Map<string, FoundTopic>()
  for (const name of broken ? [] : names) topics.set(name, await findTopic(name, reading))
  const known = await knownTopics(reading)
  return declared.flatMap((one) => {
    const sources = broken ? undefined : sourcesOf(one, topics, known)
    const topology = sources && compileTopology(one.file, one.declaration, reading.config, sources, one.modified)
    return topology ?? []
  })
}

/** Undefined when a source is missing or wrong. */
function sourcesOf({ file, declaration }: Declared, topics: ReadonlyMap<string, FoundTopic>, known: readonly string[]) {
  const sources: SourceTopic[] = []
  const isList = Array.isArray((file.value as { from: unknown }).from)
  for (const [i, name] of declaration.from.entries()) {
    const at = isList ? ['from', i] : ['from']
    const topic = topics.get(name)
    if (topic === 'missing') {
      const expected = `a schema schemas/${name}.avsc, or the topic under topics: in millrace.yaml`
      file.add(at, {
        code: 'unknown-topic',
        message: `unknown topic '${name}'`,
        expected,
        suggestion: nearest(name, known),
      })
    } else if (declaration.from.indexOf(name) < i)
      file.add(at, { code: 'duplicate-name', message: `topic '${name}' stands twice` })
    else if (topic !== undefined && topic !== 'wrong') sources.push(topic)
  }
  return sources.length === declaration.from.length ? sources : undefined
}

/** Topics that are declared or have a schema file, for suggestions. */
async function knownTopics({ directory, config }: Reading): Promise<string[]> {
  const files = await readdir(join(directory, 'schemas')).catch(() => [])
  const named = files.filter((file) => file.endsWith('.avsc')).map((file) => file.slice(0, -'.avsc'.length))
  return [...Object.keys(config.topics), ...named]
}

/** Topologies by name, features by entity and name: each only once in a project. */
function reportDuplicates(declared: readonly Declared[]): void {
  const topologies = new Map<string, string>()
  const features = new Map<string, string>()
  for (const { file, declaration } of declared) {
    const { topology, entity } = declaration
    const first = topologies.get(topology)
    if (first === undefined) topologies.set(topology, file.file)
    else
      file.add(['topology'], {
        code: 'duplicate-name',
        message: `topology '${topology}' is declared in ${first} already`,
        expected: 'another name',
      })
    for (const { name } of declaration.features) {
      const before = features.get(`${entity}/${name}`)
      if (before === undefined) features.set(`${entity}/${name}`, file.file)
      else
        file.add(
          ['features', name],
          {
            code: 'duplicate-name',
            message: `entity '${entity}' has a feature '${name}' in ${before} already`,
            expected: 'another name',
          },
          'key',
        )
    }
  }
}
