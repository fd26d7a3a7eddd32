/**
 * `npm run faults -- [--scenario NAME …] [--kills N] [--seed S] [--long]`: faults on real services and real processes. Exit code
 * 0 when every scenario that ran was right.
 */
import { parseArgs } from 'node:util'
import { starters } from '../services/catalog.ts'
import { Missing } from '../services/recipe.ts'
import { runScenario } from './bench.ts'
import { POINTS } from './failpoints.ts'
import type { Addresses } from './lab.ts'
import { loadScenario, scenarioNames } from './scenario.ts'

const LONG_ROUNDS = 20

const { values } = parseArgs({
  options: {
    scenario: { type: 'string', multiple: true },
    kills: { type: 'string' },
    seed: { type: 'string', default: '1' },
    long: { type: 'boolean', default: false },
  },
})
const names = values.scenario ?? (await scenarioNames())
const seed = Number(values.seed)
const kills =
  values.kills === undefined ? (values.long ? POINTS.length * LONG_ROUNDS : undefined) : Number(values.kills)

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
      const counted = await runScenario(name, { addresses, seed, times, long: values.long, say })
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
