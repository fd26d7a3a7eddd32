import { declared } from '../api/inventory.ts'
import type { TopologyAnswer } from '../api/shapes.ts'
import { ApiError, type ApiPlace, apiAddress, askJson } from './api.ts'
import type { Terminal } from './console.ts'
import { loadProject } from './project.ts'
import { columns } from './table.ts'

export interface TopologiesOptions extends ApiPlace {
  readonly live?: boolean
  readonly tag?: readonly string[]
  readonly json?: boolean
}

/** As the files say; as they run, where `--live`, `--url` or `--port` ask for it. */
export async function topologies(options: TopologiesOptions, terminal: Terminal): Promise<number> {
  const { live, url, port, tag = [], json } = options
  const isLive = live === true || url !== undefined || port !== undefined
  try {
    const all = isLive ? await running(options, terminal) : await written(options, terminal)
    if (!all) return 1
    const chosen = all.filter(({ tags }) => tag.length === 0 || tag.some((one) => tags.includes(one)))
    if (json) terminal.out.write(`${JSON.stringify({ topologies: chosen })}\n`)
    else if (chosen.length === 0) terminal.out.write('no topologies\n')
    else terminal.out.write(`${(isLive ? liveTable(chosen) : table(chosen)).join('\n')}\n`)
    return 0
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    terminal.error(`millrace topologies: ${error.message}`)
    return 1
  }
}

async function written({ directory }: TopologiesOptions, terminal: Terminal): Promise<TopologyAnswer[] | undefined> {
  return (await loadProject(directory, terminal))?.topologies.map(declared)
}

async function running(options: TopologiesOptions, terminal: Terminal): Promise<readonly TopologyAnswer[]> {
  const address = await apiAddress(options, terminal)
  return (await askJson<{ topologies: readonly TopologyAnswer[] }>(`${address}/v1/topologies`, terminal)).topologies
}

function table(all: readonly TopologyAnswer[]): string[] {
  const rows = all.map(({ name, kind, sources, entity = '-', features = [], outputs, owner, tags }) => [
    name,
    kind,
    sources.join(', '),
    entity,
    String(features.length),
    outputs.join(', '),
    Object.values(owner ?? {}).join('/') || '-',
    tags.join(', ') || '-',
  ])
  return columns([['TOPOLOGY', 'KIND', 'SOURCES', 'ENTITY', 'FEATURES', 'TO', 'OWNER', 'TAGS'], ...rows], [4])
}

function liveTable(all: readonly TopologyAnswer[]): string[] {
  const rows = all.map(({ name, kind, generation, serving, live }) => [
    name,
    kind,
    generation,
    serving ?? '-',
    Object.entries(live?.tasks ?? {})
      .map(([condition, tasks]) => `${tasks} ${condition}`)
      .join(', ') || 'none here',
    String(live?.lag ?? '-'),
    live?.clock ?? '-',
  ])
  const head = ['TOPOLOGY', 'KIND', 'GENERATION', 'SERVING', 'TASKS', 'LAG', 'CLOCK']
  const reasons = all.flatMap(({ live }) => live?.reasons ?? []).map((reason) => `  ${reason}`)
  return [...columns([head, ...rows], [5]), ...(reasons.length > 0 ? ['', ...reasons] : [])]
}
