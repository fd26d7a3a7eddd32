import { once } from 'node:events'
import { ExpressionError } from '../../core/expression/index.ts'
import type { Registry, Transport } from '../../core/model.ts'
import { SILENT } from '../../core/part.ts'
import type { Project } from '../../project/check.ts'
import { openPart } from '../../runtime/services.ts'
import { ApiError, type ApiPlace, apiAddress, ask } from '../api.ts'
import { explain, type Terminal } from '../console.ts'
import { splitAt } from '../events.ts'
import { loadProject } from '../project.ts'
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
    const lines = await linesOf(topic, options, terminal)
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

/** An embedded log belongs to one process: while `millrace dev` runs, its records are asked for over its API. */
async function linesOf(
  topic: string,
  options: TailCommand,
  terminal: Terminal,
): Promise<AsyncIterable<string> | undefined> {
  if (options.url !== undefined || options.port !== undefined) return viaApi(topic, options, terminal)
  const project = await loadProject(options.directory, terminal)
  if (!project) return undefined
  if (project.config.transport.kind === 'embedded') {
    try {
      return await viaApi(topic, options, terminal)
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== undefined) throw error
    }
  }
  return direct(topic, options, project, terminal.stopSignal)
}

async function viaApi(topic: string, options: TailCommand, terminal: Terminal): Promise<AsyncIterable<string>> {
  const { from, limit, follow, where } = options
  const query = new URLSearchParams({
    ...(from === undefined ? {} : { from: from instanceof Date ? from.toISOString() : from }),
    ...(limit === undefined ? {} : { limit: String(limit) }),
    ...(follow ? { follow: 'true' } : {}),
    ...(where === undefined ? {} : { where }),
  })
  const base = await apiAddress(options, terminal)
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
  const { transport: log, registry: schemas } = project.config
  const transport = await openPart<Transport>('transports', log, project, SILENT)
  try {
    const registry = await openPart<Registry>('registries', schemas, project, SILENT)
    try {
      const { from, limit, follow, where } = options
      const asked = { limit, follow, where, from: from instanceof Date ? from.getTime() : from }
      yield* await tailLines({ transport, registry }).lines(topic, asked, signal)
    } finally {
      await registry.close()
    }
  } finally {
    await transport.close()
  }
}

function whereFault({ message, expected, suggestion, offset }: ExpressionError): string {
  const more = `${expected === undefined ? '' : `\n  expected ${expected}`}${suggestion === undefined ? '' : `\n  did you mean ${suggestion}?`}`
  return `--where, at character ${offset + 1}: ${message}${more}`
}
