/** `npm run bench:check`: has Millrace's own code become slower? */
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { cpuPerEvent, openWork } from './in-process.ts'
import { median } from './report.ts'

const BASELINE = fileURLToPath(new URL('baseline.json', import.meta.url))
const EVENTS = 200_000
const RUNS = 5
/** The first warm the machine and the just-in-time compiler up. */
const WARM_UP = 1
const THRESHOLD = 1.4

const KEYS = 10_000
const ROWS = 1_000_000

/** µs of CPU for a row of work like the engine's: a text, a look-up among many, a change of numbers that lie apart. */
function calibrate(): number {
  const before = process.cpuUsage()
  const bytes = Buffer.from(Array.from({ length: KEYS }, (_, i) => `store-${String(i).padStart(4, '0')}`).join(''))
  const states = new Map<string, { sum: number; readonly newest: Float64Array }>()
  for (let row = 0; row < ROWS; row++) {
    const at = (Math.imul(row, 2_654_435_761) >>> 0) % KEYS
    const key = bytes.toString('latin1', at * 10, at * 10 + 10)
    let state = states.get(key)
    if (!state) {
      state = { sum: 0, newest: new Float64Array(64) }
      states.set(key, state)
    }
    state.newest.copyWithin(1, 0, 63)
    state.newest[0] = row
    state.sum += state.newest[row & 63] as number
  }
  const { user, system } = process.cpuUsage(before)
  return (user + system) / ROWS
}

const options = new Command('npm run bench:check --')
  .description(
    `W1 in this process, in turns with a calibration: work of the same nature that never changes. So what is compared with bench/baseline.json is a ratio, which depends little on how fast the machine is and on what else runs there. Exit code 1 beyond ${THRESHOLD} times the baseline.`,
  )
  .option('--save', 'make what is measured the baseline', false)
  .parse()
  .opts<{ readonly save: boolean }>()
const work = await openWork(EVENTS)
const ratios: number[] = []
const costs: number[] = []
for (let run = 0; run < WARM_UP + RUNS; run++) {
  const units = [calibrate()]
  const cost = await cpuPerEvent(work)
  units.push(calibrate())
  if (run < WARM_UP) continue
  costs.push(cost)
  ratios.push((2 * cost) / ((units[0] as number) + (units[1] as number)))
}
const ratio = median(ratios)
console.log(`W1 in process: ${median(costs).toFixed(2)} µs of CPU per event, ${ratio.toFixed(2)} units of calibration`)
if (options.save) await writeFile(BASELINE, `${JSON.stringify({ ratio: Number(ratio.toFixed(3)) }, null, 2)}\n`)
else {
  const baseline = JSON.parse(await readFile(BASELINE, 'utf8')) as { ratio: number }
  const change = ratio / baseline.ratio
  console.log(`${change.toFixed(2)} times the baseline; more than ${THRESHOLD} fails`)
  if (change > THRESHOLD) process.exitCode = 1
}
