/** `npm run faults`: faults on real services and real processes. */
import { Command, Option } from 'commander'
import { number } from '../../src/commands/usage/options.ts'
import { starters } from '../services/catalog.ts'
import { Missing } from '../services/recipe.ts'
import { runScenario } from './bench.ts'
import { POINTS } from './failpoints.ts'
import type { Addresses } from './lab.ts'
import { loadScenario, scenarioNames } from './scenario.ts'

const LONG_ROUNDS = 20

interface Given {
  readonly scenario: readonly string[]
  readonly kills?: number
  readonly seed: number
  readonly long: boolean
  readonly patience: number
}

const known = await scenarioNames()
const whole = number(1, 2 ** 31, true)
const values = new Command('npm run faults --')
  .description(
    'Start Kafka, a schema registry, Redis and workers, break them under load, and hold every value against an oracle. Exit code 0 when all that ran was right.',
  )
  .addOption(new Option('--scenario <names...>', 'which').choices(known).default(known, 'all'))
  .option('--kills <n>', 'how many of the scenario kill', whole)
  .option('--seed <n>', 'what chance is drawn from', whole, 1)
  .option('--patience <n>', 'how much longer session timeouts are than on a quiet machine (2 s)', number(1, 100), 1)
  .option('--long', `${LONG_ROUNDS} kills at each failpoint, and more rounds of the others`, false)
  .parse()
  .opts<Given>()
const { scenario: names, seed, long, patience } = values
const kills = values.kills ?? (long ? POINTS.length * LONG_ROUNDS : undefined)

const started = performance.now()
const seconds = (since = started) => `${((performance.now() - since) / 1000).toFixed(0)} s`
const [kafka, registry, redis] = await Promise.all([starters.kafka(), starters.registry(), starters.redis()])
const addresses: Addresses = { kafka, registry, redis }
const rows: string[][] = []
let failed = 0
try {
  for (const name of names) {
    const begun = performance.now()
    const { summary } = await loadScenario(name)
    console.log(`== ${name}: ${summary}`)
    const say = (text: string) => console.log(`   ${seconds()} ${text}`)
    const times = name === 'kill' ? kills : undefined
    try {
      const counted = await runScenario(name, { addresses, seed, times, long, patience, say })
      rows.push([name, 'right', seconds(begun), counted])
    } catch (error) {
      const isMissing = error instanceof Missing
      if (!isMissing) failed++
      console.log(error)
      rows.push([name, isMissing ? 'skipped' : 'WRONG', seconds(begun), String(error).split('\n')[0] as string])
    }
  }
} finally {
  await Promise.all([kafka, registry, redis].map((service) => service.stop()))
}
console.log(`\n| scenario | result | time | counted |\n| --- | --- | --- | --- |`)
for (const row of rows) console.log(`| ${row.join(' | ')} |`)
console.log(`\nseed ${seed}, ${seconds()}, ${failed} wrong`)
process.exitCode = failed > 0 ? 1 : 0
