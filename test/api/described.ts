/** Requests whose answers are held to the OpenAPI document that the server serves. */
import { expect } from 'vitest'
import { z } from 'zod'

type Schema = Parameters<typeof z.fromJSONSchema>[0]
interface Described {
  readonly description: string
  readonly content: Readonly<Record<string, { readonly schema: Schema }>>
}
interface Operation {
  readonly operationId: string
  readonly security?: readonly Readonly<Record<string, readonly string[]>>[]
  readonly requestBody?: Omit<Described, 'description'>
  readonly responses: Readonly<Record<string, Described>>
}
interface Document {
  readonly openapi: string
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> }
}

const documents = new Map<string, Promise<Document>>()

/** The document is kept: with `headers` that open it, later requests may be without. */
export async function documentOf(base: string, headers: Readonly<Record<string, string>> = {}): Promise<Document> {
  const known =
    documents.get(base) ??
    globalThis.fetch(`${base}/openapi.json`, { headers }).then((r) => r.json() as Promise<Document>)
  documents.set(base, known)
  return known
}

/** As the global one; throws where the document does not describe the answer. */
export async function fetch(address: string, init: RequestInit = {}): Promise<Response> {
  const { origin, pathname } = new URL(address)
  const document = await documentOf(origin)
  const response = await globalThis.fetch(address, init)
  await hold(document, (init.method ?? 'GET').toLowerCase(), pathname, response.clone())
  return response
}

async function hold(document: Document, method: string, pathname: string, response: Response): Promise<void> {
  const path = Object.keys(document.paths).find((path) => patternOf(path).test(pathname))
  const type = response.headers.get('content-type')
  const what = `${method} ${path ?? pathname}: ${response.status} ${type}`
  const operation = path && document.paths[path]?.[method === 'head' ? 'get' : method]
  if (!operation) {
    const undescribed = path === undefined ? [400, 404] : [204, 400, 405]
    expect(undescribed, what).toContain(response.status)
    if (response.status !== 204) expect(type, what).toBe('application/problem+json')
    return
  }
  const content = operation.responses[response.status]?.content[type ?? '']
  expect(content, `${what} is described`).toBeDefined()
  if (method === 'head' || !/\bjson$/.test(type ?? '')) return
  const schema = z.fromJSONSchema(resolved(content?.schema as Schema, document))
  const parsed = schema.safeParse(await response.json())
  expect(parsed.error?.issues, what).toBeUndefined()
}

const patternOf = (path: string) => new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`)

/** The schema with components in the place of references to them. */
function resolved(schema: Schema, document: Document): Schema {
  return JSON.parse(JSON.stringify(schema), (_key, value) => {
    const name = typeof value === 'object' && value !== null && /^#\/components\/schemas\/(\w+)$/.exec(value.$ref)?.[1]
    return name ? resolved(document.components.schemas[name] as Schema, document) : value
  }) as Schema
}
