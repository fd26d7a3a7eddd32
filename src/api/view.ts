/** How entities look in answers: compiled once from the catalog, so that a read only puts texts together. The hot path of the API. */
import { idFault } from '../core/key.ts'
import type { FeatureRecord, FeatureValue, Millis } from '../core/model.ts'
import { didYouMean, nearest } from '../core/suggest.ts'
import type { EntityCatalog } from './catalog.ts'
import { Problem } from './problem.ts'

/** One entity with its features, ready to be rendered: names already as JSON. */
export interface View {
  readonly entity: string
  readonly json: string
  readonly topologies: readonly {
    readonly topology: string
    readonly json: string
    readonly namespace: () => Promise<string | undefined> | string
    readonly features: readonly { field: string; published: string; json: string; default: FeatureValue }[]
  }[]
}

/** Views by entity; each is compiled once, as long as the catalog gives the same objects. Throws `entity-unknown`. */
export function views(catalog: () => readonly EntityCatalog[]): (entity: string) => View {
  const compiled = new WeakMap<EntityCatalog, View>()
  return (entity) => {
    const entries = catalog()
    const found = entries.find((entry) => entry.entity === entity)
    if (!found) throw unknownEntity(entity, entries)
    let view = compiled.get(found)
    if (!view) {
      view = compile(found)
      compiled.set(found, view)
    }
    return view
  }
}

function unknownEntity(entity: string, catalog: readonly EntityCatalog[]): Problem {
  const entities = catalog.map((entry) => entry.entity)
  const near = nearest(entity, entities)
  const there = entities.length > 0 ? `There are: ${entities.join(', ')}.` : 'No topology serves features yet.'
  return new Problem(
    'entity-unknown',
    `No topology serves the entity '${shown(entity)}'.${didYouMean(near)} ${there}`,
    {
      members: { ...(near !== undefined && { nearest: near }), entities },
    },
  )
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
  return { entity: catalog.entity, json: JSON.stringify(catalog.entity), topologies }
}

/** The name a feature answers by, given those already taken by earlier topologies of its entity. */
export function publishedName(topology: string, name: string, taken: ReadonlySet<string>): string {
  return taken.has(name) ? `${topology}.${name}` : name
}

/** The view with these features alone, of the topologies that have them. Throws `feature-unknown`. */
export function choose(view: View, names: readonly string[] | undefined): View {
  if (names === undefined) return view
  const wanted = new Set(names)
  const topologies = view.topologies
    .map((topology) => ({ ...topology, features: topology.features.filter((f) => wanted.delete(f.published)) }))
    .filter((topology) => topology.features.length > 0)
  const [unknown] = wanted
  if (unknown === undefined) return { ...view, topologies }
  const there = view.topologies.flatMap((topology) => topology.features.map((f) => f.published))
  const near = nearest(unknown, there)
  throw new Problem(
    'feature-unknown',
    `'${view.entity}' has no feature '${shown(unknown)}'.${didYouMean(near)} There are: ${there.join(', ')}.`,
    { members: { ...(near !== undefined && { nearest: near }), features: there } },
  )
}

/** Throws `id-invalid`. */
export function checkId(id: string, what: string): void {
  if (id.length === 0) throw new Problem('id-invalid', `${what} is empty.`)
  const fault = idFault(id)
  if (fault !== undefined) throw new Problem('id-invalid', `${what} ${fault}.`)
  if (!id.isWellFormed())
    throw new Problem('id-invalid', `${what} holds half a surrogate pair: it is not Unicode text.`)
}

/** What is known of one entity: a record per topology of the view, in its order. */
export type Known = readonly (FeatureRecord | undefined)[]

/** The answer of one entity as JSON. `now` is wall time; values as of longer ago than `maxAge` are answered by their defaults. */
export function render(view: View, id: string, known: Known, now: Millis, maxAge = Number.POSITIVE_INFINITY): string {
  let found = false
  let features = ''
  for (let t = 0; t < view.topologies.length; t++) {
    const topology = view.topologies[t] as View['topologies'][number]
    const record = known[t]
    if (record) found = true
    const age = record ? Math.max(0, now - record.at) : Number.NaN
    const stale = age > maxAge
    const rest = record
      ? `,"asOf":${isoJson(record.at)},"age":${age / 1000}${stale ? ',"stale":true' : ''},"topology":${topology.json}}`
      : `,"asOf":null,"age":null,"topology":${topology.json}}`
    for (const feature of topology.features) {
      const value = stale ? feature.default : valueIn(record, feature)
      if (features !== '') features += ','
      features += `${feature.json}:{"value":${valueJson(value)}${rest}`
    }
  }
  return `{"entity":${view.json},"id":${JSON.stringify(id)},"found":${found},"features":{${features}}}`
}

/** Equal exactly where the values of one entity are, whatever their as-of times. */
export function valuesText(view: View, known: Known): string {
  return view.topologies
    .map(({ features }, t) => features.map((feature) => valueJson(valueIn(known[t], feature))).join())
    .join(known.some((record) => record) ? ';' : '|')
}

function valueIn(record: FeatureRecord | undefined, feature: View['topologies'][number]['features'][number]) {
  const isKnown = record !== undefined && Object.hasOwn(record.values, feature.field)
  return isKnown ? (record.values[feature.field] as FeatureValue) : feature.default
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
export function shown(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}
