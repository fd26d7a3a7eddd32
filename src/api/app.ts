/** The Express app: every resource of the API. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express'
import type { Log } from '../core/part.ts'
import { type BatchLimits, batchRoute } from './batch.ts'
import type { EntityCatalog } from './catalog.ts'
import type { Features } from './features.ts'
import { type Health, liveness, readiness } from './health.ts'
import { discovery, homePage } from './home.ts'
import { Problem, send, sendProblem } from './problem.ts'
import type { ReadHandler } from './read.ts'

export interface AppOptions {
  readonly catalog: () => readonly EntityCatalog[]
  readonly features: Features
  readonly read: ReadHandler
  readonly metrics: Metrics
  readonly health: Health
  readonly draining: () => boolean
  readonly limits: BatchLimits
  readonly failed: (error: unknown, request: IncomingMessage, response: ServerResponse) => void
}

export interface Metrics {
  readonly contentType: string
  text(): Promise<string>
}

export function createApp(options: AppOptions): Express {
  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.enable('strict routing')
  app.enable('case sensitive routing')
  app.set('query parser', false)

  app.use((request, response, next) => {
    if (!options.read(request, response)) next()
  })

  function get(path: string, handler: RequestHandler): void {
    app.get(path, handler)
    app.all(path, onlyMethods('GET, HEAD'))
  }
  get('/', (_request, response) => {
    send(response, 200, 'text/html; charset=utf-8', homePage(options.catalog()), {
      'content-security-policy': "default-src 'none'",
    })
  })
  get('/v1/features', (_request, response) => {
    send(response, 200, 'application/json', JSON.stringify(discovery(options.catalog())))
  })
  get('/health/live', liveness(options.health))
  get('/health/ready', readiness(options.health, options.draining))
  get('/metrics', async (_request, response) => {
    send(response, 200, options.metrics.contentType, await options.metrics.text())
  })
  app.post('/v1/features/:entity', ...batchRoute(options.features, options.limits))
  app.all('/v1/features/:entity', onlyMethods('POST'))
  app.all('/v1/features/:entity/:id', onlyMethods('GET, HEAD'))

  app.use((request) => {
    throw new Problem(
      'path-unknown',
      `There is nothing at this path. ${request.path.startsWith('/v1/features/') ? 'A slash inside an id is written %2F. ' : ''}GET / says what is here.`,
    )
  })
  const onError: ErrorRequestHandler = (error, request, response, _next) => options.failed(error, request, response)
  app.use(onError)
  return app
}

function onlyMethods(allow: string): RequestHandler {
  return (request, response) => {
    if (request.method === 'OPTIONS') {
      response.writeHead(204, { allow: `${allow}, OPTIONS` }).end()
      return
    }
    throw new Problem('method-not-allowed', `Use ${allow.replace(', ', ' or ')} here.`, { headers: { allow } })
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
    sendProblem(response, problem)
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
