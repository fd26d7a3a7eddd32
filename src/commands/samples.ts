import type { FeatureStore } from '../core/model.ts'
import type { FeatureTopology } from '../features/compile.ts'

const SHOWN = 2
const REMEMBERED = 50

/** Which entities to show: the first ones that a topology wrote, so that the view stays calm. */
export class Samples {
  private readonly seen = new Map<string, Set<string>>()

  /** The store, with an eye on what is written. */
  watching(store: FeatureStore): FeatureStore {
    return {
      write: (write) => {
        const known = this.seen.get(write.namespace) ?? new Set()
        this.seen.set(write.namespace, known)
        for (const { key } of write.batch.emissions) if (known.size < REMEMBERED) known.add(key)
        return store.write(write)
      },
      mark: (...args) => store.mark(...args),
      read: (...args) => store.read(...args),
      alias: (...args) => store.alias(...args),
      moveAlias: (...args) => store.moveAlias(...args),
      close: () => store.close(),
    }
  }

  ids({ name, generation }: FeatureTopology): string[] {
    return [...(this.seen.get(`${name}@${generation}`) ?? [])].sort(byNumber).slice(0, SHOWN)
  }

  /** Newest values of the sampled entities, entity by entity, over all topologies of each. */
  async read(
    topologies: readonly FeatureTopology[],
    store: FeatureStore,
  ): Promise<{ title: string; features: [string, number | null][] }[]> {
    const ids = new Map<string, Set<string>>()
    for (const topology of topologies) {
      const known = ids.get(topology.entity) ?? new Set()
      for (const id of this.ids(topology)) if (known.size < SHOWN) known.add(id)
      ids.set(topology.entity, known)
    }
    const found: { title: string; features: [string, number | null][] }[] = []
    for (const [entity, known] of ids) {
      const mine = topologies.filter((topology) => topology.entity === entity)
      const records = await Promise.all(
        mine.map(({ name, generation }) => store.read(`${name}@${generation}`, [...known])),
      )
      for (const [i, id] of [...known].entries()) {
        const features = mine.flatMap((topology, t) =>
          topology.features.map((feature): [string, number | null] => [
            feature.name,
            records[t]?.[i]?.values[feature.name] ?? feature.default,
          ]),
        )
        found.push({ title: `${entity} ${id}`, features })
      }
    }
    return found
  }
}

/** store-2 before store-10. */
const byNumber = (a: string, b: string): number => a.localeCompare(b, 'en', { numeric: true })
