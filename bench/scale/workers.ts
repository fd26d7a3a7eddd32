/**
 * W1 by one, two and four workers: what an event costs should not depend on how many share the work. Held against the oracle. Processes
 * on other cores make each other slower (caches, clock rate, the scheduler), so one worker is measured beside as many that only burn
 * CPU, too: what it costs there is what more workers are to be held against. Each process compiles the program for itself, so the second half of the
 * events is told apart.
 */
import { spawn } from 'node:child_process'
import { endsWithUs } from '../children.ts'
import { configOf } from '../millrace.ts'
import { openSetup } from '../setup.ts'
import { writeProject } from '../w1.ts'
import { holdToOracle, homeOf, measureWorkers, type Scale } from './worker.ts'

/** How many workers, and how many processes beside them. */
const RUNS = [
  [1, 0],
  [1, 1],
  [2, 0],
  [1, 3],
  [4, 0],
] as const

export async function measure({ events, profile }: Scale): Promise<void> {
  const setup = await openSetup(events)
  try {
    let one: { readonly all: number; readonly warm: number } | undefined
    for (const [workers, beside] of RUNS) {
      const run = `workers-${workers}-${beside}`
      const home = homeOf(setup, run)
      await writeProject(home, configOf(setup, run))
      const burning = Array.from({ length: beside }, () => spawn(process.execPath, ['-e', 'for (;;);']))
      for (const child of burning) endsWithUs(child)
      const { cpuSeconds, warmCpuSeconds, seconds, peakMb } = await measureWorkers(setup, home, events, {
        workers,
        profile,
      }).finally(() => {
        for (const child of burning) child.kill('SIGKILL')
      })
      await holdToOracle(setup, home, run, setup.oracle)
      const micros = { all: (cpuSeconds * 1e6) / events, warm: warmCpuSeconds * 1e6 }
      one ??= micros
      const what = beside > 0 ? `${workers} worker beside ${beside} that burn CPU` : `${workers} workers`
      console.log(
        `${what}: ${micros.all.toFixed(2)} µs CPU per event, ${(micros.all / one.all).toFixed(2)} of one's alone, in the second half ${micros.warm.toFixed(2)}, ${(micros.warm / one.warm).toFixed(2)}; ${Math.round(events / seconds)} events/s, peak ${Math.round(peakMb)} MB each`,
      )
    }
  } finally {
    await setup.close()
  }
}
