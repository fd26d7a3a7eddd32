import { liveTopics } from '../api/inventory.ts'
import { Problem } from '../api/problem.ts'
import type { TopicAnswer } from '../api/shapes.ts'
import type { Registry, Transport } from '../core/model.ts'
import { SILENT } from '../core/part.ts'
import { openPart } from '../runtime/services.ts'
import { ApiError, type ApiPlace, apiAddress, askJson } from './api.ts'
import { explain, type Terminal } from './console.ts'
import { loadProject } from './project.ts'
import { columns } from './table.ts'

export interface TopicsOptions extends ApiPlace {
  readonly json?: boolean
}

export async function topics(options: TopicsOptions, terminal: Terminal): Promise<number> {
  try {
    const all = await known(options, terminal)
    if (!all) return 1
    terminal.out.write(options.json ? `${JSON.stringify({ topics: all })}\n` : `${table(all).join('\n')}\n`)
    return 0
  } catch (error) {
    terminal.error(`millrace topics: ${error instanceof Problem ? error.message : explain(error)}`)
    return 1
  }
}

/** An embedded log belongs to one process: while that runs, it is asked over its API. */
async function known(options: TopicsOptions, terminal: Terminal): Promise<readonly TopicAnswer[] | undefined> {
  const { url, port, directory } = options
  const viaApi = async () => {
    const address = await apiAddress(options, terminal)
    return (await askJson<{ topics: readonly TopicAnswer[] }>(`${address}/v1/topics`, terminal)).topics
  }
  if (url !== undefined || port !== undefined) return viaApi()
  const project = await loadProject(directory, terminal)
  if (!project) return undefined
  const { config, topologies } = project
  if (config.transport.kind === 'embedded') {
    try {
      return await viaApi()
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== undefined) throw error
    }
  }
  const transport = await openPart<Transport>('transports', config.transport, project, SILENT)
  try {
    const registry = await openPart<Registry>('registries', config.registry, project, SILENT)
    try {
      return await liveTopics(topologies, transport, registry, [config.engine.deadLetters.topic])
    } finally {
      await registry.close()
    }
  } finally {
    await transport.close()
  }
}

function table(all: readonly TopicAnswer[]): string[] {
  const rows = all.map(({ name, partitions, subject, schema, reads, writes }) => [
    name,
    String(partitions?.length ?? '-'),
    partitions === null ? 'missing' : String(partitions.reduce((sum, { start, end }) => sum + end - start, 0)),
    subject === null ? '-' : `${subject} (${schema})`,
    reads.join(', ') || '-',
    writes.join(', ') || '-',
  ])
  return columns([['TOPIC', 'PARTITIONS', 'RECORDS', 'SCHEMA', 'READ BY', 'WRITTEN BY'], ...rows], [1, 2])
}
