import { registeredEncoder } from '../codecs/avro/index.ts'
import type { Encoder, Millis, Registry, Transport } from '../core/model.ts'
import type { Project } from '../project/check.ts'
import { readingOf } from '../project/reading.ts'

/** Topics that others write: those that topologies read, but for what topologies write themselves. */
export function sourceTopics({ topologies }: Project): string[] {
  const written = new Set(topologies.flatMap(({ writes }) => writes.map(({ name }) => name)))
  const read = topologies.flatMap(({ sources, tables }) => [...sources, ...tables].map(({ name }) => name))
  return [...new Set(read)].filter((name) => !written.has(name))
}

const EMBEDDED_PARTITIONS = 4
const EMBEDDED_RETENTION_MS = 7 * 86_400_000

/**
 * Makes the source topics that are missing: nobody else could make them in an embedded log. They keep records as the
 * configuration says, or for `retentionMs`.
 */
export async function createTopics(project: Project, transport: Transport, retentionMs?: Millis): Promise<void> {
  const names = sourceTopics(project)
  const known = await transport.topics(names)
  const tables = new Set(project.topologies.flatMap((topology) => topology.tables.map(({ name }) => name)))
  for (const name of names) {
    if (known.has(name)) continue
    const compacted = tables.has(name)
    const { partitions = EMBEDDED_PARTITIONS, retention = EMBEDDED_RETENTION_MS } = project.config.topics[name] ?? {}
    const kept = compacted ? { retentionMs: -1, compacted } : { retentionMs: retentionMs ?? retention }
    await transport.create({ name, partitions, ...kept })
  }
  // what is made of old records is as old
  for (const { schema: _, format: __, ...spec } of project.topologies.flatMap(({ writes }) => writes))
    if (retentionMs !== undefined && !(await transport.topics([spec.name])).has(spec.name))
      await transport.create({ ...spec, retentionMs })
}

/** Encoders for the source topics, by topic. Their schemas are then registered, wherever their files stand. */
export async function sourceEncoders(project: Project, registry: Registry): Promise<ReadonlyMap<string, Encoder>> {
  const encoders = sourceTopics(project).map(
    async (name) =>
      [
        name,
        await registeredEncoder(registry, `${name}-value`, readingOf(name, [], project.topologies).schema),
      ] as const,
  )
  return new Map(await Promise.all(encoders))
}
