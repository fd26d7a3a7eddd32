import { featureJson } from '../core/feature-json.ts'
import type { FeatureRecord, FeatureStore, FeatureValue, FeatureWrite, TaskId, Version } from '../core/model.ts'
import { storable } from '../core/values.ts'
import { compareVersions } from '../core/version.ts'

interface Entry {
  readonly version: Version
  readonly record: FeatureRecord | undefined
}

/** A feature store in memory, for tests: it passes the same conformance suite as the real ones. */
export class MemoryStore implements FeatureStore {
  private entries = new Map<string, Entry>()
  private marks = new Map<string, Version>()
  private aliases = new Map<string, { namespace: string; generation: number }>()

  async write({ namespace, names, batch }: FeatureWrite): Promise<'written' | 'behind'> {
    const markName = `${namespace}|${batch.task}`
    const mark = this.marks.get(markName)
    if (batch.said && (!mark || compareVersions(mark, batch.said) < 0)) return 'behind'
    for (const { key, at, values } of batch.emissions) {
      const name = `${namespace}:${key}`
      const known = this.entries.get(name)
      if (known && compareVersions(known.version, batch.version) > 0) continue
      const record = values && { at, version: batch.version, values: named(names, values) }
      this.entries.set(name, { version: batch.version, record: record ?? undefined })
    }
    if (!batch.partial && (!mark || compareVersions(mark, batch.version) < 0)) this.marks.set(markName, batch.version)
    return 'written'
  }

  async mark(namespace: string, task: TaskId): Promise<Version | undefined> {
    return this.marks.get(`${namespace}|${task}`)
  }

  async read(namespace: string, ids: readonly string[]): Promise<readonly (FeatureRecord | undefined)[]> {
    return ids.map((id) => this.entries.get(`${namespace}:${id}`)?.record)
  }

  async readJson(namespace: string, ids: readonly string[], names: readonly string[]) {
    const records = await this.read(namespace, ids)
    return records.map((record) => record && featureJson(record, names))
  }

  async alias(topology: string): Promise<string | undefined> {
    return this.aliases.get(topology)?.namespace
  }

  async moveAlias(topology: string, namespace: string, generation: number): Promise<void> {
    const known = this.aliases.get(topology)
    if (!known || generation > known.generation) this.aliases.set(topology, { namespace, generation })
  }

  async forget(namespace: string): Promise<void> {
    for (const name of this.entries.keys()) if (name.startsWith(`${namespace}:`)) this.entries.delete(name)
    for (const name of this.marks.keys()) if (name.startsWith(`${namespace}|`)) this.marks.delete(name)
    for (const [topology, alias] of this.aliases) if (alias.namespace === namespace) this.aliases.delete(topology)
  }

  /** A copy to go back to. */
  snapshot(): () => void {
    const entries = new Map(this.entries)
    const marks = new Map(this.marks)
    const aliases = new Map(this.aliases)
    return () => {
      this.entries = new Map(entries)
      this.marks = new Map(marks)
      this.aliases = new Map(aliases)
    }
  }

  async close(): Promise<void> {
    this.entries.clear()
  }
}

function named(names: readonly string[], values: readonly FeatureValue[]): FeatureRecord['values'] {
  const found: Record<string, NonNullable<FeatureValue>> = {}
  for (const [i, name] of names.entries()) {
    const value = storable(values[i])
    if (value !== undefined) found[name] = value
  }
  return found
}
