/** The real command line in a process of its own. */
import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')
const MAIN = join(ROOT, 'src/main.ts')

export interface Exit {
  readonly code: number | null
  readonly out: string
  readonly error: string
}

export interface Running {
  /** What stood on stdout and stderr so far. */
  text(): string
  /** Resolves with the first match on stdout; rejects when the process ends before, with all that it said. */
  says(pattern: RegExp): Promise<RegExpExecArray>
  signal(name: NodeJS.Signals): void
  /** Reads no more of stdout, as `head` does. */
  deafen(): void
  readonly exit: Promise<Exit>
}

export function start(...args: readonly string[]): Running {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  let [out, error] = ['', '']
  const waiting = new Set<() => void>()
  const told = () => {
    for (const look of waiting) look()
  }
  child.stdout.on('data', (chunk) => {
    out += chunk
    told()
  })
  child.stderr.on('data', (chunk) => {
    error += chunk
    told()
  })
  const exit = new Promise<Exit>((resolve) => child.once('close', (code) => resolve({ code, out, error })))
  return {
    text: () => out + error,
    says(pattern) {
      const { promise, resolve, reject } = Promise.withResolvers<RegExpExecArray>()
      const look = () => {
        const found = pattern.exec(out)
        if (found) resolve(found)
      }
      waiting.add(look)
      exit.then(({ code }) => reject(new Error(`ended with ${code} before ${pattern}:\n${out}\n${error}`)))
      look()
      return promise.finally(() => waiting.delete(look))
    },
    signal: (name) => child.kill(name),
    deafen: () => child.stdout.destroy(),
    exit,
  }
}

export function call(...args: readonly string[]): Promise<Exit> {
  return start(...args).exit
}

/** A copy of the example project in a folder of its own. */
export function exampleProject(): string {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-cli-'))
  for (const name of ['millrace.yaml', 'topologies', 'schemas'])
    cpSync(join(ROOT, name), join(folder, name), { recursive: true })
  return folder
}
