/** Java programs from Maven Central, kept in a cache that survives runs. */
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, realpath, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { Missing } from './recipe.ts'

const execute = promisify(execFile)
const CACHE = process.env.MILLRACE_SERVICES ?? join(homedir(), '.cache', 'millrace-services')
const DEPENDENCY_PLUGIN = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1'

/** Path of the `java` with the lowest version that is at least `version`, undefined when there is none. */
export async function findJava(version: number): Promise<string | undefined> {
  const found = (await Promise.all((await homes()).map(versionOf))).filter((java) => java.version >= version)
  return found.sort((a, b) => a.version - b.version)[0]?.path
}

async function homes(): Promise<string[]> {
  const named = process.env.JAVA_HOME ? [process.env.JAVA_HOME] : []
  const onPath = await execute('sh', ['-c', 'command -v java']).then(
    async ({ stdout }) => [dirname(dirname(await realpath(stdout.trim())))],
    () => [],
  )
  const installed = await readdir('/usr/lib/jvm').catch(() => [])
  const all = [...named, ...onPath, ...installed.map((name) => join('/usr/lib/jvm', name))]
  return all.filter((home) => existsSync(join(home, 'bin', 'java')))
}

async function versionOf(home: string): Promise<{ path: string; version: number }> {
  const path = join(home, 'bin', 'java')
  const text = await execute(path, ['-version']).then(
    ({ stderr }) => stderr,
    () => '',
  )
  return { path, version: Number(/version "(\d+)/.exec(text)?.[1] ?? 0) }
}

/**
 * Folder `name` of the cache, made by `fill` the first time. Filled under another name and renamed, so that a broken
 * download is never taken for a whole one and two runs at once do no harm.
 */
export async function cached(name: string, fill: (directory: string) => Promise<void>): Promise<string> {
  const target = join(CACHE, name)
  if (existsSync(target)) return target
  const filling = `${target}.${randomUUID()}`
  await mkdir(filling, { recursive: true })
  try {
    await fill(filling)
    await rename(filling, target).catch((error: unknown) => {
      if (!existsSync(target)) throw error
    })
  } finally {
    await rm(filling, { recursive: true, force: true })
  }
  return target
}

/** Runs a goal of Maven's dependency plugin, three times at most: the network may fail. Throws `Missing`. */
export async function maven(goal: string, args: readonly string[]): Promise<void> {
  let failure: unknown
  for (let attempt = 1; attempt <= 3; attempt++) {
    try {
      await execute('mvn', ['-q', '-B', `${DEPENDENCY_PLUGIN}:${goal}`, ...args], { maxBuffer: 1 << 26 })
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new Missing('Maven (mvn) is not installed')
      failure = error
    }
  }
  const said = String((failure as { stdout?: string }).stdout ?? failure)
  throw new Missing(`Maven could not download it: ${said.split('\n').find((line) => line.includes('ERROR')) ?? said}`)
}
