/** A copy of the project in which a bug can be planted; the tree itself is never touched. */
import { spawn } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PlantedBug } from './bugs.ts'

const ROOT = new URL('../../', import.meta.url).pathname
const COPIED = [
  'docs',
  'examples',
  'src',
  'test',
  'bench',
  'schemas',
  'topologies',
  'package.json',
  'tsconfig.json',
  'vitest.config.ts',
]

export interface Ran {
  readonly status: number | null
  readonly output: string
}

export class Tree {
  readonly directory: string

  private constructor(directory: string) {
    this.directory = directory
  }

  static async copy(): Promise<Tree> {
    const directory = await mkdtemp(join(tmpdir(), 'millrace-bugs-'))
    for (const name of COPIED) await cp(join(ROOT, name), join(directory, name), { recursive: true })
    await symlink(join(ROOT, 'node_modules'), join(directory, 'node_modules'))
    return new Tree(directory)
  }

  /** Plants a bug, runs, and takes it out again. Throws when its snippet does not stand in the file once. */
  async with<T>({ name, file, find, replace }: PlantedBug, run: () => Promise<T>): Promise<T> {
    const path = join(this.directory, 'src', file)
    const right = await readFile(path, 'utf8')
    const found = right.split(find).length - 1
    if (found !== 1) throw new Error(`'${name}' cannot be planted: its snippet stands ${found} times in src/${file}`)
    await writeFile(
      path,
      right.replace(find, () => replace),
    )
    try {
      return await run()
    } finally {
      await writeFile(path, right)
    }
  }

  /** Plants all of them. */
  withAll<T>(bugs: readonly PlantedBug[], run: () => Promise<T>): Promise<T> {
    const [first, ...others] = bugs
    return first ? this.with(first, () => this.withAll(others, run)) : run()
  }

  node(...args: string[]): Promise<Ran> {
    return new Promise((resolve, reject) => {
      const env = { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0' }
      const child = spawn(process.execPath, args, { cwd: this.directory, stdio: ['ignore', 'pipe', 'pipe'], env })
      let output = ''
      child.stdout.on('data', (data) => {
        output += data
      })
      child.stderr.on('data', (data) => {
        output += data
      })
      child.on('error', reject)
      child.on('close', (status) => resolve({ status, output }))
    })
  }

  vitest(...files: string[]): Promise<Ran> {
    return this.node('node_modules/vitest/vitest.mjs', 'run', '--reporter=dot', ...files)
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true })
  }
}
