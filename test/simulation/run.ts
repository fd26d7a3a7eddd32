/** `npm run simulate`: many worlds, a seed each. */
import { Command } from 'commander'
import { number } from '../../src/commands/usage/options.ts'
import type { Options } from './options.ts'
import { shrink } from './shrink.ts'
import { type Outcome, simulate } from './simulate.ts'

const TELL_EVERY_MS = 10_000

interface Given {
  readonly seeds: number
  readonly from: number
  readonly options: Partial<Options>
  readonly shrink: boolean
  readonly trace: boolean
  readonly failures: number
}

const whole = number(1, Number.MAX_SAFE_INTEGER, true)
const values = new Command('npm run simulate --')
  .description(
    'Run the real engine in worlds of faults, one for each seed. Says which seed broke which rule, and how to see it again; exit code 1 then.',
  )
  .option('--seeds <n>', 'how many', whole, 100)
  .option('--from <seed>', 'the first', whole, 1)
  .option('--options <json>', 'what the seed is not to draw, as a failure prints it', (text) => JSON.parse(text), {})
  .option('--shrink', 'make what fails smaller', false)
  .option('--trace', 'print each call, answer and time', false)
  .option('--failures <n>', 'how many of them end the run', whole, 10)
  .parse()
  .opts<Given>()
const { seeds, from, failures: mostFailures, options: given } = values

const again = ({ seed, options }: Outcome) =>
  `npm run simulate -- --seeds 1 --from ${seed} --trace --options '${JSON.stringify(options)}'`

const started = performance.now()
const total = { seeds: 0, steps: 0, events: 0, rebuilds: 0, failed: 0 }
let toldAt = started

function tell(): void {
  const seconds = (performance.now() - started) / 1_000
  const rate = (total.seeds / seconds).toFixed(1)
  console.log(
    `${total.seeds} of ${seeds} seeds, ${rate}/s; ${total.steps} steps, ${total.events} events, ${total.rebuilds} rebuilds; ${total.failed} failed`,
  )
  toldAt = performance.now()
}

async function failed(outcome: Outcome): Promise<void> {
  total.failed++
  console.log(`seed ${outcome.seed} broke a rule: ${outcome.violation?.message}\n  ${again(outcome)}`)
  if (!values.shrink) return
  const least = await shrink(outcome, ({ seed, options }) =>
    console.log(`  smaller: ${seed} ${JSON.stringify(options)}`),
  )
  console.log(`the least that breaks it: ${least.violation?.message}\n  ${again(least)}`)
}

for (let seed = from; seed < from + seeds && total.failed < mostFailures; seed++) {
  const outcome = await simulate(seed, given, values.trace)
  total.seeds++
  total.steps += outcome.steps
  total.events += outcome.events
  total.rebuilds += outcome.rebuilds
  if (values.trace) console.log(outcome.trace.join('\n'))
  if (seeds === 1) console.log(`trace ${outcome.hash}`)
  if (outcome.violation) await failed(outcome)
  if (performance.now() - toldAt > TELL_EVERY_MS) tell()
}
tell()
process.exitCode = total.failed > 0 ? 1 : 0
