import type {
  Batch,
  Draft,
  MemberEvents,
  Membership,
  Millis,
  Partition,
  Position,
  Range,
  TopicInfo,
  TopicSpec,
  Transport,
} from '../../core/model.ts'
import type { Part, PartContext } from '../../core/part.ts'
import { readTls } from '../../core/tls.ts'
import { Client } from './client.ts'
import { type KafkaConfig, kafkaConfig } from './config.ts'
import type { Connecting } from './library.ts'
import { Member } from './member.ts'
import { Producer } from './producer.ts'
import { read } from './read.ts'
import { Session } from './session.ts'
import { committed, createTopic, deleteTopic, positionAt, rangesOf } from './topics.ts'

const kafka: Part<KafkaConfig, Transport> = {
  summary: 'Apache Kafka, 2.8 or later, or what speaks its protocol.',
  config: kafkaConfig,
  example: 'transport:\n  kind: kafka\n  brokers: [broker-1:9092, broker-2:9092]\n',
  notes: [
    'A record is written when every in-sync replica has it. Two calls at once that write to one partition are in no',
    'order to each other. A draft without key or partition goes round the partitions.',
    '',
    'Topics made here never elect an unclean leader, and take records of up to 8 MiB.',
    '',
    "A topic's incarnation is Kafka's topic id. Records of aborted transactions are never read. Compressed records are",
    'read where they are compressed with gzip or Zstandard; Snappy and LZ4 have to be added to kafkajs. A batch that is not',
    'what its checksum says is refused, by its name: the worker is not ready, and asks again.',
    '',
    'The group is kept up by itself through failures of brokers; after one, every partition is closed and opened again.',
    'A member that stops without leaving is missed after `sessionTimeout`; one that leaves, within `heartbeat`.',
  ].join('\n'),
  open: openKafka,
}
export default kafka

async function openKafka(config: KafkaConfig, context: PartContext): Promise<Transport> {
  quietTimers()
  const { default: library } = await import('kafkajs')
  const tls = await readTls(config.tls, context.directory)
  return new KafkaTransport({ library, config, tls, log: context.log, sockets: new Set() })
}

class KafkaTransport implements Transport {
  private readonly connecting: Connecting
  private readonly client: Client
  private readonly producer: Producer
  private reader: Client | undefined
  private readonly members = new Set<Member>()

  constructor(connecting: Connecting) {
    this.connecting = connecting
    this.client = new Client(connecting)
    this.producer = new Producer(this.client, connecting.config.requestTimeout)
  }

  async topics(names: readonly string[]): Promise<ReadonlyMap<string, TopicInfo>> {
    if (names.length === 0) return new Map()
    const { topics } = await this.client.patiently('asking for topics', () => this.client.metadata(names))
    return new Map(
      [...topics].map(([name, { id, leaders }]) => [name, { partitions: leaders.length, incarnation: id }]),
    )
  }

  create(spec: TopicSpec): Promise<void> {
    return createTopic(this.client, spec, this.connecting.config)
  }

  deleteTopic(name: string): Promise<void> {
    return deleteTopic(this.client, name, this.connecting.config.requestTimeout)
  }

  ranges(topic: string): Promise<readonly Range[]> {
    return rangesOf(this.client, topic)
  }

  positionAt(partition: Partition, time: Millis): Promise<Position> {
    return positionAt(this.client, partition, time)
  }

  async read(partition: Partition, position: Position): Promise<Batch> {
    // with connections of its own: what is written does not stand behind what is fetched
    this.reader ??= new Client(this.connecting)
    return read(this.reader, partition, position, this.connecting.config.maxBytesPerPartition)
  }

  committed(group: string, topic: string): Promise<readonly (Position | undefined)[]> {
    return committed(this.client, group, topic)
  }

  /** Resolves when the topics are known to exist; assignments come later. */
  async join(group: string, topics: readonly string[], on: MemberEvents): Promise<Membership> {
    const names = [...new Set(topics)]
    await this.client.patiently(`joining group ${group}`, () => this.client.topicsNamed(names))
    const { log, config } = this.connecting
    const member = new Member(
      {
        log,
        refresh: config.refresh,
        session: (existing, events) => new Session(this.connecting, group, existing, events),
        topics: (asked) => this.topics(asked),
        ranges: (topic) => this.ranges(topic),
        left: (gone) => this.members.delete(gone),
      },
      group,
      names,
      on,
    )
    this.members.add(member)
    member.start()
    return member
  }

  write(drafts: readonly Draft[]): Promise<void> {
    return this.producer.write(drafts)
  }

  async close(): Promise<void> {
    await Promise.all([...this.members].map((member) => member.leave()))
    this.client.close()
    this.reader?.close()
    for (const sockets of [...this.connecting.sockets]) sockets.end()
  }
}

let timersAreQuiet = false

/** kafkajs sets timers for times that have passed; since Node 24 each process then prints a warning, once. */
function quietTimers(): void {
  if (timersAreQuiet) return
  timersAreQuiet = true
  const emit = process.emitWarning
  process.emitWarning = ((warning: string | Error, ...more: unknown[]) => {
    if (more[0] !== 'TimeoutNegativeWarning') Reflect.apply(emit, process, [warning, ...more])
  }) as typeof process.emitWarning
}
