/** Runs scenarios: lends them deployments and cleans up behind them. */
import { type Addresses, Lab } from './lab.ts'
import { type Bench, loadScenario } from './scenario.ts'

export interface Options {
  readonly addresses: Addresses
  readonly seed?: number
  readonly times?: number | undefined
  readonly long?: boolean
  readonly patience?: number
  readonly say?: (text: string) => void
}

/** Runs one scenario to its end, and answers what was counted. Whatever it started is gone then. */
export async function runScenario(name: string, options: Options): Promise<string> {
  const { addresses, seed = 1, times, long = false, patience = 1, say = () => undefined } = options
  const ends: (() => unknown)[] = []
  const bench: Bench = {
    addresses,
    seed,
    times,
    long,
    patience,
    say,
    onEnd: (end) => void ends.push(end),
    lab: async (labOptions = {}, others = {}) => {
      const lab = await Lab.create({ ...addresses, ...others }, { seed, patience, ...labOptions })
      ends.push(() => lab.close())
      return lab
    },
  }
  const scenario = await loadScenario(name)
  try {
    return await scenario.run(bench)
  } finally {
    for (const end of ends.reverse()) await end()
  }
}
