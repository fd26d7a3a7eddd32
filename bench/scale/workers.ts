/** W1 by one, two and four workers: what an event costs should not depend on how many share the work. Held against the oracle. */
import { configOf } from '../millrace.ts'
import { openSetup } from '../setup.ts'
import { writeProject } from '../w1.ts'
import { holdToOracle, homeOf, measureWorkers, type Scale } from './worker.ts'

const WORKERS = [1, 2, 4]

export async function measure({ events, profile }: Scale): Promise<void> {
  const setup = await openSetup(events)
  try {
    let one: number | undefined
    for (const workers of WORKERS) {
      const run = `workers-${workers}`
      const home = homeOf(setup, run)
      await writeProject(home, configOf(setup, run))
      const { cpuSeconds, seconds, peakMb } = await measureWorkers(setup, home, events, { workers, profile })
      await holdToOracle(setup, home, run, setup.oracle)
      const micros = (cpuSeconds * 1e6) / events
      one ??= micros
      console.log(
        `${workers} workers: ${micros.toFixed(2)} µs CPU per event, ${(micros / one).toFixed(2)} of one's, ${Math.round(events / seconds)} events/s, peak ${Math.round(peakMb)} MB each`,
      )
    }
  } finally {
    await setup.close()
  }
}
