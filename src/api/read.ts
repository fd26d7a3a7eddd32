/** `GET /v1/features/{entity}/{id}`: the one handler that answers it, both before Express and inside it. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Grant, permit } from './auth.ts'
import type { Features } from './features.ts'
import { Problem, send } from './problem.ts'
import { readQuery } from './route.ts'
import { readQueryShape } from './shapes.ts'

export const READ_PATH = '/v1/features/{entity}/{id}'
const PREFIX = '/v1/features/'

/** Answers and returns true when the request is a read of one entity; false leaves it untouched. */
export type ReadHandler = (request: IncomingMessage, response: ServerResponse, grant: Grant) => boolean

export function createRead(
  features: Features,
  failed: (error: unknown, request: IncomingMessage, response: ServerResponse) => void,
): ReadHandler {
  async function answer(path: ReadPath, response: ServerResponse, grant: Grant): Promise<void> {
    permit(grant, 'features:read')
    const { features: names, maxAge } = path.query === '' ? ALL : readQuery(readQueryShape, path.query)
    const body = await features.one(decode(path.entity, 'entity'), decode(path.id, 'id'), names, maxAge)
    send(response, 200, 'application/json', body)
  }
  return (request, response, grant) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return false
    const path = parse(request.url ?? '')
    if (!path) return false
    answer(path, response, grant).catch((error: unknown) => failed(error, request, response))
    return true
  }
}

const ALL = { features: undefined, maxAge: undefined }

interface ReadPath {
  /** Still percent-encoded. */
  readonly entity: string
  readonly id: string
  /** What follows the question mark. */
  readonly query: string
}

function parse(url: string): ReadPath | undefined {
  if (!url.startsWith(PREFIX)) return undefined
  const mark = url.indexOf('?')
  const end = mark < 0 ? url.length : mark
  const slash = url.indexOf('/', PREFIX.length)
  if (slash <= PREFIX.length || slash + 1 >= end) return undefined
  const id = url.slice(slash + 1, end)
  if (id.includes('/')) return undefined
  return { entity: url.slice(PREFIX.length, slash), id, query: mark < 0 ? '' : url.slice(mark + 1) }
}

function decode(text: string, what: string): string {
  if (/^[\w.~:-]*$/.test(text)) return text
  if (/[^\x21-\x7e]/.test(text))
    throw new Problem(
      'id-invalid',
      `The ${what} in the path must be percent-encoded UTF-8, as encodeURIComponent does.`,
    )
  try {
    return decodeURIComponent(text)
  } catch {
    throw new Problem('id-invalid', `The ${what} in the path is not valid percent-encoded UTF-8; write '%' as %25.`)
  }
}
