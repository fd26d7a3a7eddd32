/** Topics and where their logs begin and end. */
import { MillraceError } from '../../core/errors.ts'
import type { Millis, Partition, Position, Range, TopicSpec } from '../../core/model.ts'
import { type Client, typeOf } from './client.ts'
import type { KafkaConfig } from './config.ts'
import type { Metadata } from './metadata.ts'

const EARLIEST = -2
const LATEST = -1
const READ_COMMITTED = 1
/** Dead letters carry another record and headers, so more than the 1 MiB that brokers take by default. */
const MAX_MESSAGE_BYTES = 8 << 20

export async function createTopic(client: Client, spec: TopicSpec, config: KafkaConfig): Promise<void> {
  const { name } = spec
  await client.patiently(`creating topic ${name}`, async () => {
    const metadata = await client.metadata([name])
    if (standsAsDeclared(metadata, spec)) return
    await requestTopic(client, spec, metadata, config)
    if (!standsAsDeclared(await client.metadata([name]), spec)) throw new Error('the brokers do not know it yet')
    // leaders are named before they serve
    await offsets(client, name, LATEST)
  })
}

function standsAsDeclared({ topics }: Metadata, { name, partitions }: TopicSpec): boolean {
  const stands = topics.get(name)?.leaders
  if (stands && stands.length !== partitions)
    throw new MillraceError('topic-mismatch', `topic ${name} has ${stands.length} partitions, not ${partitions}`)
  return stands?.every((leader) => leader >= 0) ?? false
}

async function requestTopic(client: Client, spec: TopicSpec, metadata: Metadata, config: KafkaConfig): Promise<void> {
  if (metadata.topics.has(spec.name)) return
  const copies = config.replicationFactor ?? Math.min(3, metadata.brokers.length)
  const settings: Record<string, string | number | boolean> = {
    'retention.ms': spec.retentionMs,
    'cleanup.policy': spec.compacted ? 'compact' : 'delete',
    'min.insync.replicas': config.minInsyncReplicas ?? (copies >= 3 ? 2 : 1),
    'unclean.leader.election.enable': false,
    'max.message.bytes': MAX_MESSAGE_BYTES,
    ...(spec.stampedByLog ? { 'message.timestamp.type': 'LogAppendTime' } : {}),
  }
  const topic = {
    topic: spec.name,
    numPartitions: spec.partitions,
    replicationFactor: copies,
    configEntries: Object.entries(settings).map(([name, value]) => ({ name, value: String(value) })),
  }
  try {
    await client.ask(metadata.controller, (broker) =>
      broker.createTopics({ topics: [topic], timeout: config.requestTimeout }),
    )
  } catch (error) {
    const causes = (error as { errors?: unknown[] }).errors ?? [error]
    // another creator was faster
    if (!causes.every((cause) => typeOf(cause) === 'TOPIC_ALREADY_EXISTS')) throw causes[0]
  }
}

export async function deleteTopic(client: Client, name: string, timeout: number): Promise<void> {
  await client.patiently(`deleting topic ${name}`, async () => {
    const { topics, controller } = await client.metadata([name])
    if (!topics.has(name)) return
    await client.ask(controller, (broker) => broker.deleteTopics({ topics: [name], timeout }))
    if ((await client.metadata([name])).topics.has(name)) throw new Error('the brokers know it still')
  })
}

export async function rangesOf(client: Client, topic: string): Promise<Range[]> {
  return client.patiently(`asking where ${topic} begins and ends`, async () => {
    const [starts, ends] = await Promise.all([offsets(client, topic, EARLIEST), offsets(client, topic, LATEST)])
    return starts.map((start, partition) => ({ start, end: ends[partition] as Position }))
  })
}

export async function positionAt(client: Client, { topic, partition }: Partition, time: Millis): Promise<Position> {
  return client.patiently(`looking for a time in ${topic}`, async () => {
    const [found] = await offsets(client, topic, Math.max(0, time), [partition])
    if (found !== undefined && found >= 0) return found
    const [end] = await offsets(client, topic, LATEST, [partition])
    return end as Position
  })
}

/** In the order of `partitions`; -1 where no record is that young. */
async function offsets(client: Client, topic: string, time: Millis, partitions?: number[]): Promise<number[]> {
  const { leaders } = (await client.topicsNamed([topic])).get(topic) ?? { leaders: [] }
  const asked = partitions ?? [...leaders.keys()]
  const found = new Map<number, number>()
  const byLeader = Map.groupBy(asked, (partition) => leaders[partition] ?? -1)
  await Promise.all(
    [...byLeader].map(async ([leader, led]) => {
      const topics = [{ topic, partitions: led.map((partition) => ({ partition, timestamp: time })) }]
      const answer = await client.ask(leader, (broker) =>
        broker.listOffsets({ replicaId: -1, isolationLevel: READ_COMMITTED, topics }),
      )
      for (const { partition, offset } of answer.responses[0]?.partitions ?? []) found.set(partition, Number(offset))
    }),
  )
  return asked.map((partition) => {
    const offset = found.get(partition)
    if (offset === undefined) throw new Error(`the leader said nothing of ${topic}/${partition}`)
    return offset
  })
}

export async function committed(client: Client, group: string, topic: string): Promise<(Position | undefined)[]> {
  return client.patiently(`asking for the positions of group ${group}`, async () => {
    const { leaders } = (await client.topicsNamed([topic])).get(topic) ?? { leaders: [] }
    const { controller } = await client.metadata([topic])
    const { coordinator } = await client.ask(controller, (broker) =>
      broker.findGroupCoordinator({ groupId: group, coordinatorType: 0 }),
    )
    const topics = [{ topic, partitions: [...leaders.keys()].map((partition) => ({ partition })) }]
    const answer = await client.ask(coordinator.nodeId, (broker) => broker.offsetFetch({ groupId: group, topics }))
    const positions = new Map(answer.responses[0]?.partitions.map(({ partition, offset }) => [partition, offset]))
    return [...leaders.keys()].map((partition) => {
      const offset = positions.get(partition)
      if (offset === undefined) throw new Error(`the coordinator said nothing of ${topic}/${partition}`)
      // -1: none; kafkajs leaves -2 where it was about to start over
      return Number(offset) < 0 ? undefined : Number(offset)
    })
  })
}
