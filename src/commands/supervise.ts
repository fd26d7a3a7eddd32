/** `run --workers`: as many processes, started again when they end, and told of the signals that this one gets. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Log } from '../core/part.ts'
import type { Terminal } from './console.ts'
import type { RunOptions } from './run.ts'

/** Variable of the environment that tells a process that it is a worker of another, and which. */
export const WORKER_NUMBER = 'MILLRACE_WORKER'

const MAIN = fileURLToPath(new URL(`../main.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url))
const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 30_000
/** One that ran for so long had started well: the next pause is the first again. */
const STEADY_MS = 60_000

/** Resolves with the exit code when all have ended after the stop signal. */
export async function supervise(
  workers: number,
  options: RunOptions & { readonly port: number },
  { environment, stopSignal, onHangup }: Terminal,
  log: Log,
): Promise<number> {
  const children = new Set<ChildProcess>()
  const tell = (signal: NodeJS.Signals) => {
    for (const child of children) child.kill(signal)
  }
  stopSignal.addEventListener('abort', () => tell('SIGTERM'), { once: true })
  onHangup?.(() => tell('SIGHUP'))
  const start = async (number: number): Promise<number | null> => {
    const child = fork(MAIN, argumentsOf(options, number), {
      env: { ...environment, [WORKER_NUMBER]: String(number) },
    })
    children.add(child)
    log.info({ worker: number, pid: child.pid }, 'worker started')
    const [code] = (await once(child, 'exit')) as [number | null]
    children.delete(child)
    return code
  }
  const keep = async (number: number): Promise<number | null> => {
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      const started = Date.now()
      const code = await start(number)
      if (stopSignal.aborted) return code
      if (Date.now() - started > STEADY_MS) pause = FIRST_PAUSE_MS
      log.error({ worker: number, code, pause }, 'a worker ended; starting it again')
      await sleep(pause, undefined, { signal: stopSignal }).catch(() => undefined)
      if (stopSignal.aborted) return 0
    }
  }
  const codes = await Promise.all(Array.from({ length: workers }, (_, i) => keep(i + 1)))
  return codes.every((code) => code === 0) ? 0 : 1
}

/** Each has a port of its own: the first that of the project, the others those after it. */
function argumentsOf({ directory, port, only, role, watch }: RunOptions & { readonly port: number }, number: number) {
  return [
    ...['run', '--directory', directory, '--port', String(port === 0 ? 0 : port + number - 1)],
    ...(only === undefined ? [] : ['--only', only]),
    ...(role === undefined ? [] : ['--role', role]),
    ...(watch ? [] : ['--no-watch']),
  ]
}
