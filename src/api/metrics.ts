/** Metrics of the HTTP API. Routes are labelled as OpenAPI writes them: no label ever holds an id or a path that somebody sent. */

import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Counter, collectDefaultMetrics, Gauge, Histogram, type Registry } from 'prom-client'
import type { Millis } from '../core/model.ts'

const SECONDS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5]

export interface HttpMetrics {
  /**
   * Once per request, when its answer is sent or cut. `route`: its path as OpenAPI writes it, `none` where none met; `ms`:
   * undefined for streams, which last as long as somebody listens.
   */
  answered(request: IncomingMessage, response: ServerResponse, route: string, ms: Millis | undefined): void
}

/** `watchers`: streams open now. */
export function createHttpMetrics(registry: Registry, watchers: () => number): HttpMetrics {
  const registers = [registry]
  const requests = new Counter({
    name: 'millrace_http_requests_total',
    help: 'Requests answered, by route, method and status; `cut` where the connection broke first, `none` where no route met.',
    labelNames: ['route', 'method', 'status'],
    registers,
  })
  const seconds = new Histogram({
    name: 'millrace_http_request_seconds',
    help: 'From a request to the end of its answer; streams are left out.',
    buckets: SECONDS,
    labelNames: ['route'],
    registers,
  })
  new Gauge({
    name: 'millrace_http_watchers',
    help: 'Streams of changes open now.',
    registers,
    collect() {
      this.set(watchers())
    },
  })
  // labels are resolved once per combination: requests are many, combinations few
  const counts = new Map<string, { inc(): void }>()
  const times = new Map<string, { observe(value: number): void }>()
  return {
    answered(request, response, route, ms) {
      const method = METHODS.has(request.method ?? '') ? (request.method as string) : 'other'
      const status = response.writableFinished ? String(response.statusCode) : 'cut'
      const key = `${method} ${status} ${route}`
      let count = counts.get(key)
      if (!count) {
        count = requests.labels(route, method, status)
        counts.set(key, count)
      }
      count.inc()
      if (ms === undefined) return
      let time = times.get(route)
      if (!time) {
        time = seconds.labels(route)
        times.set(route, time)
      }
      time.observe(ms / 1000)
    },
  }
}

const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** What is true of any Node.js process, by the names that it has everywhere, and which build this is. Once per process and registry. */
export function processMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry })
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  new Gauge({
    name: 'millrace_build_info',
    help: 'Always 1; the labels say what runs.',
    labelNames: ['version', 'node'],
    registers: [registry],
  }).set({ version, node: process.versions.node }, 1)
}
