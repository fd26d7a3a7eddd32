/** The HTTP server: the hot read on bare node:http, Express for everything else, limits, a graceful end. */
import { createServer as createHttpServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { MillraceError } from '../core/errors.ts'
import type { FeatureStore } from '../core/model.ts'
import type { Log } from '../core/part.ts'
import { createApp, failure, type Metrics } from './app.ts'
import type { EntityCatalog } from './catalog.ts'
import { createFeatures } from './features.ts'
import type { Health } from './health.ts'
import { createRead } from './read.ts'

export interface ServerLimits {
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
}

export interface ServerOptions {
  /** Asked per request; give the same objects while nothing has changed, they are compiled once. */
  readonly catalog: () => readonly EntityCatalog[]
  readonly store: Pick<FeatureStore, 'read'>
  readonly metrics: Metrics
  readonly health: Health
  readonly log: Log
  readonly limits?: Partial<ServerLimits>
}

export interface ApiServer {
  readonly server: Server
  /** Port 0 takes a free one. Throws `port-unavailable`. */
  listen(host: string, port: number): Promise<{ readonly url: string }>
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
  const read = createRead(features, failed)
  const app = createApp({ ...options, features, read, failed, limits, draining: () => draining })

  const server = createHttpServer(
    {
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.headersMs,
      requestTimeout: limits.requestMs,
      keepAliveTimeout: limits.keepAliveMs,
      connectionsCheckingInterval: 1000,
    },
    (request, response) => {
      inFlight.add(response)
      response.once('close', () => inFlight.delete(response))
      if (draining) response.setHeader('connection', 'close')
      request.url = originForm(request.url ?? '/')
      if (!read(request, response)) app(request, response)
    },
  )
  server.maxConnections = limits.connections
  // counts while a request is open; between requests `keepAliveTimeout` counts instead
  server.timeout = limits.stalledMs

  return {
    server,
    listen: (host, port) =>
      new Promise((resolve, reject) => {
        const refused = (error: NodeJS.ErrnoException) =>
          reject(new MillraceError('port-unavailable', `cannot listen on ${host}:${port}: ${error.code}`))
        server.once('error', refused)
        server.listen(port, host, () => {
          server.off('error', refused)
          resolve({ url: urlOf(host, (server.address() as AddressInfo).port) })
        })
      }),
    async close(graceMs) {
      draining = true
      for (const response of inFlight) if (!response.headersSent) response.setHeader('connection', 'close')
      if (!server.listening) return
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      const sweep = setInterval(() => server.closeIdleConnections(), 20)
      const cut = setTimeout(() => server.closeAllConnections(), graceMs)
      await closed
      clearInterval(sweep)
      clearTimeout(cut)
    },
  }
}

/** `GET http://host/path` means `/path`: RFC 9112 §3.2.2 has every server take it. */
function originForm(url: string): string {
  return url.startsWith('/') ? url : url.replace(/^https?:\/\/[^/?#]*(?=[/?])/i, '')
}

function urlOf(host: string, port: number): string {
  if (host === '0.0.0.0' || host === '::') return `http://localhost:${port}`
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}
