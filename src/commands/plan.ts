import { systemClock } from '../core/clock.ts'
import { SILENT } from '../core/part.ts'
import { deployedTopologies } from '../engine/deployment.ts'
import { withRebuild } from '../features/rebuild.ts'
import type { Project } from '../project/check.ts'
import { type Change, type OldGeneration, type Plan, planOf, type Verdict } from '../project/plan.ts'
import { type Remains, remainsOf, sweep } from '../project/sweep.ts'
import { openServices, type Services } from '../runtime/services.ts'
import { explain, type Terminal } from './console.ts'
import { loadProject } from './project.ts'
import { reachServices } from './reach.ts'

export interface PlanOptions {
  readonly directory: string
  readonly json?: boolean
  readonly apply?: boolean
}

const REBUILDS = 3
const BREAKS = 4
const CODES: Readonly<Record<Verdict, number>> = {
  unchanged: 0,
  new: 0,
  safe: 0,
  rebuild: REBUILDS,
  breaking: BREAKS,
  removed: BREAKS,
}

type Leftover = OldGeneration & Remains

/** Answers the exit code; see the help of the command. */
export async function plan(options: PlanOptions, terminal: Terminal): Promise<number> {
  try {
    const project = await loadProject(options.directory, terminal, SILENT)
    if (!project) return 1
    const services = await openServices(project, SILENT)
    try {
      await reachServices(project, services)
      return await tell(project, services, options, terminal)
    } finally {
      await services.close()
    }
  } catch (error) {
    terminal.error(`millrace plan: ${explain(error)}`)
    return 1
  }
}

async function tell(
  project: Project,
  services: Services,
  { json, apply }: PlanOptions,
  { out }: Terminal,
): Promise<number> {
  const { state, store } = services
  const deployed = await deployedTopologies(state, systemClock)
  const declared = await Promise.all(project.topologies.map((topology) => withRebuild(topology, state)))
  const names = [...new Set([...declared.map(({ name }) => name), ...deployed.keys()])]
  const aliases = new Map(await Promise.all(names.map(async (name) => [name, await store.alias(name)] as const)))
  const { changes, old } = planOf(declared, deployed, aliases)
  const left = await leftovers(old, deployed, project, services)
  if (!json) out.write(`${[...changes.map(changeText), ...leftText(left, apply === true)].join('\n')}\n`)
  for (const one of apply ? left : []) await sweep(one, one, { ...services, clock: systemClock })
  const answer = { changes, old: left, applied: apply === true }
  if (json) out.write(`${JSON.stringify(answer)}\n`)
  else if (apply && left.length > 0) out.write('Deleted.\n')
  return codeOf(changes, apply === true)
}

function leftovers(
  old: Plan['old'],
  deployed: Awaited<ReturnType<typeof deployedTopologies>>,
  { config }: Project,
  services: Services,
): Promise<Leftover[]> {
  return Promise.all(
    old.map(async (one) => {
      const topology = deployed.get(one.topology)
      if (!topology) throw new Error(`nothing is known of ${one.topology}`)
      return { ...one, ...(await remainsOf(one, topology, config.deployment, services)) }
    }),
  )
}

/** What was removed, and has been swept now, is done. */
function codeOf(changes: readonly Change[], isApplied: boolean): number {
  return Math.max(0, ...changes.map(({ verdict }) => (isApplied && verdict === 'removed' ? 0 : CODES[verdict])))
}

function changeText({ topology, verdict, generation, serving, notes }: Change): string {
  const moves = generation !== undefined && serving !== undefined && serving !== generation
  const head = `${verdict.padEnd(9)}  ${topology}${moves ? `  (${serving} serves, ${generation} is to)` : ''}`
  return [head, ...notes.map((note) => `           ${note}`)].join('\n')
}

function leftText(left: readonly Leftover[], isApplied: boolean): string[] {
  if (left.length === 0) return []
  const lines = left.map(({ namespace, because, shuffle, tasks }) => {
    const topic = shuffle === undefined ? '' : `the topic ${shuffle}, `
    return `  ${namespace} (${because}): ${topic}the state of up to ${tasks.length} tasks, its features`
  })
  const what = isApplied ? 'To be deleted now:' : 'Old generations, which millrace plan --apply deletes:'
  return ['', what, ...lines]
}
