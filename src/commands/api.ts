/** The API of a running Millrace, as commands ask it. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readConfig } from '../core/config.ts'
import { YamlFile } from '../core/yaml.ts'
import type { Terminal } from './console.ts'

/** Options that say where the API is. */
export interface ApiPlace {
  readonly directory: string
  readonly url?: string
  readonly port?: number
}

/** Nothing answers there, or not what was expected; the message says where it was looked for, and what to do. */
export class ApiError extends Error {
  /** Status of an answer that is a problem; undefined where nothing answered. */
  readonly status: number | undefined

  constructor(message: string, status?: number) {
    super(message)
    this.name = 'ApiError'
    this.status = status
  }
}

/** Base address, without a slash at its end. Throws on what is no address. */
export async function apiAddress({ directory, url, port }: ApiPlace, terminal: Terminal): Promise<string> {
  return baseUrl(url ?? (await projectUrl(directory, terminal)), port)
}

/** `127.0.0.1:8080` is taken for http. */
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

/** The answer, when it is one; asked for with the token of the environment. Throws `ApiError`; once the signal is aborted, whatever. */
export async function ask(
  address: string,
  { environment }: Pick<Terminal, 'environment'>,
  init: RequestInit = {},
): Promise<Response> {
  const token = environment.MILLRACE_TOKEN?.trim()
  let response: Response
  try {
    const headers = { ...init.headers, ...(token ? { authorization: `Bearer ${token}` } : {}) }
    response = await fetch(address, { ...init, headers })
  } catch {
    const { origin } = new URL(address)
    const hint = 'Is `millrace dev` or `millrace run` running there? Give another place by --port or --url.'
    throw new ApiError(`nothing answers at ${origin}. ${hint}`, undefined)
  }
  if (response.ok) return response
  const problem = (await response.json().catch(() => ({}))) as { title?: string; detail?: string }
  const hint = response.status === 401 ? ' Put it into the variable MILLRACE_TOKEN of the environment.' : ''
  throw new ApiError(
    `${problem.title ?? `${address} answers ${response.status}`}. ${problem.detail ?? ''}${hint}`.trim(),
    response.status,
  )
}

export async function askJson<T>(address: string, terminal: Pick<Terminal, 'environment'>): Promise<T> {
  return (await (await ask(address, terminal)).json()) as T
}
