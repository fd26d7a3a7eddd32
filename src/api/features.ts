/** Feature values as JSON: from catalog and store to the text of an answer. The hot path of the API. */
import { idFault } from '../core/key.ts'
import type { FeatureRecord, FeatureStore, FeatureValue, Millis } from '../core/model.ts'
import type { Log } from '../core/part.ts'
import { nearest } from '../core/suggest.ts'
import type { EntityCatalog } from './catalog.ts'
import { Problem } from './problem.ts'

const ALIAS_MS = 1000

export interface FeaturesOptions {
  readonly catalog: () => readonly EntityCatalog[]
  readonly store: Pick<FeatureStore, 'read'>
  readonly log: Log
  /** How long one read may wait for the store before it answers 503, in ms. */
  readonly storeMs: number
  /** Monotonic or wall clock in ms. */
  readonly now: () => Millis
}

export interface Features {
  /**
   * The answer for one id, as JSON text. `names` chooses features; undefined gives all. An unknown id gives defaults.
   * Throws `Problem`: entity or feature unknown, id invalid, store unavailable.
   */
  one(entity: string, id: string, names: readonly string[] | undefined): Promise<string>
  /** The same for many, in the order asked, with one store read per topology. */
  many(entity: string, ids: readonly string[], names: readonly string[] | undefined): Promise<string>
}

/** One entity with its features, ready to be rendered: names and defaults already as JSON. */
interface View {
  readonly entity: string
  readonly topologies: readonly {
    readonly topology: string
    readonly json: string
    readonly namespace: () => Promise<string | undefined> | string
    readonly features: readonly { field: string; published: string; json: string; default: FeatureValue }[]
  }[]
}

export function createFeatures(options: FeaturesOptions): Features {
  const views = new WeakMap<EntityCatalog, View>()
  const namespaceOf = cachedNamespaces(options.now)
  let complainedAt = Number.NEGATIVE_INFINITY

  function viewOf(entity: string): View {
    const catalog = options.catalog()
    const found = catalog.find((entry) => entry.entity === entity)
    if (!found) throw unknownEntity(entity, catalog)
    let view = views.get(found)
    if (!view) {
      view = compile(found)
      views.set(found, view)
    }
    return view
  }

  function unavailable(error: unknown): Problem {
    const now = options.now()
    if (now - complainedAt >= 1000) {
      complainedAt = now
      const name = error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.name) : 'unknown'
      options.log.warn({ error: name }, 'the feature store does not answer; reads get 503')
    }
    return new Problem('store-unavailable', 'The feature store did not answer. Try again shortly.', {
      headers: { 'retry-after': '1' },
    })
  }

  async function records(view: View, ids: readonly string[]): Promise<(readonly (FeatureRecord | undefined)[])[]> {
    try {
      return await within(
        options.storeMs,
        Promise.all(
          view.topologies.map(async ({ topology, namespace }) => {
            const serving = await namespaceOf(topology, namespace)
            return serving === undefined || ids.length === 0 ? [] : options.store.read(serving, ids)
          }),
        ),
      )
    } catch (error) {
      throw unavailable(error)
    }
  }

  return {
    async one(entity, id, names) {
      const view = choose(viewOf(entity), names)
      checkId(id, 'The id')
      const read = await records(view, [id])
      return render(view, id, read, 0)
    },
    async many(entity, ids, names) {
      const view = choose(viewOf(entity), names)
      ids.forEach((id, i) => {
        checkId(id, `ids[${i}]`)
      })
      const read = await records(view, ids)
      const results = ids.map((id, i) => render(view, id, read, i))
      return `{"entity":${JSON.stringify(entity)},"results":[${results.join(',')}]}`
    },
  }
}

function unknownEntity(entity: string, catalog: readonly EntityCatalog[]): Problem {
  const entities = catalog.map((entry) => entry.entity)
  const near = nearest(entity, entities)
  const hint = near === undefined ? '' : ` Did you mean '${near}'?`
  const there = entities.length > 0 ? `There are: ${entities.join(', ')}.` : 'No topology serves features yet.'
  return new Problem('entity-unknown', `No topology serves the entity '${shown(entity)}'.${hint} ${there}`, {
    members: { ...(near !== undefined && { nearest: near }), entities },
  })
}

function compile(catalog: EntityCatalog): View {
  const taken = new Set<string>()
  const topologies = catalog.topologies.map(({ topology, namespace, features }) => ({
    topology,
    json: JSON.stringify(topology),
    namespace,
    features: features.map((feature) => {
      const published = publishedName(topology, feature.name, taken)
      taken.add(published)
      return { field: feature.name, published, json: JSON.stringify(published), default: feature.default }
    }),
  }))
  return { entity: catalog.entity, topologies }
}

/** The name a feature answers by, given those already taken by earlier topologies of its entity. */
export function publishedName(topology: string, name: string, taken: ReadonlySet<string>): string {
  return taken.has(name) ? `${topology}.${name}` : name
}

function choose(view: View, names: readonly string[] | undefined): View {
  if (names === undefined) return view
  const wanted = new Set(names)
  const topologies = view.topologies
    .map((topology) => ({ ...topology, features: topology.features.filter((f) => wanted.delete(f.published)) }))
    .filter((topology) => topology.features.length > 0)
  const [unknown] = wanted
  if (unknown === undefined) return { ...view, topologies }
  const there = view.topologies.flatMap((topology) => topology.features.map((f) => f.published))
  const near = nearest(unknown, there)
  const hint = near === undefined ? '' : ` Did you mean '${near}'?`
  throw new Problem(
    'feature-unknown',
    `'${view.entity}' has no feature '${shown(unknown)}'.${hint} There are: ${there.join(', ')}.`,
    { members: { ...(near !== undefined && { nearest: near }), features: there } },
  )
}

function checkId(id: string, what: string): void {
  if (id.length === 0) throw new Problem('id-invalid', `${what} is empty.`)
  const fault = idFault(id)
  if (fault !== undefined) throw new Problem('id-invalid', `${what} ${fault}.`)
  if (!id.isWellFormed())
    throw new Problem('id-invalid', `${what} holds half a surrogate pair: it is not Unicode text.`)
}

function render(view: View, id: string, read: (readonly (FeatureRecord | undefined)[])[], index: number): string {
  let found = false
  let features = ''
  for (let t = 0; t < view.topologies.length; t++) {
    const topology = view.topologies[t] as View['topologies'][number]
    const record = read[t]?.[index]
    if (record) found = true
    const rest = `,"asOf":${record ? isoJson(record.at) : 'null'},"topology":${topology.json}}`
    for (const feature of topology.features) {
      const known = record !== undefined && Object.hasOwn(record.values, feature.field)
      const value = known ? (record.values[feature.field] as FeatureValue) : feature.default
      if (features !== '') features += ','
      features += `${feature.json}:{"value":${valueJson(value)}${rest}`
    }
  }
  return `{"entity":${JSON.stringify(view.entity)},"id":${JSON.stringify(id)},"found":${found},"features":{${features}}}`
}

/** Numbers are most of what is served, and need no JSON.stringify; what is not finite is null. */
function valueJson(value: FeatureValue): string {
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : 'null'
  return JSON.stringify(value)
}

function isoJson(at: Millis): string {
  const date = new Date(at)
  return Number.isNaN(date.getTime()) ? 'null' : `"${date.toISOString()}"`
}

/** Something a caller sent, short enough to be said back. */
function shown(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}

/** Which namespace serves a topology, asked at most once a second; a failed lookup is not kept. */
function cachedNamespaces(now: () => Millis) {
  const known = new Map<string, { until: Millis; namespace: Promise<string | undefined> | string }>()
  return (topology: string, look: () => Promise<string | undefined> | string) => {
    const entry = known.get(topology)
    if (entry && now() < entry.until) return entry.namespace
    const namespace = look()
    const fresh = { until: now() + ALIAS_MS, namespace }
    known.set(topology, fresh)
    if (typeof namespace !== 'string')
      namespace.catch(() => {
        if (known.get(topology) === fresh) known.delete(topology)
      })
    return namespace
  }
}

function within<T>(ms: number, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms)
    work.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
