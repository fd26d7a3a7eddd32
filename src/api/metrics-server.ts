/** `/metrics` at a port of its own, for networks where Prometheus may come in and readers of features not, or the other way round. */
import { createServer, type Server } from 'node:http'
import type { Log } from '../core/part.ts'
import { failure } from './app.ts'
import { Problem, send } from './problem.ts'
import { refusal } from './refusal.ts'
import type { Metrics } from './routes.ts'

const CONNECTIONS = 100
const TIMEOUT_MS = 10_000

export function createMetricsServer(metrics: Metrics, log: Log): Server {
  const failed = failure(log)
  const server = createServer(
    { headersTimeout: TIMEOUT_MS, requestTimeout: TIMEOUT_MS, connectionsCheckingInterval: 1000 },
    async (request, response) => {
      try {
        const [path] = (request.url ?? '').split('?')
        if (path !== '/metrics') throw new Problem('path-unknown', 'There is nothing here but /metrics.')
        if (request.method !== 'GET' && request.method !== 'HEAD')
          throw new Problem('method-not-allowed', 'Use GET or HEAD here.', { headers: { allow: 'GET, HEAD' } })
        send(response, 200, metrics.contentType, await metrics.text())
      } catch (error) {
        failed(error, request, response)
      }
    },
  )
  server.on('clientError', refusal)
  server.maxConnections = CONNECTIONS
  server.timeout = TIMEOUT_MS
  return server
}
