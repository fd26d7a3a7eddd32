import { liveTopics } from '../api/inventory.ts'
import { Problem } from '../api/problem.ts'
import type { TopicAnswer } from '../api/shapes.ts'
import { type ApiPlace, askJson } from './api.ts'
import { explain, type Terminal } from './console.ts'
import { reached } from './reach.ts'
import { openLog, servedOrHere } from './served.ts'
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

function known(options: TopicsOptions, terminal: Terminal): Promise<readonly TopicAnswer[] | undefined> {
  return servedOrHere(
    options,
    terminal,
    async (address) => (await askJson<{ topics: readonly TopicAnswer[] }>(`${address}/v1/topics`, terminal)).topics,
    async (project) => {
      const { config, topologies } = project
      const { transport, registry, close } = await openLog(project)
      try {
        // who does not answer is told by name and place
        await reached('transport', config.transport, () => transport.topics([config.engine.deadLetters.topic]))
        await reached('registry', config.registry, () => registry.latest(config.engine.deadLetters.topic))
        return await liveTopics(topologies, transport, registry, [config.engine.deadLetters.topic])
      } finally {
        await close()
      }
    },
  )
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
