/**
 * W1 with 4, 20 and 50 features: the four of the work, and more over newest events and windows of several lengths, for which sums, least and
 * largest values are asked. The four are held against the oracle.
 */
import { configOf } from '../millrace.ts'
import { openSetup } from '../setup.ts'
import { writeProject } from '../w1.ts'
import { holdToOracle, homeOf, measureWorkers, type Scale } from './worker.ts'

const OWN = 4
const COUNTS = [OWN, 20, 50]
const OPERATORS = ['mean', 'sum', 'max', 'min']

/** Half of them over the newest events, half over windows. */
const more = (count: number): string =>
  Array.from({ length: count }, (_, i) => {
    const over = i % 2 === 0 ? `last: ${i + 5}` : `window: ${(i % 12) + 5}m`
    return `  more_${i}: { ${over}, of: prepSeconds, as: ${OPERATORS[(i >> 1) % OPERATORS.length]} }\n`
  }).join('')

export async function measure({ events, profile }: Scale): Promise<void> {
  const setup = await openSetup(events)
  try {
    let least: number | undefined
    for (const count of COUNTS) {
      const run = `features-${count}`
      const home = homeOf(setup, run)
      await writeProject(home, configOf(setup, run), (yaml) =>
        yaml.replace('features:\n', `features:\n${more(count - OWN)}`),
      )
      const { cpuSeconds, seconds, peakMb } = await measureWorkers(setup, home, events, { profile })
      await holdToOracle(setup, home, run, setup.oracle)
      const micros = (cpuSeconds * 1e6) / events
      least ??= micros
      console.log(
        `${count} features: ${micros.toFixed(2)} µs CPU per event, ${(micros / least).toFixed(2)} of those of ${OWN}, ${Math.round(events / seconds)} events/s, peak ${Math.round(peakMb)} MB`,
      )
    }
  } finally {
    await setup.close()
  }
}
