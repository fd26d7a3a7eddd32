import { systemClock } from '../core/clock.ts'
import type { State } from '../core/model.ts'
import { nearest } from '../core/suggest.ts'
import { askForRebuild } from '../features/rebuild.ts'
import { openPart } from '../runtime.ts'
import { explain, type Terminal } from './console.ts'
import { loadProject } from './project.ts'
import { reached } from './reach.ts'
import { SILENT } from './silent.ts'

export async function rebuild(name: string, { directory }: { directory: string }, terminal: Terminal): Promise<number> {
  try {
    const project = await loadProject(directory, terminal, SILENT)
    if (!project) return 1
    const { topologies, config } = project
    const topology = topologies.find((each) => each.name === name)
    if (!topology) {
      const names = topologies.map((each) => each.name)
      const near = nearest(name, names)
      const hint = near === undefined ? '' : ` Did you mean '${near}'?`
      terminal.error(`millrace rebuild: there is no topology '${name}'.${hint} There are: ${names.join(', ')}.`)
      return 1
    }
    const state = await openPart<State>('state', config.state, project, SILENT)
    try {
      const rebuilt = await reached('state', config.state, () =>
        askForRebuild(topology, topologies, state, systemClock),
      )
      terminal.out.write(told(rebuilt.map((each) => each.name)))
    } finally {
      await state.close()
    }
    return 0
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
Start the workers again now: they take it up when they start. Until it has caught up, the API serves the old features.
`
}
