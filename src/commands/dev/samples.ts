import type { FeatureStore, FeatureValue } from '../../core/model.ts'
import type { FeatureTopology } from '../../features/compile.ts'

/** Ids shown of an entity. */
const SHOWN = 2
/** Ids of a topology to choose from. */
const REMEMBERED = 50

interface Entity {
  readonly name: string
  readonly topologies: readonly FeatureTopology[]
  /** Grows to what is shown; never changes otherwise, so that the view stays calm. */
  readonly ids: string[]
}

/** Ids that have values, by namespace: an eye on what is written to the store. */
export class WrittenIds {
  private readonly ids = new Map<string, Set<string>>()

  under(namespace: string): ReadonlySet<string> {
    return this.ids.get(namespace) ?? new Set()
  }

  watching(store: FeatureStore): FeatureStore {
    return {
      write: (write) => {
        const known = this.ids.get(write.namespace) ?? new Set()
        this.ids.set(write.namespace, known)
        for (const { key, values } of known.size < REMEMBERED ? write.batch.emissions : [])
          if (values !== null) known.add(key)
        return store.write(write)
      },
      mark: (...args) => store.mark(...args),
      read: (...args) => store.read(...args),
      readJson: (...args) => store.readJson(...args),
      alias: (...args) => store.alias(...args),
      moveAlias: (...args) => store.moveAlias(...args),
      forget: (namespace) => store.forget(namespace),
      close: () => store.close(),
    }
  }
}

/** Which entities to show: those with the most features first, of each the first ids that were written. */
export class Samples {
  private readonly topologies: () => readonly FeatureTopology[]
  private readonly written: WrittenIds
  private readonly ids = new Map<string, string[]>()

  /** `topologies`: those that run now. */
  constructor(topologies: () => readonly FeatureTopology[], written: WrittenIds) {
    this.topologies = topologies
    this.written = written
  }

  private get entities(): readonly Entity[] {
    const features = ({ topologies }: Entity) => topologies.reduce((sum, each) => sum + each.features.length, 0)
    return [...Map.groupBy(this.topologies(), ({ entity }) => entity)]
      .map(([name, topologies]) => ({ name, topologies, ids: this.idsOf(name) }))
      .sort((a, b) => features(b) - features(a))
  }

  private idsOf(entity: string): string[] {
    const ids = this.ids.get(entity) ?? []
    this.ids.set(entity, ids)
    return ids
  }

  /** The first entity in the view with ids, once every topology of it is served; with `patience` only the very first will do. */
  async served(
    store: FeatureStore,
    patience: boolean,
  ): Promise<{ readonly entity: string; readonly ids: readonly [string, ...string[]] } | undefined> {
    const { entities } = this
    for (const { name, topologies, ids } of patience ? entities.slice(0, 1) : entities) {
      const [first, ...others] = ids
      const aliases = await Promise.all(topologies.map((topology) => store.alias(topology.name)))
      if (first !== undefined && aliases.every((alias) => alias !== undefined))
        return { entity: name, ids: [first, ...others] }
    }
    return undefined
  }

  /** Newest values of the ids shown, entity by entity, over all topologies of each. */
  async read(store: FeatureStore): Promise<{ title: string; features: [string, FeatureValue][] }[]> {
    const { entities } = this
    for (const entity of entities) if (entity.ids.length < SHOWN) this.choose(entity)
    const found = await Promise.all(entities.map((entity) => valuesOf(entity, store)))
    return found.flat()
  }

  /** Adds ids that most of the entity's topologies have written. */
  private choose({ topologies, ids }: Entity): void {
    const known = new Map<string, number>()
    for (const topology of topologies)
      for (const id of this.written.under(namespaceOf(topology))) known.set(id, (known.get(id) ?? 0) + 1)
    const candidates = [...known].filter(([id]) => !ids.includes(id))
    candidates.sort(([a, inA], [b, inB]) => inB - inA || BY_NUMBER.compare(a, b))
    ids.push(...candidates.slice(0, SHOWN - ids.length).map(([id]) => id))
  }
}

async function valuesOf({ name, topologies, ids }: Entity, store: FeatureStore) {
  const records = await Promise.all(topologies.map((topology) => store.read(namespaceOf(topology), ids)))
  return ids.map((id, i) => ({
    title: `${name} ${id}`,
    features: topologies.flatMap((topology, t) =>
      topology.features.map((feature): [string, FeatureValue] => [
        feature.name,
        records[t]?.[i]?.values[feature.name] ?? feature.default,
      ]),
    ),
  }))
}

const namespaceOf = ({ name, generation }: FeatureTopology): string => `${name}@${generation}`

/** store-2 before store-10. */
const BY_NUMBER = new Intl.Collator('en', { numeric: true })
