import { expect, it } from 'vitest'
import { simulate } from './simulate.ts'

/** `npm run simulate` runs as many as you like. */
const SEEDS = 1_000

it('a seed makes the same world each time: every call, every answer, every moment', async () => {
  for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
    const first = await simulate(seed)
    const second = await simulate(seed)
    expect({ seed, hash: second.hash, steps: second.steps }).toEqual({ seed, hash: first.hash, steps: first.steps })
  }
})

it('other seeds make other worlds', async () => {
  const hashes = await Promise.all([101, 102, 103].map(async (seed) => (await simulate(seed)).hash))
  expect(new Set(hashes).size).toBe(3)
})

it(`in ${SEEDS} worlds of faults, crashes and rebalances all rules hold`, { timeout: 600_000 }, async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { violation, options } = await simulate(seed)
    if (violation) expect.fail(`seed ${seed}: ${violation.message}\n${JSON.stringify(options)}`)
  }
})
