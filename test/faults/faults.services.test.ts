import { test } from 'vitest'
import { describeWith } from '../services/index.ts'
import { Missing } from '../services/recipe.ts'
import { runScenario } from './bench.ts'

/** A slice of `npm run faults`: scenario, how much of it, and with which seed. */
const SLICE = [
  ['kill', 8, 3],
  ['freeze', 3, 1],
  ['redis', undefined, 1],
  ['network', 2, 1],
  ['clock', undefined, 1],
  ['storm', 2, 1],
  ['broker', 1, 1],
  ['cluster', 2, 1],
  ['registry', undefined, 1],
] as const

describeWith(['kafka', 'registry', 'redis'], 'real workers under fault', (addresses) => {
  test.for(SLICE)('%s: every value anywhere is right', { timeout: 300_000 }, async ([name, times, seed], { skip }) => {
    try {
      await runScenario(name, { addresses, times, seed })
    } catch (error) {
      if (!(error instanceof Missing) || process.env.CI === 'true') throw error
      skip(error.message)
    }
  })
})
