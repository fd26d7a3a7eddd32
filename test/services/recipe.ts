/**
 * Runs a real server as a child process for tests: a temp directory of its own, ready when it answers, ended by pid.
 * Whatever becomes of this process (return, exception, SIGINT, SIGKILL), nothing is left behind.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { connect, createServer, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Service {
  /** Process id while it runs; undefined when it is down or is a container. */
  readonly pid: number | undefined
  /** Ends it at once, as a power cut would; data and address stay. Resolves when it is gone. */
  kill9(): Promise<void>
  /** Starts it again on the same address and data, ending it gracefully first where it still runs. Resolves when it answers. */
  restart(): Promise<void>
  /** Ends it for good and removes its data, except where the caller named the directory. */
  stop(): Promise<void>
}

export interface Recipe {
  readonly name: string
  /** Keeps data here and leaves it behind; a temp directory when undefined. */
  readonly dataDir?: string | undefined
  readonly command: (directory: string) => {
    readonly file: string
    readonly args: readonly string[]
    readonly cwd?: string
    readonly env?: Readonly<Record<string, string>>
  }
  /** Called once, before the first start. */
  readonly prepare?: (directory: string) => Promise<void>
  /** Called again and again until it resolves. */
  readonly answers: () => Promise<void>
}

/** The service cannot run here (no tool, no network): tests that need it are skipped, or fail under CI. */
export class Missing extends Error {
  override readonly name = 'Missing'
}

const READY_WITHIN_MS = 90_000
const GRACE_MS = 10_000

/**
 * A port nobody listens on now. Below the range that systems hand out to outgoing connections: there, a client that
 * retries while the server is down could be given the server's own port.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    const server = createServer()
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => resolve(true))
    })
    if (!free) continue
    server.close()
    await once(server, 'close')
    return port
  }
}

export async function run(recipe: Recipe): Promise<Service> {
  const directory = recipe.dataDir ?? (await mkdtemp(join(tmpdir(), `millrace-${recipe.name}-`)))
  const log = join(directory, `${recipe.name}.log`)
  const guard = startGuard(recipe.dataDir === undefined ? directory : '')
  let child: ChildProcess | undefined

  async function launch(): Promise<void> {
    const { file, args, cwd, env } = recipe.command(directory)
    const output = openSync(log, 'a')
    const started = spawn(file, args, {
      stdio: ['ignore', output, output],
      detached: true,
      cwd: cwd ?? directory,
      env: { ...process.env, ...env },
    })
    closeSync(output)
    child = started
    started.unref()
    started.once('exit', () => {
      child = undefined
      guard.watch(undefined)
    })
    await once(started, 'spawn')
    guard.watch(started.pid)
    try {
      await untilAnswers(recipe.answers, () => child === started)
    } catch (error) {
      throw new Error(`${recipe.name} did not start:\n${tail(log)}`, { cause: error })
    }
  }

  async function end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const ending = child
    if (!ending) return
    ending.ref()
    const gone = once(ending, 'exit')
    ending.kill(signal)
    const late = setTimeout(() => ending.kill('SIGKILL'), GRACE_MS)
    await gone
    clearTimeout(late)
  }

  async function stop(): Promise<void> {
    await end(recipe.dataDir === undefined ? 'SIGKILL' : 'SIGTERM')
    await guard.release()
  }

  try {
    await recipe.prepare?.(directory)
    await launch()
  } catch (error) {
    await stop()
    throw error
  }
  return {
    get pid() {
      return child?.pid
    },
    kill9: () => end('SIGKILL'),
    async restart() {
      await end('SIGTERM')
      await launch()
    },
    stop,
  }
}

/** Resolves when `answers` does; rejects when the service is no longer `up`, or after 90 s. */
export async function untilAnswers(answers: () => Promise<void>, up = () => true): Promise<void> {
  const deadline = Date.now() + READY_WITHIN_MS
  while (up()) {
    try {
      return await answers()
    } catch (error) {
      if (Date.now() > deadline) throw error
    }
    await sleep(50)
  }
  throw new Error('it ended by itself')
}

/** The first bytes that a local server sends back within 5 s. */
export function ask(port: number, request: string | Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(request))
    socket.setTimeout(5000, () => socket.destroy())
    socket.once('data', (answer: Buffer) => {
      resolve(answer)
      socket.destroy()
    })
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('no answer')))
  })
}

/**
 * A shell that outlives this process just long enough to end the service and to remove its directory. It learns of
 * the service's pid by its input, and of the end of this process, however it came, by the end of its input. It removes
 * the directory a second time because a process that is being killed may still write into it.
 */
function startGuard(directory: string) {
  const script = `pid=; while read -r line; do pid=$line; done
    [ -z "$pid" ] || kill -9 "$pid" 2>/dev/null
    [ -z "$0" ] || rm -rf "$0" 2>/dev/null || { sleep 1; rm -rf "$0"; }`
  const shell = spawn('sh', ['-c', script, directory], { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
  shell.unref()
  if (shell.stdin instanceof Socket) shell.stdin.unref()
  return {
    watch(pid: number | undefined): void {
      if (shell.stdin.writable) shell.stdin.write(`${pid ?? ''}\n`)
    },
    async release(): Promise<void> {
      if (shell.exitCode !== null) return
      shell.ref()
      const gone = once(shell, 'exit')
      shell.stdin.end()
      await gone
    },
  }
}

function tail(path: string): string {
  return readFileSync(path, 'utf8').split('\n').slice(-30).join('\n')
}
