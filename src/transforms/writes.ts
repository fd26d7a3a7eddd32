import type { Encoder, Transport } from '../core/model.ts'
import type { WrittenTopic } from '../core/topology.ts'

/** Makes the topics that a transform appends to, where they are missing; answers the encoders of their values. */
export async function openWrites(
  writes: readonly WrittenTopic[],
  transport: Transport,
  encoder: (topic: WrittenTopic) => Promise<Encoder>,
): Promise<ReadonlyMap<string, Encoder>> {
  const known = await transport.topics(writes.map(({ name }) => name))
  const encoders = new Map<string, Encoder>()
  for (const topic of writes) {
    const { schema: _, format: __, ...spec } = topic
    if (!known.has(spec.name)) await transport.create(spec)
    encoders.set(spec.name, await encoder(topic))
  }
  return encoders
}
