import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { readConfig } from '../core/config.ts'
import type { FeatureValue } from '../core/model.ts'
import { YamlFile } from '../core/yaml.ts'
import type { Terminal } from './console.ts'

export interface FeatureOptions {
  readonly directory: string
  readonly url?: string
  readonly port?: number
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
  options: FeatureOptions,
  terminal: Terminal,
): Promise<number> {
  const answer = await ask(await addressOf(entity, id, options, terminal), terminal)
  if (!answer) return 1
  terminal.out.write(options.json ? `${JSON.stringify(answer)}\n` : table(answer))
  return 0
}

export async function watchFeatures(
  entity: string,
  id: string,
  options: FeatureOptions & { every: number },
  terminal: Terminal,
): Promise<number> {
  const address = await addressOf(entity, id, options, terminal)
  let before = ''
  while (!terminal.stopSignal.aborted) {
    const answer = await ask(address, terminal)
    if (!answer) return 1
    const values = JSON.stringify(Object.values(answer.features).map(({ value }) => value))
    if (values !== before)
      terminal.out.write(
        options.json ? `${JSON.stringify(answer)}\n` : `${new Date().toISOString()}\n${table(answer)}\n`,
      )
    before = values
    await sleep(options.every, undefined, { signal: terminal.stopSignal }).catch(() => undefined)
  }
  return 0
}

async function addressOf(
  entity: string,
  id: string,
  { directory, url, port, feature }: FeatureOptions,
  terminal: Terminal,
): Promise<string> {
  const base = baseUrl(url ?? (await projectUrl(directory, terminal)), port)
  const query = feature === undefined ? '' : `?features=${feature.map(encodeURIComponent).join(',')}`
  return `${base}/v1/features/${encodeURIComponent(entity)}/${encodeURIComponent(id)}${query}`
}

/** Without a slash at its end. `127.0.0.1:8080` is taken for http. Throws on what is no address. */
function baseUrl(text: string, port: number | undefined): string {
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`)
  if (!url || !/^https?:$/.test(url.protocol) || url.hostname === '')
    throw new Error(`--url is '${text}'; expected an address such as http://127.0.0.1:8080`)
  if (port !== undefined) url.port = String(port)
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`
}

/** Where the project's API listens; what else may be wrong with the project does not matter here. */
async function projectUrl(directory: string, { environment }: Terminal): Promise<string> {
  const text = await readFile(join(directory, 'millrace.yaml'), 'utf8').catch(() => '')
  const { host, port } = (await readConfig(new YamlFile('millrace.yaml', text), environment)).http
  const address = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return `http://${address.includes(':') ? `[${address}]` : address}:${port}`
}

async function ask(address: string, { error }: Terminal): Promise<Answer | undefined> {
  const base = new URL(address).origin
  try {
    const response = await fetch(address)
    const body = (await response.json()) as Answer & { title?: string; detail?: string }
    if (response.ok) return body
    error(`millrace features: ${body.title ?? response.status}. ${body.detail ?? ''}`)
  } catch {
    error(
      `millrace features: nothing answers at ${base}. Is \`millrace dev\` or \`millrace run\` running there? Give another place by --port or --url.`,
    )
  }
  return undefined
}

/** Texts as they are, so that a script takes them; items of a list apart by commas. */
function shown(value: FeatureValue): string {
  if (value === null) return '-'
  return Array.isArray(value) ? value.join(', ') : String(value)
}

function table({ entity, id, found, features }: Answer): string {
  const rows = Object.entries(features).map(
    ([name, { value, asOf, topology }]) => [name, shown(value), asOf ?? '-', topology] as const,
  )
  const width = (column: 0 | 1 | 2) => Math.max(0, ...rows.map((row) => row[column].length))
  const [names, values, times] = [width(0), width(1), width(2)]
  const lines = rows.map(
    ([name, value, asOf, topology]) =>
      `  ${name.padEnd(names)}  ${value.padStart(values)}  ${asOf.padEnd(times)}  ${topology}`,
  )
  return `${entity} ${id}${found ? '' : ' (never seen: defaults)'}\n${lines.join('\n')}\n`
}
