import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach } from 'vitest'
import type { InputRecord } from '../../../src/core/model.ts'
import type { Log } from '../../../src/core/part.ts'
import embedded, { EmbeddedTransport } from '../../../src/transports/embedded/index.ts'

export interface Line {
  readonly level: string
  readonly fields: object
  readonly message: string
}

/** A log that keeps its lines. */
export function recordingLog(): Log & { lines: Line[] } {
  const lines: Line[] = []
  const at = (level: string) => (fields: object, message: string) => void lines.push({ level, fields, message })
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

export async function temporaryDirectory(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'millrace-log-'))
}

const cleanups: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** What is to be done after the test, the last first. */
export function afterwards(cleanup: () => Promise<unknown>): void {
  cleanups.push(cleanup)
}

/** A directory for one test. */
export async function directoryForTest(): Promise<string> {
  const directory = await temporaryDirectory()
  afterwards(() => rm(directory, { recursive: true, force: true }))
  return directory
}

/** The log in a directory, with settings as written in YAML; closed after the test. */
export async function openLog(
  directory: string,
  settings: object = {},
  log = recordingLog(),
): Promise<EmbeddedTransport> {
  const transport = await EmbeddedTransport.open(embedded.config.parse({ path: '.', ...settings }), { directory, log })
  afterwards(() => transport.close())
  return transport
}

/** Reads a partition from its start, or `from`, to its end as of now. */
export async function readAll(transport: EmbeddedTransport, topic: string, from?: number): Promise<InputRecord[]> {
  const [range] = await transport.ranges(topic)
  if (!range || range.end <= (from ?? range.start)) return []
  const records: InputRecord[] = []
  const { promise, resolve } = Promise.withResolvers<void>()
  const member = await transport.join(`read ${Math.random()}`, [topic], {
    opened: async () => from ?? range.start,
    closed: () => undefined,
    batch: async (batch) => {
      records.push(...batch.records)
      if (batch.next >= range.end) resolve()
    },
  })
  await promise
  await member.leave()
  return records
}
