import { once } from 'node:events'
import { topicNames } from '../../api/inventory.ts'
import { ExpressionError } from '../../core/expression/index.ts'
import type { Project } from '../../project/check.ts'
import { ApiError, type ApiPlace, ask } from '../api.ts'
import { explain, type Terminal } from '../console.ts'
import { splitAt } from '../events.ts'
import { openLog, servedOrHere } from '../served.ts'
import { tailLines } from './lines.ts'

export interface TailCommand extends ApiPlace {
  /** As the API takes it. */
  readonly from?: 'earliest' | 'latest' | Date
  readonly limit?: number
  readonly follow?: boolean
  readonly where?: string
}

export async function tailTopic(topic: string, options: TailCommand, terminal: Terminal): Promise<number> {
  const { stopSignal: signal, out } = terminal
  try {
    const lines = await servedOrHere<AsyncIterable<string>>(
      options,
      terminal,
      (address) => viaApi(address, topic, options, terminal),
      (project) => direct(topic, options, project, signal),
    )
    if (!lines) return 1
    for await (const line of lines) {
      if (!out.write(`${line}\n`)) await once(out, 'drain', { signal })
      if (signal.aborted) break
    }
    return 0
  } catch (error) {
    if (signal.aborted) return 0
    terminal.error(`millrace tail: ${error instanceof ExpressionError ? whereFault(error) : explain(error)}`)
    return 1
  }
}

async function viaApi(
  base: string,
  topic: string,
  options: TailCommand,
  terminal: Terminal,
): Promise<AsyncIterable<string>> {
  const { from, limit, follow, where } = options
  const query = new URLSearchParams({
    ...(from === undefined ? {} : { from: from instanceof Date ? from.toISOString() : from }),
    ...(limit === undefined ? {} : { limit: String(limit) }),
    ...(follow ? { follow: 'true' } : {}),
    ...(where === undefined ? {} : { where }),
  })
  const address = `${base}/v1/topics/${encodeURIComponent(topic)}/records?${query}`
  try {
    const { body } = await ask(address, terminal, { signal: terminal.stopSignal })
    return splitAt(body, '\n')
  } catch (error) {
    const isRun = error instanceof ApiError && error.status === 404 && error.message.startsWith('There is nothing')
    if (!isRun) throw error
    throw new ApiError(
      `what runs at ${base} does not show records: only \`millrace dev\` does. A log of Kafka is read without --url and --port; ` +
        'an embedded one once that process has stopped.',
      404,
    )
  }
}

async function* direct(topic: string, options: TailCommand, project: Project, signal: AbortSignal) {
  const { topologies, config } = project
  const { close, ...services } = await openLog(project)
  try {
    const { from, limit, follow, where } = options
    const asked = { limit, follow, where, from: from instanceof Date ? from.getTime() : from }
    const names = () => topicNames(topologies, [config.engine.deadLetters.topic])
    yield* await tailLines({ ...services, names }).lines(topic, asked, signal)
  } finally {
    await close()
  }
}

function whereFault({ message, expected, suggestion, offset }: ExpressionError): string {
  const more = `${expected === undefined ? '' : `\n  expected ${expected}`}${suggestion === undefined ? '' : `\n  did you mean ${suggestion}?`}`
  return `--where, at character ${offset + 1}: ${message}${more}`
}
