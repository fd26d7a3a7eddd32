/** Makes a failure smaller: options are taken away or halved for as long as the same rule is broken. */
import type { Options } from './options.ts'
import { type Outcome, simulate } from './simulate.ts'

/** Other seeds are tried in the place of one that no longer fails: what matters is the kind of world. */
const SEEDS = 5

export async function shrink(failed: Outcome, tell: (outcome: Outcome) => void): Promise<Outcome> {
  let best = failed
  for (let isSmaller = true; isSmaller; ) {
    isSmaller = false
    for (const smaller of smallerThan(best.options)) {
      const found = await fails(best, smaller)
      if (!found) continue
      best = found
      isSmaller = true
      tell(best)
      break
    }
  }
  return best
}

async function fails({ seed, violation }: Outcome, options: Options): Promise<Outcome | undefined> {
  for (let i = 0; i < SEEDS; i++) {
    const outcome = await simulate(seed + i * 1_000_003, options)
    if (outcome.violation?.rule === violation?.rule) return outcome
  }
  return undefined
}

const LEAST: Partial<Record<keyof Options, number>> = { faults: 0, churn: 0 }
const SIMPLEST: Partial<Record<keyof Options, string>> = { shape: 'direct', features: 'all' }

/** Simpler worlds, the greatest steps first. */
function smallerThan(options: Options): Options[] {
  return (Object.keys(options) as (keyof Options)[]).flatMap((name) => {
    const value = options[name]
    if (typeof value === 'boolean') return value ? [{ ...options, [name]: false }] : []
    if (typeof value === 'string') {
      const simplest = SIMPLEST[name] as string
      return value === simplest ? [] : [{ ...options, [name]: simplest }]
    }
    const least = LEAST[name] ?? 1
    const steps = [least, Math.floor((least + value) / 2)].filter((less) => less < value && less >= least)
    return [...new Set(steps)].map((less) => ({ ...options, [name]: less }))
  })
}
