/** The HTTP server: the hot read on bare node:http, Express for everything else, limits, a graceful end. */
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { FeatureStore } from '../core/model.ts'
import type { Log } from '../core/part.ts'
import { createApp, failure } from './app.ts'
import { type Authenticate, EVERYTHING, type Grant } from './auth.ts'
import type { EntityCatalog } from './catalog.ts'
import { createFeatures } from './features.ts'
import type { Health } from './health.ts'
import { listen } from './listen.ts'
import type { HttpMetrics } from './metrics.ts'
import { openApi } from './openapi.ts'
import { Problem } from './problem.ts'
import { createRead, READ_PATH } from './read.ts'
import { refusal } from './refusal.ts'
import type { Route } from './route.ts'
import { type Metrics, routesOf } from './routes.ts'
import type { TopicAnswer, TopologyAnswer } from './shapes.ts'
import type { TailOptions } from './tail.ts'
import { createWatch, type WatchLimits } from './watch.ts'

export interface ServerLimits extends WatchLimits {
  /** Open connections at once; further ones are closed unanswered. */
  readonly connections: number
  readonly bodyBytes: number
  readonly headerBytes: number
  /** Ids in one batch read. */
  readonly batchIds: number
  /** Time for a request's headers, and for all of it, to arrive, in ms. */
  readonly headersMs: number
  readonly requestMs: number
  /** How long a client may leave an answer unread before its connection is cut and the memory freed, in ms. */
  readonly stalledMs: number
  /** How long an idle connection is kept, in ms; longer than the load balancer's in front of it. */
  readonly keepAliveMs: number
  /** How long a read may wait for the feature store, in ms. */
  readonly storeMs: number
}

export const LIMITS: ServerLimits = {
  connections: 10_000,
  bodyBytes: 1024 * 1024,
  headerBytes: 16 * 1024,
  batchIds: 1000,
  headersMs: 10_000,
  requestMs: 30_000,
  stalledMs: 30_000,
  keepAliveMs: 65_000,
  storeMs: 2000,
  watchers: 1000,
  watchMs: 500,
  heartbeatMs: 15_000,
}

/** Types of answers that last as long as somebody listens. */
const STREAMS = ['text/event-stream', 'application/x-ndjson']

export interface ServerOptions {
  /** Asked per request; give the same objects while nothing has changed, they are compiled once. */
  readonly catalog: () => readonly EntityCatalog[]
  readonly topologies: () => Promise<readonly TopologyAnswer[]>
  readonly topics: () => Promise<readonly TopicAnswer[]>
  readonly store: Pick<FeatureStore, 'readJson'>
  /** Left out where they are served elsewhere. */
  readonly metrics?: Metrics | undefined
  /** Without it anybody is answered; with it, but for health and metrics, whoever has a token with the scope of the route. */
  readonly authenticate?: Authenticate | undefined
  /** Records of topics are served only where this is given. */
  readonly tail?: TailOptions | undefined
  /** Told of every request. */
  readonly http?: HttpMetrics
  readonly health: Health
  readonly log: Log
  readonly limits?: Partial<ServerLimits>
}

export interface ApiServer {
  readonly server: Server
  readonly routes: readonly Route[]
  /** Streams of changes open now. */
  readonly watchers: () => number
  /** Port 0 takes a free one. Throws `port-unavailable`. */
  listen(host: string, port: number): Promise<{ readonly url: string }>
  /** From now on not ready, so that no new work is sent here; goes on answering, and tells every connection to close. */
  drain(): void
  /** Accepts nothing new, finishes what is in flight, and after `graceMs` cuts what is left. */
  close(graceMs: number): Promise<void>
}

export function createServer(options: ServerOptions): ApiServer {
  const limits = { ...LIMITS, ...options.limits }
  const inFlight = new Set<ServerResponse>()
  let draining = false

  const failed = failure(options.log)
  const now = () => performance.now()
  const features = createFeatures({ ...options, storeMs: limits.storeMs, now })
  const watch = createWatch(features, limits)
  let described: object | undefined
  const routes = routesOf({
    ...options,
    features,
    watch,
    draining: () => draining,
    batchIds: limits.batchIds,
    openApi: () => {
      described ??= openApi(routes, options.authenticate !== undefined)
      return described
    },
  })
  const isStream = ({ answers }: Route) => answers[200]?.type !== undefined && STREAMS.includes(answers[200].type)
  const streams = new Set(routes.filter(isStream).map(({ path }) => path))
  const paths = new WeakMap<ServerResponse, string>()
  const read = createRead(features, failed)
  const met = (response: ServerResponse, path: string) => void paths.set(response, path)
  const { authenticate } = options
  const grants = new WeakMap<IncomingMessage, Grant>()
  const grantOf = (request: IncomingMessage) => grants.get(request) ?? NOTHING
  const app = createApp({ routes, read, failed, met, grantOf, bodyBytes: limits.bodyBytes })
  const open = new Set(routes.filter(({ scope }) => scope === 'none').map(({ path }) => path))
  const admitted = (request: IncomingMessage): Grant | Promise<Grant> =>
    authenticate === undefined || open.has(pathOf(request.url as string))
      ? EVERYTHING
      : authenticate(request.headers.authorization)

  const server = createHttpServer(
    {
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.headersMs,
      requestTimeout: limits.requestMs,
      keepAliveTimeout: limits.keepAliveMs,
      connectionsCheckingInterval: 1000,
    },
    (request, response) => {
      const began = performance.now()
      inFlight.add(response)
      let isRead = false
      response.once('close', () => {
        inFlight.delete(response)
        const path = isRead ? READ_PATH : (paths.get(response) ?? 'none')
        options.http?.answered(request, response, path, streams.has(path) ? undefined : performance.now() - began)
      })
      if (draining) response.setHeader('connection', 'close')
      request.url = originForm(request.url ?? '/')
      const answer = (grant: Grant) => {
        isRead = read(request, response, grant)
        if (isRead) return
        grants.set(request, grant)
        app(request, response)
      }
      try {
        const grant = admitted(request)
        if (grant instanceof Promise) grant.then(answer).catch((error: unknown) => failed(error, request, response))
        else answer(grant)
      } catch (error) {
        failed(error, request, response)
      }
    },
  )
  server.on('clientError', refusal)
  server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) =>
    failed(new Problem('expectation-failed', "Leave the header 'expect' out."), request, response),
  )
  server.maxConnections = limits.connections
  // counts while a request is open; between requests `keepAliveTimeout` counts instead
  server.timeout = limits.stalledMs

  let accepted = 0
  server.on('connection', () => accepted++)
  /** Connections that stand and were not looked at yet would be reset with their requests. One is accepted in a turn of the event loop. */
  const allAccepted = async () => {
    for (let turn = 0, quiet = 0, seen = accepted; turn < BACKLOG && quiet < 3; turn++, seen = accepted) {
      await new Promise((resolve) => setImmediate(resolve))
      quiet = accepted === seen ? quiet + 1 : 0
    }
  }
  const drain = () => {
    draining = true
    for (const response of inFlight) if (!response.headersSent) response.setHeader('connection', 'close')
  }
  return {
    server,
    routes,
    watchers: () => watch.watchers,
    listen: (host, port) => listen(server, host, port),
    drain,
    async close(graceMs) {
      drain()
      watch.close()
      if (!server.listening) return
      await allAccepted()
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      const sweep = setInterval(() => server.closeIdleConnections(), 20)
      const cut = setTimeout(() => server.closeAllConnections(), graceMs)
      await closed
      clearInterval(sweep)
      clearTimeout(cut)
    },
  }
}

/** Connections that the system keeps for us until they are accepted, at most; as Node asks for. */
const BACKLOG = 511

/** Of a request that never was admitted. */
const NOTHING: Grant = { scopes: { has: () => false }, until: 0 }

function pathOf(url: string): string {
  const mark = url.indexOf('?')
  return mark < 0 ? url : url.slice(0, mark)
}

/** `GET http://host/path` means `/path`: RFC 9112 §3.2.2 has every server take it. */
function originForm(url: string): string {
  return url.startsWith('/') ? url : url.replace(/^https?:\/\/[^/?#]*(?=[/?])/i, '')
}
