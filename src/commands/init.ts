import { lstat, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Terminal } from './console.ts'
import { calledBy } from './npm.ts'
import { PART_KINDS, type PartKind } from './usage/init.ts'

/** What is made are the examples, so that it is tried as they are. */
const EXAMPLES = fileURLToPath(new URL('../../examples/', import.meta.url))

/** Makes a project that runs. Writes nothing where one of its files stands already. */
export async function initProject(directory: string, terminal: Terminal): Promise<number> {
  const files = new Map<string, string>()
  const example = join(EXAMPLES, 'first-topology')
  for (const entry of await readdir(example, { recursive: true, withFileTypes: true })) {
    const path = relative(example, join(entry.parentPath, entry.name))
    if (entry.isFile() && !path.startsWith('.')) files.set(path, await readFile(join(example, path), 'utf8'))
  }
  if (!(await stands(join(directory, '.gitignore')))) files.set('.gitignore', '.millrace/\n')
  if (!(await write(directory, files, terminal))) return 1
  const millrace = calledBy(terminal.environment)
  const at = directory === '.' ? '' : ` -d ${directory}`
  terminal.out.write(`
A project: ratings of stores become features. Next:
  ${millrace} check${at}
  ${millrace} test${at}
  ${millrace} dev${at} --replay ${join(directory, 'events.ndjson')}
and in another terminal, while that runs:
  ${millrace} features get store S-1${at}
`)
  return 0
}

/** Makes `parts/<name>.ts` in a project: a part that works, to be changed. */
export async function initPart(
  name: string,
  { kind, directory }: { kind: PartKind; directory: string },
  terminal: Terminal,
): Promise<number> {
  if (!/^[a-z][a-z0-9-]*$/.test(name)) {
    terminal.error(`millrace init part: '${name}' is no name for a part; expected a-z, 0-9 and -, such as median`)
    return 1
  }
  const { file, use } = PART_KINDS[kind]
  const text = await readFile(join(EXAMPLES, 'own-parts/parts', file), 'utf8')
  const files = new Map([[`parts/${name}.ts`, text.replaceAll(`parts/${file}`, `parts/${name}.ts`)]])
  if (!(await write(directory, files, terminal))) return 1
  terminal.out.write(`
It works as it is: change it to what you need, and name it in a topology:
  ${use.replaceAll('NAME', name)}
${calledBy(terminal.environment)} check says what is wrong with it; docs/own-parts.md says what it must do.
`)
  return 0
}

/** False, with nothing written, when a file stands already. */
async function write(
  directory: string,
  files: ReadonlyMap<string, string>,
  { out, error }: Terminal,
): Promise<boolean> {
  const paths = [...files.keys()].sort()
  const standing: string[] = []
  for (const path of paths) if (await stands(join(directory, path))) standing.push(join(directory, path))
  if (standing.length > 0) {
    error(`millrace init: nothing was written, since there is already ${standing.join(', ')}`)
    return false
  }
  for (const path of paths) {
    await mkdir(dirname(join(directory, path)), { recursive: true })
    await writeFile(join(directory, path), files.get(path) as string, { flag: 'wx' })
    out.write(`  made ${join(directory, path)}\n`)
  }
  return true
}

function stands(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  )
}
