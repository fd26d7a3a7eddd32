/**
 * `npm run simulate -- --seeds N --from S [--options JSON] [--shrink] [--trace] [--failures N]`: as many worlds, one
 * seed each, until so many have failed. Says which seed broke which rule, and how to see it again. Ends with 1 when there was one.
 */
import { parseArgs } from 'node:util'
import type { Options } from './options.ts'
import { shrink } from './shrink.ts'
import { type Outcome, simulate } from './simulate.ts'

const TELL_EVERY_MS = 10_000

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    options: { type: 'string', default: '{}' },
    shrink: { type: 'boolean', default: false },
    trace: { type: 'boolean', default: false },
    failures: { type: 'string', default: '10' },
  },
})
const seeds = Number(values.seeds)
const from = Number(values.from)
const mostFailures = Number(values.failures)
const given = JSON.parse(values.options) as Partial<Options>

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
