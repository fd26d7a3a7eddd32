/** `GET /v1/features/{entity}/{id}`: the one handler that answers it, both before Express and inside it. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Features } from './features.ts'
import { Problem, send } from './problem.ts'

const PREFIX = '/v1/features/'

/** Answers and returns true when the request is a read of one entity; false leaves it untouched. */
export type ReadHandler = (request: IncomingMessage, response: ServerResponse) => boolean

export function createRead(
  features: Features,
  failed: (error: unknown, request: IncomingMessage, response: ServerResponse) => void,
): ReadHandler {
  async function answer(path: ReadPath, response: ServerResponse): Promise<void> {
    const names = path.query === '' ? undefined : chosenFeatures(path.query)
    const body = await features.one(decode(path.entity, 'entity'), decode(path.id, 'id'), names)
    send(response, 200, 'application/json', body)
  }
  return (request, response) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return false
    const path = parse(request.url ?? '')
    if (!path) return false
    answer(path, response).catch((error: unknown) => failed(error, request, response))
    return true
  }
}

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

/** `features=a,b`; several such parameters add up. */
function chosenFeatures(query: string): string[] {
  const names: string[] = []
  for (const [parameter, value] of new URLSearchParams(query)) {
    if (parameter !== 'features')
      throw new Problem('parameter-unknown', `The only parameter here is 'features', as in ?features=a,b.`)
    names.push(...value.split(','))
  }
  if (names.some((name) => name === ''))
    throw new Problem(
      'feature-unknown',
      `'features' must name features, separated by single commas, as in ?features=a,b.`,
    )
  return names
}
