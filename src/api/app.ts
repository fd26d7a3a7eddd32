/** The Express app: serves the table of routes. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express'
import type { z } from 'zod'
import type { Log } from '../core/part.ts'
import { type Grant, permit } from './auth.ts'
import { Problem, sendProblem } from './problem.ts'
import type { ReadHandler } from './read.ts'
import { type Route, readQuery } from './route.ts'

export interface AppOptions {
  readonly routes: readonly Route[]
  readonly read: ReadHandler
  readonly bodyBytes: number
  /** Of a request that was admitted. */
  readonly grantOf: (request: IncomingMessage) => Grant
  /** Told the path of the route that a request met, as OpenAPI writes it. */
  readonly met: (response: ServerResponse, path: string) => void
  readonly failed: (error: unknown, request: IncomingMessage, response: ServerResponse) => void
}

export function createApp({ routes, read, bodyBytes, grantOf, met, failed }: AppOptions): Express {
  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.enable('strict routing')
  app.enable('case sensitive routing')
  app.set('query parser', false)

  app.use((request, response, next) => {
    if (!read(request, response, grantOf(request))) next()
  })
  for (const [path, those] of Map.groupBy(routes, (route) => route.path)) {
    const inExpress = path.replaceAll(/\{(\w+)\}/g, ':$1')
    app.all(inExpress, (_request, response, next) => {
      met(response, path)
      next()
    })
    for (const route of those) {
      if (route.handle === undefined) continue
      const { scope } = route
      // before anything of the body is read
      const permitted: RequestHandler = (request, _response, next) => {
        if (scope !== 'none') permit(grantOf(request), scope)
        next()
      }
      const body = route.body === undefined ? [] : bodyOf(bodyBytes)
      app[route.method](inExpress, permitted, ...body, handlerOf(route, route.handle, grantOf))
    }
    app.all(inExpress, onlyMethods(those))
  }
  app.use((request) => {
    const isRead = request.path.startsWith('/v1/features/')
    const hint = isRead ? 'A slash inside an id is written %2F. ' : ''
    throw new Problem('path-unknown', `There is nothing at this path. ${hint}GET / says what is here.`)
  })
  const onError: ErrorRequestHandler = (error, request, response, _next) => failed(error, request, response)
  app.use(onError)
  return app
}

function handlerOf(
  { query, body }: Route,
  handle: NonNullable<Route['handle']>,
  grantOf: AppOptions['grantOf'],
): RequestHandler {
  return async (request, response) => {
    const mark = request.url.indexOf('?')
    await handle({
      params: request.params as Record<string, string>,
      query: query === undefined ? {} : readQuery(query, mark < 0 ? '' : request.url.slice(mark + 1)),
      body: body === undefined ? undefined : readBody(body, request.body),
      grant: grantOf(request),
      request,
      response,
    })
  }
}

function bodyOf(limit: number): RequestHandler[] {
  const onlyJson: RequestHandler = (request, _response, next) => {
    if (request.is('application/json')) next()
    else next(new Problem('media-type-unsupported', "Send JSON with 'content-type: application/json'."))
  }
  return [onlyJson, express.json({ limit, type: 'application/json' })]
}

/** What was found wrong may repeat the caller's own keys. */
const SHOWN = 200

function readBody(schema: z.ZodType, written: unknown): unknown {
  const parsed = schema.safeParse(written)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const where = issue && issue.path.length > 0 ? `${issue.path.map(String).join('.')}: ` : ''
  const found = `${where}${issue?.message ?? 'wrong shape'}`.slice(0, SHOWN)
  throw new Problem('body-invalid', `${found}. GET /openapi.json says what is expected.`)
}

function onlyMethods(routes: readonly Route[]): RequestHandler {
  const allow = routes.map(({ method }) => (method === 'get' ? 'GET, HEAD' : method.toUpperCase())).join(', ')
  return (request, response) => {
    if (request.method === 'OPTIONS') {
      response.writeHead(204, { allow: `${allow}, OPTIONS` }).end()
      return
    }
    throw new Problem('method-not-allowed', `Use ${allow.replaceAll(', ', ' or ')} here.`, { headers: { allow } })
  }
}

/** Answers for any error: problems as they are, those of the body parser by their meaning, the rest as 500 with nothing said. */
export function failure(log: Log) {
  return (error: unknown, request: IncomingMessage, response: ServerResponse): void => {
    const problem = error instanceof Problem ? error : problemOf(error)
    if (problem.problem === 'internal') {
      const name = error instanceof Error ? error.name : typeof error
      const stack = error instanceof Error ? error.stack : undefined
      log.error({ method: request.method, error: name, stack }, 'a request failed')
    }
    if (response.headersSent) response.destroy()
    else sendProblem(response, problem)
  }
}

function problemOf(error: unknown): Problem {
  const { status, type } = (error ?? {}) as { status?: unknown; type?: unknown }
  if (type === 'entity.too.large') return new Problem('body-too-large', 'Send fewer ids per request.')
  if (type === 'entity.parse.failed') return new Problem('body-invalid', 'The body is not valid JSON.')
  if (status === 415)
    return new Problem('media-type-unsupported', 'Send UTF-8 JSON, plain or compressed with gzip, deflate or br.')
  if (typeof status === 'number' && status >= 400 && status < 500)
    return new Problem(
      'request-invalid',
      'The path or the body cannot be read; percent-encode the path, send whole JSON.',
    )
  return new Problem('internal', 'Something failed here; the log of the server says more.')
}
