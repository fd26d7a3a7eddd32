import { connect } from 'node:net'
import type { EntityCatalog } from '../../src/api/catalog.ts'
import { type ApiServer, createServer, type ServerLimits } from '../../src/api/server.ts'
import type { TopicAnswer, TopologyAnswer } from '../../src/api/shapes.ts'
import { featureJson } from '../../src/core/feature-json.ts'
import type { FeatureRecord } from '../../src/core/model.ts'
import type { Log } from '../../src/core/part.ts'

const ignore = () => undefined
export const quiet: Log = { debug: ignore, info: ignore, warn: ignore, error: ignore }

export const AT = Date.UTC(2026, 4, 1, 12)

export function record(values: Record<string, number>, at = AT): FeatureRecord {
  return { at, version: { generation: 1, epoch: 1, step: 1 }, values }
}

/** A feature store of plain maps that notes every read. */
export function mapStore(content: Record<string, Record<string, FeatureRecord>>) {
  const reads: { namespace: string; ids: readonly string[] }[] = []
  return {
    reads,
    async readJson(namespace: string, ids: readonly string[], names: readonly string[]) {
      reads.push({ namespace, ids })
      const entries = new Map(Object.entries(content[namespace] ?? {}))
      return ids.map((id) => {
        const record = entries.get(id)
        return record && featureJson(record, names)
      })
    },
  }
}

export const CATALOG: readonly EntityCatalog[] = [
  {
    entity: 'store',
    topologies: [
      {
        topology: 'store-load',
        namespace: () => 'store-load@1',
        features: [
          { name: 'orders_10m', type: 'long', default: 0, description: 'Orders in the last ten minutes' },
          { name: 'prep_mean', type: 'double', default: null },
        ],
      },
      {
        topology: 'store-open',
        namespace: async () => 'store-open@1',
        features: [{ name: 'unpicked', type: 'long', default: 0 }],
      },
    ],
  },
  {
    entity: 'customer',
    topologies: [
      {
        topology: 'waits',
        namespace: async () => undefined,
        features: [{ name: 'wait', type: 'double', default: null }],
      },
    ],
  },
]

export const TOPOLOGY: TopologyAnswer = {
  name: 'store-load',
  kind: 'features',
  sources: ['orders'],
  entity: 'store',
  features: [{ name: 'orders_10m', type: 'long', default: 0 }],
  outputs: ['store'],
  owner: { domain: 'logistics' },
  tags: ['eta'],
  generation: 'g1',
  serving: 'g1',
  live: { tasks: { running: 2 }, reasons: [], lag: 12, clock: '2026-05-01T12:00:00.000Z' },
}

const TOPIC: TopicAnswer = {
  name: 'orders',
  partitions: [{ start: 0, end: 7 }],
  subject: 'orders-value',
  schema: 1,
  reads: ['store-load'],
  writes: [],
}

type Overrides = Partial<Parameters<typeof createServer>[0]> & { limits?: Partial<ServerLimits> }

export function makeServer(overrides: Overrides = {}) {
  return createServer({
    catalog: () => CATALOG,
    topologies: async () => [TOPOLOGY],
    topics: async () => [TOPIC],
    store: mapStore({
      'store-load@1': { 'store-1': record({ orders_10m: 7, prep_mean: 321.5 }), 'a b/ü': record({ orders_10m: 1 }) },
      'store-open@1': { 'store-1': record({ unpicked: 2 }, AT + 1000) },
    }),
    metrics: { contentType: 'text/plain; version=0.0.4', text: async () => 'millrace_up 1\n' },
    health: { ready: () => [{ part: 'transport', ok: true }], live: () => true },
    log: quiet,
    ...overrides,
  })
}

/** Servers on free ports, all stopped by `stopAll`. */
export function servers() {
  const open: ApiServer[] = []
  return {
    async start(overrides: Overrides = {}) {
      const api = makeServer(overrides)
      open.push(api)
      const { url } = await api.listen('127.0.0.1', 0)
      return { api, url }
    },
    async stopAll() {
      await Promise.all(open.splice(0).map((api) => api.close(0)))
    },
  }
}

export interface Answer {
  readonly entity: string
  readonly id: string
  readonly found: boolean
  readonly features: Record<string, { value: number | null; asOf: string | null; age: number | null; topology: string }>
}
export interface BatchAnswer {
  readonly entity: string
  readonly results: readonly Answer[]
}

export interface Discovered {
  readonly entities: readonly { entity: string; features: readonly { name: string }[] }[]
}

export async function json<T>(response: Promise<Response> | Response): Promise<T> {
  return (await (await response).json()) as T
}

/** Sends bytes as they are and answers everything the server says until it closes, or until `until` appears. */
export function raw(url: string, text: string, until?: RegExp): Promise<string> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    let answer = ''
    const socket = connect(Number(port), hostname, () => socket.write(text))
    socket.setEncoding('utf8')
    socket.on('data', (chunk) => {
      answer += chunk
      if (until?.test(answer)) socket.destroy()
    })
    socket.on('close', () => resolve(answer))
    socket.on('error', reject)
  })
}
