/** W1 by one, two and four workers: what an event costs should not depend on how many share the work. Held against the oracle. */
import type { FeatureStore } from '../../src/core/model.ts'
import { checkProject } from '../../src/project/check.ts'
import { configOf } from '../millrace.ts'
import { openPart, openSetup } from '../setup.ts'
import { differences, writeProject } from '../w1.ts'
import { homeOf, measureWorkers, type Scale } from './worker.ts'

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
      const generation = (await checkProject(home)).project?.topologies[0]?.generation
      const store = await openPart<FeatureStore>('stores', 'redis', { url: setup.redisUrl, prefix: run })
      const wrong = await differences(store, `w1@${generation}`, setup.oracle).finally(() => store.close())
      if (wrong.length > 0) throw new Error(`${wrong.length} values are wrong, such as ${wrong.slice(0, 3).join('; ')}`)
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
