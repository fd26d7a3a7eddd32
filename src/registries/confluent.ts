import { z } from 'zod'
import { type Answer, ask } from '../connections/https.ts'
import { systemClock } from '../core/clock.ts'
import { duration } from '../core/duration.ts'
import { MillraceError } from '../core/errors.ts'
import type { Registry } from '../core/model.ts'
import type { Part } from '../core/part.ts'
import { readTls, type TlsFiles, tlsSettings } from '../core/tls.ts'

const config = z
  .strictObject({
    url: z
      .string()
      .refine(isAddress, 'expected an http or https address without user and password')
      .describe('Address of the registry, with the path under which it serves the Confluent API.'),
    username: z.string().min(1).optional().describe('User name (or API key) for basic authentication.'),
    password: z.string().optional().describe('Password (or API secret). Never logged.'),
    tls: tlsSettings,
    timeout: duration.default(5_000).describe('How long one request may take.'),
    retries: z
      .int()
      .min(0)
      .max(10)
      .default(3)
      .describe('How often a request that failed is repeated before giving up.'),
  })
  .refine(({ url, tls }) => url.startsWith('https:') || !tls, {
    path: ['tls'],
    message: '`tls` stands with an address without it',
    params: { expected: 'an address that begins with https://' },
  })
type Config = z.output<typeof config>

const part: Part<Config, Registry> = {
  summary: 'A schema registry that speaks the Confluent REST API.',
  config,
  example: 'registry:\n  kind: confluent\n  url: http://localhost:8081\n',
  notes: `Tried with Apicurio Registry (Confluent compatibility API, v7). A request is repeated, with growing pauses, when
the registry cannot be reached, is too slow, or answers 408, 429 or 5xx. Only the registry's own answer "schema not
found" makes a schema unknown; a 404 without Confluent's error code is a wrong address. Schemas of more than 2 MiB, with
references, or in another language than Avro are \`schema-unfit\`. Redirects are not followed.`,
  open: async (settings, { directory }) => new ConfluentRegistry(settings, await readTls(settings.tls, directory)),
}
export default part

const MAX_BYTES = 2 << 20
const FIRST_PAUSE_MS = 100
const SUBJECT_NOT_FOUND = [40401, 40402]
const SCHEMA_NOT_FOUND = 40403
const MEDIA_TYPE = 'application/vnd.schemaregistry.v1+json'

class ConfluentRegistry implements Registry {
  private readonly settings: Config
  private readonly tls: TlsFiles | undefined
  private readonly base: string
  private readonly headers: Readonly<Record<string, string>>
  private readonly secrets: readonly string[]
  private readonly closing = new AbortController()
  /** A schema never changes under its id. */
  private readonly schemas = new Map<number, unknown>()

  constructor(settings: Config, tls: TlsFiles | undefined) {
    this.settings = settings
    this.tls = tls
    this.base = settings.url.replace(/\/+$/, '')
    const { username, password = '' } = settings
    const credentials = Buffer.from(`${username}:${password}`).toString('base64')
    this.secrets = [credentials, password].filter((secret) => secret !== '')
    this.headers = { accept: MEDIA_TYPE, ...(username === undefined ? {} : { authorization: `Basic ${credentials}` }) }
  }

  async schema(id: number): Promise<unknown> {
    const known = this.schemas.get(id)
    if (known !== undefined) return known
    const answer = await this.request('GET', `/schemas/ids/${id}`)
    if (answer.status === 404 && errorOf(answer).code === SCHEMA_NOT_FOUND)
      throw new MillraceError('schema-unknown', `the registry has no schema ${id}`)
    const schema = schemaIn(this.read(answer), `schema ${id}`)
    this.schemas.set(id, schema)
    return schema
  }

  async latest(subject: string): Promise<{ readonly id: number; readonly schema: unknown } | undefined> {
    const answer = await this.request('GET', `/subjects/${encodeURIComponent(subject)}/versions/latest`)
    if (answer.status === 404 && SUBJECT_NOT_FOUND.includes(errorOf(answer).code)) return undefined
    const found = this.read(answer)
    return { id: idIn(found), schema: schemaIn(found, `the newest schema of ${subject}`) }
  }

  async register(subject: string, schema: unknown): Promise<number> {
    const body = JSON.stringify({ schema: JSON.stringify(schema) })
    const answer = await this.request('POST', `/subjects/${encodeURIComponent(subject)}/versions`, body)
    if (answer.status === 409 || answer.status === 422)
      throw new MillraceError(
        'schema-incompatible',
        `the registry refused a schema of ${subject}: ${this.said(answer)}`,
      )
    return idIn(this.read(answer))
  }

  async close(): Promise<void> {
    this.closing.abort()
  }

  private read(answer: Answer): Readonly<Record<string, unknown>> {
    if (answer.text === undefined) throw new MillraceError('schema-unfit', `a schema of more than ${MAX_BYTES} bytes`)
    const json = parsed(answer.text)
    if (answer.status === 200 && typeof json === 'object' && json !== null) return json as Record<string, unknown>
    const hint = answer.status === 404 ? '; is the path in its address right?' : ''
    throw failed(`answered ${answer.status}: ${this.said(answer)}${hint}`)
  }

  /** What the registry said, cut. A proxy may say back the request, and with it the credentials. */
  private said(answer: Answer): string {
    const { said } = errorOf(answer)
    return this.secrets.reduce((text, secret) => text.replaceAll(secret, '***'), said).slice(0, 300)
  }

  private async request(method: 'GET' | 'POST', path: string, body?: string): Promise<Answer> {
    for (let attempt = 0; ; attempt++) {
      const outcome = await this.attempt(method, path, body)
      if (!(outcome instanceof Error) && !isTransient(outcome.status)) return outcome
      if (attempt === this.settings.retries || this.closing.signal.aborted)
        throw outcome instanceof Error ? outcome : failed(`answered ${outcome.status}: ${this.said(outcome)}`)
      // jittered, so that many workers do not come back at once
      await systemClock.wait(FIRST_PAUSE_MS * 2 ** attempt * (0.5 + Math.random()), this.closing.signal)
    }
  }

  private async attempt(method: string, path: string, body: string | undefined): Promise<Answer | MillraceError> {
    const timeout = AbortSignal.timeout(this.settings.timeout)
    try {
      return await ask(`${this.base}${path}`, this.tls, {
        method,
        headers: { ...this.headers, ...(body === undefined ? {} : { 'content-type': MEDIA_TYPE }) },
        body,
        signal: AbortSignal.any([this.closing.signal, timeout]),
        mostBytes: MAX_BYTES,
      })
    } catch (error) {
      if (this.closing.signal.aborted) return failed('was closed')
      if (timeout.aborted) return failed(`did not answer in ${this.settings.timeout} ms`)
      const { code, message } = error as NodeJS.ErrnoException
      return failed(`cannot be reached: ${code ?? message}`)
    }
  }
}

function isTransient(status: number): boolean {
  return status >= 500 || status === 429 || status === 408
}

function failed(what: string): MillraceError {
  return new MillraceError('registry-failed', `the registry ${what}`)
}

/** Confluent's code, 0 where there is none, and what the registry said. */
function errorOf({ text = '' }: Answer): { readonly code: number; readonly said: string } {
  const json = parsed(text) as { error_code?: unknown; message?: unknown } | null | undefined
  return { code: Number(json?.error_code ?? 0), said: String(json?.message ?? text) }
}

function idIn({ id }: Readonly<Record<string, unknown>>): number {
  if (typeof id === 'number' && Number.isInteger(id)) return id
  throw failed('answered without a schema id')
}

function schemaIn(found: Readonly<Record<string, unknown>>, what: string): unknown {
  const { schema, schemaType = 'AVRO', references } = found
  if (schemaType !== 'AVRO') throw new MillraceError('schema-unfit', `${what} is ${schemaType}, not Avro`)
  if (Array.isArray(references) && references.length > 0)
    throw new MillraceError('schema-unfit', `${what} refers to other schemas, which is not supported`)
  const json = typeof schema === 'string' ? parsed(schema) : undefined
  if (json === undefined) throw new MillraceError('schema-unfit', `${what} is not JSON`)
  return json
}

/** Undefined for what is no JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function isAddress(text: string): boolean {
  const url = URL.parse(text)
  return url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === ''
}
