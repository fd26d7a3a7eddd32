/** How entities look in answers: compiled once from the catalog, so that a read only puts bytes together. */
import { idFault } from '../core/key.ts'
import { didYouMean, nearest } from '../core/suggest.ts'
import type { EntityCatalog } from './catalog.ts'
import { Problem } from './problem.ts'

/** One entity with its features, ready to be rendered: names and defaults already as JSON. */
export interface View {
  readonly entity: string
  readonly json: string
  readonly topologies: readonly {
    readonly topology: string
    readonly json: string
    readonly namespace: () => Promise<string | undefined> | string
    /** Of all its features: what the store is asked for. */
    readonly fields: readonly string[]
    readonly features: readonly FeatureView[]
  }[]
}

export interface FeatureView {
  /** Place among the fields. */
  readonly place: number
  readonly published: string
  /** Up to its value. */
  readonly opening: Buffer
  readonly default: Buffer
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
    fields: features.map(({ name }) => name),
    features: features.map((feature, place) => {
      const published = publishedName(topology, feature.name, taken)
      taken.add(published)
      return {
        place,
        published,
        opening: Buffer.from(`${JSON.stringify(published)}:{"value":`),
        default: Buffer.from(JSON.stringify(feature.default)),
      }
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

/** Something a caller sent, short enough to be said back. */
export function shown(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}
