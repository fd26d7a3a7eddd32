/** Every route that is served, in one table: validation, OpenAPI, the methods of each path and the labels of metrics follow. */
import { didYouMean, nearest } from '../core/suggest.ts'
import type { EntityCatalog } from './catalog.ts'
import type { Features } from './features.ts'
import { type Health, liveness, readiness } from './health.ts'
import { discovery, homePage } from './home.ts'
import { Problem, send } from './problem.ts'
import { READ_PATH } from './read.ts'
import { type Route, route } from './route.ts'
import {
  type AnswerName,
  batchBodies,
  readQueryShape,
  type TopicAnswer,
  type TopologyAnswer,
  watchQuery,
} from './shapes.ts'
import { type TailOptions, tailRoute } from './tail.ts'
import { shown } from './view.ts'
import type { Watch } from './watch.ts'

export interface RouteOptions {
  readonly catalog: () => readonly EntityCatalog[]
  /** Asked per request. */
  readonly topologies: () => Promise<readonly TopologyAnswer[]>
  readonly topics: () => Promise<readonly TopicAnswer[]>
  /** Records of topics are served only where this is given. */
  readonly tail?: TailOptions | undefined
  readonly features: Features
  readonly watch: Watch
  /** Left out where they are served elsewhere. */
  readonly metrics?: Metrics | undefined
  readonly health: Health
  readonly draining: () => boolean
  readonly batchIds: number
  /** The document that describes the routes. */
  readonly openApi: () => object
}

export interface Metrics {
  readonly contentType: string
  text(): Promise<string>
}

const STORE = ['store-unavailable'] as const
const READ = [...STORE, 'entity-unknown', 'feature-unknown', 'id-invalid'] as const
const QUERY = ['parameter-unknown', 'parameter-invalid'] as const
const BODY = ['body-invalid', 'body-too-large', 'media-type-unsupported'] as const

export function routesOf(options: RouteOptions): readonly Route[] {
  const { catalog, features, metrics, health, watch, tail } = options
  const bodies = batchBodies(options.batchIds)
  return [
    route({
      method: 'get',
      path: '/',
      operation: 'home',
      scope: 'catalog:read',
      summary: 'What is here, for people.',
      answers: { 200: { description: 'A page.', type: 'text/html; charset=utf-8' } },
      problems: [],
      handle: ({ response }) =>
        send(response, 200, 'text/html; charset=utf-8', homePage(catalog(), metrics !== undefined), {
          'content-security-policy': "default-src 'none'",
        }),
    }),
    route({
      method: 'get',
      path: '/openapi.json',
      operation: 'openApi',
      scope: 'catalog:read',
      summary: 'This document.',
      answers: json('Document', 'OpenAPI 3.1.'),
      problems: [],
      handle: ({ response }) => sendJson(response, options.openApi()),
    }),
    route({
      method: 'get',
      path: '/v1/features',
      operation: 'listFeatures',
      scope: 'catalog:read',
      summary: 'Entities, and the features of each.',
      answers: json('Discovery', 'Every entity that is served.'),
      problems: [],
      handle: ({ response }) => sendJson(response, discovery(catalog())),
    }),
    route({
      method: 'post',
      path: '/v1/features',
      operation: 'readBatch',
      scope: 'features:read',
      summary: 'Features of many entities, of several kinds, in one call.',
      description: `At most ${options.batchIds} ids over all reads. The feature store is asked once per topology.`,
      body: bodies.BatchRead,
      answers: json('Batch', 'One result per id.'),
      problems: [...READ, ...BODY],
      handle: async ({ body: { reads, maxAge }, response }) => {
        send(response, 200, 'application/json', await features.many('{"results":', reads, maxAge))
      },
    }),
    route({
      method: 'get',
      path: READ_PATH,
      operation: 'readEntity',
      scope: 'features:read',
      summary: 'Features of one entity.',
      description: 'An id of which nothing is known is answered by the defaults and `found: false`.',
      query: readQueryShape,
      answers: json('Entity', 'The features.'),
      problems: [...READ, ...QUERY],
    }),
    route({
      method: 'post',
      path: '/v1/features/{entity}',
      operation: 'readEntities',
      scope: 'features:read',
      summary: 'Features of many entities of one kind.',
      body: bodies.EntityRead,
      answers: json('EntityBatch', 'One result per id.'),
      problems: [...READ, ...BODY],
      handle: async ({ params: { entity = '' }, body: { ids, features: names, maxAge }, response }) => {
        const before = `{"entity":${JSON.stringify(entity)},"results":`
        const body = await features.many(before, [{ entity, ids, features: names }], maxAge)
        send(response, 200, 'application/json', body)
      },
    }),
    route({
      method: 'get',
      path: '/v1/features/{entity}/{id}/watch',
      operation: 'watchEntity',
      scope: 'features:read',
      summary: 'Changes of one entity, as server-sent events.',
      description:
        'The first event says the values as they are, further ones whenever one of them changes (not when only its as-of time ' +
        'does); values that were replaced between two looks are passed over. Data are those of a read. With `Last-Event-ID` ' +
        'the first event is left out where it would say the same. Comments keep a quiet connection open. The stream ends when ' +
        'the server stops or the entity is no longer served.',
      query: watchQuery,
      answers: { 200: { description: 'Events named `features`.', type: 'text/event-stream' } },
      problems: [...READ, ...QUERY, 'watchers-full'],
      handle: ({ params: { entity = '', id = '' }, query, grant, request, response }) =>
        watch.begin({ entity, id, names: query.features, until: grant.until }, request, response),
    }),
    route({
      method: 'get',
      path: '/v1/topologies',
      operation: 'listTopologies',
      scope: 'catalog:read',
      summary: 'Topologies as they are declared, and as they run here.',
      answers: json('Topologies', 'All of them.'),
      problems: STORE,
      handle: async ({ response }) => sendJson(response, { topologies: await options.topologies() }),
    }),
    route({
      method: 'get',
      path: '/v1/topologies/{topology}',
      operation: 'readTopology',
      scope: 'catalog:read',
      summary: 'One topology.',
      answers: json('Topology', 'The topology.'),
      problems: [...STORE, 'topology-unknown'],
      handle: async ({ params: { topology = '' }, response }) => {
        const all = await options.topologies()
        const found = all.find(({ name }) => name === topology)
        if (!found)
          throw unknownTopology(
            topology,
            all.map(({ name }) => name),
          )
        sendJson(response, found)
      },
    }),
    route({
      method: 'get',
      path: '/v1/topics',
      operation: 'listTopics',
      scope: 'catalog:read',
      summary: 'Topics that topologies read and write, with the positions they hold.',
      answers: json('Topics', 'All of them.'),
      problems: ['log-unavailable'],
      handle: async ({ response }) => sendJson(response, { topics: await options.topics() }),
    }),
    ...(tail ? [tailRoute(tail)] : []),
    route({
      method: 'get',
      path: '/health/live',
      operation: 'live',
      scope: 'none',
      summary: 'Is the process worth keeping?',
      answers: { ...json('Live', 'Yes.'), ...json('Live', 'No: restart it.', 503) },
      problems: [],
      handle: liveness(health),
    }),
    route({
      method: 'get',
      path: '/health/ready',
      operation: 'ready',
      scope: 'none',
      summary: 'Does all of it work? Says which part does not.',
      answers: { ...json('Ready', 'Yes.'), ...json('Ready', 'No.', 503) },
      problems: [],
      handle: readiness(health, options.draining),
    }),
    ...(metrics ? [metricsRoute(metrics)] : []),
  ]
}

export function metricsRoute(metrics: Metrics): Route {
  return route({
    method: 'get',
    path: '/metrics',
    operation: 'metrics',
    scope: 'none',
    summary: 'Metrics, for Prometheus.',
    answers: { 200: { description: 'Text format of Prometheus.', type: metrics.contentType } },
    problems: [],
    handle: async ({ response }) => send(response, 200, metrics.contentType, await metrics.text()),
  })
}

function json(shape: AnswerName, description: string, status = 200) {
  return { [status]: { description, type: 'application/json', shape } }
}

function sendJson(response: Parameters<typeof send>[0], value: object): void {
  send(response, 200, 'application/json', JSON.stringify(value))
}

function unknownTopology(name: string, all: readonly string[]): Problem {
  const near = nearest(name, all)
  return new Problem(
    'topology-unknown',
    `There is no topology '${shown(name)}'.${didYouMean(near)} There are: ${all.join(', ')}.`,
    {
      members: { ...(near !== undefined && { nearest: near }), topologies: all },
    },
  )
}
