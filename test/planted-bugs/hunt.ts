/** Looks for a planted bug with what is to find it. */
import type { PlantedBug } from './bugs.ts'
import type { Tree } from './tree.ts'

/** A bug that so many worlds do not show has not been caught. */
const MOST_SEEDS = 60

export interface Hunted {
  readonly bug: PlantedBug
  /** What found it; undefined when nothing did. */
  readonly caughtBy: string | undefined
  readonly seconds: number
}

export async function hunt(tree: Tree, bug: PlantedBug): Promise<Hunted> {
  const started = performance.now()
  const caughtBy = await tree.with(bug, () =>
    'suite' in bug.by ? bySuite(tree, bug.by.suite) : byWorlds(tree, bug.by.worlds),
  )
  return { bug, caughtBy, seconds: (performance.now() - started) / 1_000 }
}

async function bySuite(tree: Tree, suite: string): Promise<string | undefined> {
  const { status, output } = await tree.vitest(suite)
  if (status === 0) return undefined
  const [, failed] = /FAIL\s+(.*)/.exec(output) ?? []
  if (failed === undefined) throw new Error(`${suite} did not run:\n${output.slice(-2_000)}`)
  return failed.trim()
}

async function byWorlds(tree: Tree, worlds: object): Promise<string | undefined> {
  const options = JSON.stringify(worlds)
  const { status, output } = await tree.node(
    ...['test/simulation/run.ts', '--seeds', String(MOST_SEEDS), '--failures', '1', '--options', options],
  )
  if (status === 0) return undefined
  const [, seed, rule] = /seed (\d+) broke a rule: ([\w ]+)/.exec(output) ?? []
  if (seed === undefined) throw new Error(`the simulation did not run:\n${output.slice(-2_000)}`)
  return `simulation, seed ${seed}: ${rule}`
}

/** What is to find bugs finds none where there is none. Throws what it found. */
export async function findNothing(tree: Tree, bugs: readonly PlantedBug[]): Promise<void> {
  const suites = new Set(bugs.flatMap(({ by }) => ('suite' in by ? [by.suite] : [])))
  if (suites.size > 0) {
    const { status, output } = await tree.vitest(...suites)
    if (status !== 0) throw new Error(`a suite fails without a bug:\n${output.slice(-2_000)}`)
  }
  const worlds = new Set(bugs.flatMap(({ by }) => ('worlds' in by ? [JSON.stringify(by.worlds)] : [])))
  for (const options of worlds) {
    const { status, output } = await tree.node('test/simulation/run.ts', '--seeds', '20', '--options', options)
    if (status !== 0) throw new Error(`the simulation fails without a bug:\n${output.slice(-2_000)}`)
  }
}
