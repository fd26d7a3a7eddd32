/** How long `millrace check` and the start of `millrace run` take, from sources and as built, and what an idle worker uses. */
import { spawn } from 'node:child_process'
import { stat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { cpuSeconds, endsWithUs, peakMb, residentMb } from '../children.ts'
import { configOf } from '../millrace.ts'
import { openSetup } from '../setup.ts'
import { startWorker, writeProject } from '../w1.ts'
import { homeOf } from './worker.ts'

const CHECKS = 10
const STARTS = 5
const IDLE_SECONDS = 60
const MAINS = ['../../src/main.ts', '../../dist/main.js'].map((path) => fileURLToPath(new URL(path, import.meta.url)))

const nameOf = (main: string): string => (main.endsWith('.ts') ? 'from sources' : 'as built')

/** Lowest and median. */
const shown = (values: readonly number[]): string => {
  const sorted = [...values].sort((a, b) => a - b)
  return `${Math.round(sorted[0] as number)} ms, median ${Math.round(sorted[sorted.length >> 1] as number)}`
}

async function checked(main: string, home: string): Promise<{ wall: number; cpu: number }> {
  const began = performance.now()
  // the children's CPU time is known once they are waited for, so a shell of their own tells it
  const child = spawn('bash', ['-c', 'time "$0" "$@" >&2', process.execPath, main, 'check', '--directory', home], {
    env: { ...process.env, TIMEFORMAT: '%U %S' },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (data) => {
    said += data
  })
  const code = await new Promise((resolve) => child.once('close', resolve))
  if (code !== 0) throw new Error(said)
  const wall = performance.now() - began
  const [user, system] = (said.trim().split('\n').at(-1) as string).split(' ').map(Number)
  return { wall, cpu: ((user as number) + (system as number)) * 1_000 }
}

async function idle(main: string, home: string): Promise<void> {
  const worker = await startWorker(home, { main })
  endsWithUs(worker.process)
  await sleep(10_000)
  const before = await cpuSeconds(worker.pid)
  await sleep(IDLE_SECONDS * 1_000)
  const share = ((await cpuSeconds(worker.pid)) - before) / IDLE_SECONDS
  const [now, peak] = [await residentMb(worker.pid), await peakMb(worker.pid)]
  console.log(
    `idle, ${nameOf(main)}: ${(share * 100).toFixed(1)} % of a core, ${Math.round(now ?? 0)} MB, ${Math.round(peak ?? 0)} MB at most`,
  )
  await worker.stop()
}

export async function measure(): Promise<void> {
  const setup = await openSetup(0)
  try {
    const home = homeOf(setup, 'start')
    await writeProject(home, configOf(setup, 'start'))
    for (const main of MAINS) {
      const name = nameOf(main)
      if (!(await stat(main).catch(() => undefined))) {
        console.log(`${name}: left out, run npm run build`)
        continue
      }
      const checks = []
      for (let i = 0; i < CHECKS; i++) checks.push(await checked(main, home))
      console.log(
        `check, ${name}: ${shown(checks.map(({ wall }) => wall))}; CPU ${shown(checks.map(({ cpu }) => cpu))}`,
      )
      const ready: number[] = []
      const cpu: number[] = []
      for (let i = 0; i < STARTS; i++) {
        const began = performance.now()
        const worker = await startWorker(home, { main })
        endsWithUs(worker.process)
        while ((await fetch(`${worker.url}/health/ready`)).status !== 200) await sleep(20)
        ready.push(performance.now() - began)
        cpu.push((await cpuSeconds(worker.pid)) * 1_000)
        await worker.stop()
      }
      console.log(`run until ready, ${name}: ${shown(ready)}; CPU ${shown(cpu)}`)
      await idle(main, home)
    }
  } finally {
    await setup.close()
  }
}
