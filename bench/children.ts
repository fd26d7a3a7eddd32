/** Processes that the benchmark started: what they use, and that they end with it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

const TICKS_PER_SECOND = 100
const running = new Set<ChildProcess>()

/** Ends the process when this one ends. */
export function endsWithUs(child: ChildProcess): void {
  running.add(child)
  child.once('exit', () => running.delete(child))
}

process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

/** User and system time of a process so far, in seconds; 0 where it cannot be told, as for a container. */
export async function cpuSeconds(pid: number | undefined): Promise<number> {
  if (pid === undefined) return 0
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).replace(/^.*\) /, '').split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

/** Peak resident memory of a process so far, in MB; undefined when it has ended. */
export const peakMb = (pid: number): Promise<number | undefined> => memoryMb(pid, 'VmHWM')

/** Its resident memory now. */
export const residentMb = (pid: number): Promise<number | undefined> => memoryMb(pid, 'VmRSS')

async function memoryMb(pid: number, what: string): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  const [, kb] = new RegExp(`${what}:\\s+(\\d+)`).exec(status) ?? []
  return kb === undefined ? undefined : Number(kb) / 1024
}

/** Runs a program to its end; answers what it printed and its peak memory. Throws when it fails or takes longer than `patienceMs`. */
export async function runToEnd(
  file: string,
  args: readonly string[],
  patienceMs: number,
): Promise<{ readonly output: string; readonly peakMb: number }> {
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  endsWithUs(child)
  let output = ''
  let errors = ''
  child.stdout.on('data', (data) => {
    output += data
  })
  child.stderr.on('data', (data) => {
    errors = (errors + data).slice(-4_000)
  })
  let peak = 0
  const ended = Promise.withResolvers<number | null>()
  child.once('error', ended.reject)
  child.once('close', ended.resolve)
  const late = setTimeout(() => child.kill('SIGKILL'), patienceMs)
  const looking = new AbortController()
  const look = async () => {
    while (!looking.signal.aborted) {
      if (child.pid !== undefined) peak = Math.max(peak, (await peakMb(child.pid)) ?? 0)
      await sleep(100)
    }
  }
  const looked = look()
  try {
    const code = await ended.promise
    if (code !== 0) throw new Error(`${file} ended with ${code}:\n${errors}`)
  } finally {
    clearTimeout(late)
    looking.abort()
    await looked
  }
  return { output, peakMb: peak }
}
