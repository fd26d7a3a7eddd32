import { setTimeout as sleep } from 'node:timers/promises'
import type { FeatureValue } from '../core/model.ts'
import { ApiError, type ApiPlace, apiAddress, ask, askJson } from './api.ts'
import type { Terminal } from './console.ts'
import { eventsOf } from './events.ts'
import { columns } from './table.ts'

export interface FeatureOptions extends ApiPlace {
  readonly feature?: readonly string[]
  readonly json?: boolean
}

interface Answer {
  readonly entity: string
  readonly id: string
  readonly found: boolean
  readonly features: Readonly<
    Record<string, { readonly value: FeatureValue; readonly asOf: string | null; readonly topology: string }>
  >
}

export async function getFeatures(
  entity: string,
  id: string,
  options: FeatureOptions & { maxAge?: string },
  terminal: Terminal,
): Promise<number> {
  const { maxAge } = options
  return told(terminal, async () => {
    const more = maxAge === undefined ? {} : { maxAge }
    const answer = await askJson<Answer>(await addressOf(entity, id, '', options, terminal, more), terminal)
    terminal.out.write(options.json ? `${JSON.stringify(answer)}\n` : table(answer))
  })
}

/** How long after a stream has ended another is asked for; the server may say otherwise. */
const RETRY_MS = 1_000

/** A stream that ends is asked for again, as long as the server was once there. */
export async function watchFeatures(
  entity: string,
  id: string,
  options: FeatureOptions,
  terminal: Terminal,
): Promise<number> {
  const { out, stopSignal: signal } = terminal
  return told(terminal, async () => {
    const address = await addressOf(entity, id, '/watch', options, terminal)
    let lastId: string | undefined
    let retry = RETRY_MS
    let lost = false
    for (let first = true; !signal.aborted; first = false) {
      try {
        const headers = lastId === undefined ? {} : { 'last-event-id': lastId }
        const response = await ask(address, terminal, { headers, signal })
        for await (const event of eventsOf(response.body)) {
          retry = event.retry ?? retry
          if (event.data === undefined) continue
          lastId = event.id
          lost = false
          const answer = JSON.parse(event.data) as Answer
          out.write(options.json ? `${event.data}\n` : `${new Date().toISOString()}\n${table(answer)}\n`)
        }
      } catch (error) {
        if (signal.aborted) return
        const isGone = error instanceof ApiError && error.status !== undefined && error.status < 500
        if (first || isGone) throw error
        if (!lost) terminal.error('millrace features: the API is gone; connecting again')
        lost = true
      }
      await sleep(retry, undefined, { signal }).catch(() => undefined)
    }
  })
}

async function told({ error }: Terminal, work: () => Promise<void>): Promise<number> {
  try {
    await work()
    return 0
  } catch (problem) {
    if (!(problem instanceof ApiError)) throw problem
    error(`millrace features: ${problem.message}`)
    return 1
  }
}

async function addressOf(
  entity: string,
  id: string,
  suffix: string,
  options: FeatureOptions,
  terminal: Terminal,
  more: Readonly<Record<string, string>> = {},
): Promise<string> {
  const query = new URLSearchParams(more)
  if (options.feature !== undefined) query.set('features', options.feature.join(','))
  const base = await apiAddress(options, terminal)
  const path = `${base}/v1/features/${encodeURIComponent(entity)}/${encodeURIComponent(id)}${suffix}`
  return query.size === 0 ? path : `${path}?${query}`
}

/** Texts as they are, so that a script takes them; items of a list apart by commas. */
function shown(value: FeatureValue): string {
  if (value === null) return '-'
  return Array.isArray(value) ? value.join(', ') : String(value)
}

function table({ entity, id, found, features }: Answer): string {
  const rows = Object.entries(features).map(([name, { value, asOf, topology }]) => [
    `  ${name}`,
    shown(value),
    asOf ?? '-',
    topology,
  ])
  return `${entity} ${id}${found ? '' : ' (never seen: defaults)'}\n${columns(rows, [1]).join('\n')}\n`
}
