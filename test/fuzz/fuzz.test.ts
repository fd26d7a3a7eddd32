/** A slice of what `npm run fuzz` tries at length: the same seeds every time. */
import { describe, expect, it } from 'vitest'
import { fuzz, loadTarget, targetNames } from './target.ts'

describe.each(targetNames())('%s', async (name) => {
  const { about, slice } = await loadTarget(name)

  it(about, async () => {
    const { inputs, outcomes } = await fuzz(name, { seed: 1, inputs: slice })
    expect(inputs).toBeGreaterThanOrEqual(slice)
    // what only ever ends one way is not tried
    expect(outcomes.size).toBeGreaterThan(1)
  }, 120_000)
})
