/** Reads a project's files and says everything that is wrong with them, without a broker. */
import { readdir, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type Config, readConfig } from '../core/config.ts'
import { describe } from '../core/issues.ts'
import { isMapping } from '../core/mapping.ts'
import { type Problem, sortProblems } from '../core/problem.ts'
import { readYaml } from '../core/read-yaml.ts'
import { nearest } from '../core/suggest.ts'
import type { RemoteSchema } from '../core/topics.ts'
import type { Kind } from '../core/topology.ts'
import { YamlFile } from '../core/yaml.ts'
import { compileAll, type Read } from './compile.ts'
import { type AnyTopology, KINDS } from './kinds.ts'

export { type Problem, renderProblems } from '../core/problem.ts'

/** A project that is right: its directory, its configuration, and its topologies compiled. */
export interface Project {
  readonly directory: string
  readonly config: Config
  readonly topologies: readonly AnyTopology[]
}

/** What checking a project may use. */
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
  const found = await readYaml(join(directory, 'millrace.yaml'), 'millrace.yaml')
  const yaml = found?.file ?? new YamlFile('millrace.yaml', '')
  const config = await readConfig(yaml, environment)
  const files: YamlFile[] = [yaml]
  const topologies = await topologyFiles(directory, config)
  if (topologies === undefined && (found === undefined || yaml.problems.length === 0)) {
    const message =
      found === undefined
        ? `neither millrace.yaml nor a folder ${config.topologies} is in ${resolve(directory)}`
        : `there is no folder ${resolve(directory, config.topologies)}`
    yaml.add(['topologies'], { code: 'file-unreadable', message, expected: 'topology files (*.yaml) in it' })
  }
  files.push(...(topologies ?? []).map(({ file }) => file))
  const { read, unread } = await readAll(topologies ?? [], directory)
  const compiled = await compileAll(read, unread, { directory, config, yaml, files, remoteSchema })
  const problems = sortProblems(files.flatMap((file) => file.problems))
  return problems.length > 0 ? { problems } : { problems, project: { directory, config, topologies: compiled } }
}

interface TopologyFile {
  readonly file: YamlFile
  readonly modified: number
}

/** Is a file in the folder of the topologies one of them? Their test cases stand there too, and what editors hide there. */
export function isTopologyFile(name: string): boolean {
  return /^[^.].*\.ya?ml$/.test(name) && !isTestFile(name)
}

/** Does a file in the folder of the topologies hold test cases? */
export function isTestFile(name: string): boolean {
  return /^[^.].*\.test\.ya?ml$/.test(name)
}

/** Undefined when there is no such folder. */
async function topologyFiles(directory: string, config: Config): Promise<TopologyFile[] | undefined> {
  const folder = join(directory, config.topologies)
  const found = await stat(folder).catch(() => undefined)
  if (!found?.isDirectory()) return undefined
  const names = (await readdir(folder)).filter(isTopologyFile).sort()
  const read = await Promise.all(names.map((name) => readYaml(join(folder, name), `${config.topologies}/${name}`)))
  return read.filter((each) => each !== undefined)
}

/** What the files declare; those that declare nothing are left out, and what is wrong with them is among their problems. */
async function readAll(files: readonly TopologyFile[], directory: string) {
  const read: Read[] = []
  const unread: YamlFile[] = []
  for (const one of files) {
    const declared = one.file.problems.length > 0 ? undefined : await kindOf(one.file)?.read(one.file, directory)
    if (declared) read.push({ ...one, declared })
    else unread.push(one.file)
  }
  return { read, unread }
}

/** Undefined when the file names a kind that is none. */
function kindOf(file: YamlFile): Kind<AnyTopology> | undefined {
  const { kind } = (file.value ?? {}) as { readonly kind?: unknown }
  if (typeof kind === 'string' && Object.hasOwn(KINDS, kind)) return KINDS[kind]
  const names = Object.keys(KINDS)
  if (kind === undefined && looksLikeFeatures(file)) return KINDS.features
  const suggestion = nearest(kind, names)
  const expected = `one of ${names.join(', ')}`
  if (kind === undefined) file.add(['kind'], { code: 'missing-key', message: "'kind' is missing", expected }, 'key')
  else file.add(['kind'], { code: 'bad-value', message: `kind is ${describe(kind)}`, expected, suggestion })
  return undefined
}

/** Then the file's other faults are told too; what is no mapping is refused by any kind. */
function looksLikeFeatures({ value }: YamlFile): boolean {
  return !isMapping(value) || 'features' in value || 'dimensions' in value
}
