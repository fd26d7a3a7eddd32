import { systemClock } from '../core/clock.ts'
import type { State } from '../core/model.ts'
import { SILENT } from '../core/part.ts'
import { didYouMean, nearest } from '../core/suggest.ts'
import { askForRebuild, withRebuild } from '../features/rebuild.ts'
import { featuresOf } from '../project/kinds.ts'
import { openPart } from '../runtime/services.ts'
import { type ApiPlace, apiAddress } from './api.ts'
import { catchUp } from './catch-up.ts'
import { explain, type Terminal } from './console.ts'
import { loadProject } from './project.ts'
import { reached } from './reach.ts'

export interface RebuildOptions extends ApiPlace {
  readonly wait?: boolean
  readonly json?: boolean
}

export async function rebuild(name: string, options: RebuildOptions, terminal: Terminal): Promise<number> {
  const { directory, wait = false, json = false } = options
  try {
    const project = await loadProject(directory, terminal, SILENT)
    if (!project) return 1
    const { topologies, config } = project
    const topology = topologies.find((each) => each.name === name)
    if (!topology) {
      const names = topologies.map((each) => each.name)
      const near = nearest(name, names)
      terminal.error(
        `millrace rebuild: there is no topology '${name}'.${didYouMean(near)} There are: ${names.join(', ')}.`,
      )
      return 1
    }
    const state = await openPart<State>('state', config.state, project, SILENT)
    const generations = new Map<string, string>()
    try {
      const rebuilt = await reached('state', config.state, () =>
        askForRebuild(topology, topologies, state, systemClock),
      )
      for (const each of rebuilt) generations.set(each.name, (await withRebuild(each, state)).generation)
    } finally {
      await state.close()
    }
    if (json) terminal.out.write(`${JSON.stringify({ rebuilt: Object.fromEntries(generations) })}\n`)
    else terminal.out.write(told([...generations.keys()]))
    if (!wait) return 0
    const withFeatures = featuresOf(topologies).map((each) => each.name)
    const served = new Map([...generations].filter(([each]) => withFeatures.includes(each)))
    const isServed = await catchUp(await apiAddress(options, terminal), served, terminal)
    if (isServed && !json) terminal.out.write('It has caught up: the API serves the new features.\n')
    return isServed ? 0 : 1
  } catch (error) {
    terminal.error(`millrace rebuild: ${explain(error)}`)
    return 1
  }
}

function told(names: readonly string[]): string {
  const what =
    names.length === 1
      ? `${names[0]} will be computed`
      : `The state holds nothing of this deployment, so ${names.join(', ')} will be computed`
  return `${what} again from the start of the topics.
Send the workers SIGHUP, or start them again: then they take it up. Until it has caught up, the API serves the old features.
`
}
