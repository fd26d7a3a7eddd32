/**
 * One life of a kafkajs consumer, from joining the group until it fails or is ended. kafkajs does not recover from
 * everything by itself, so it is never asked to: a failed consumer is thrown away with its connections.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Cluster, Consumer, EachBatchPayload } from 'kafkajs'
import type { Partition, Position } from '../../core/model.ts'
import { messageOf } from './client.ts'
import { type Connecting, makeKafka, readOwnFetches, Sockets } from './library.ts'
import { type Standing, stickyAssigner } from './protocol.ts'

/** No sign of life from the group for this many session timeouts: kafkajs hangs. */
const SILENT_TIMEOUTS = 3
/** Batches of so many partitions are handed over at the same time. */
const CONCURRENCY = 64

export interface SessionEvents {
  standing(): Standing
  /** Called in the very moment of assignment, before anything of it is fetched. */
  assigned(memberId: string, partitions: readonly Partition[]): void
  batch(payload: EachBatchPayload): Promise<void>
}

export class Session {
  /** Resolves with the reason when it has failed or was ended. */
  readonly over: Promise<string>
  private readonly finish: (reason: string) => void
  private readonly connecting: Connecting
  private readonly topics: readonly string[]
  private readonly on: SessionEvents
  private readonly sockets: Sockets
  private readonly consumer: Consumer
  /** Resolved by the first assignment or the end, whichever comes first. */
  private readonly settled = Promise.withResolvers<void>()
  private cluster: Cluster | undefined
  private isOver = false
  private signOfLife = performance.now()

  constructor(connecting: Connecting, group: string, topics: readonly string[], on: SessionEvents) {
    const { promise, resolve } = Promise.withResolvers<string>()
    this.over = promise
    this.finish = (reason) => {
      this.isOver = true
      resolve(reason)
    }
    this.connecting = connecting
    this.sockets = new Sockets(connecting.sockets)
    this.topics = topics
    this.on = on
    const { library, config } = connecting
    const assigner = stickyAssigner(library, () => on.standing())
    this.consumer = makeKafka(connecting, this.sockets).consumer({
      groupId: group,
      partitionAssigners: [
        (made) => {
          this.cluster = made.cluster
          readOwnFetches(made.cluster)
          return assigner(made)
        },
      ],
      sessionTimeout: config.sessionTimeout,
      rebalanceTimeout: config.sessionTimeout,
      heartbeatInterval: config.heartbeat,
      maxBytesPerPartition: config.maxBytesPerPartition,
      maxBytes: Math.max(10 << 20, 4 * config.maxBytesPerPartition),
      maxWaitTimeInMs: config.maxWaitTime,
      allowAutoTopicCreation: false,
      retry: {
        ...{ initialRetryTime: 100, maxRetryTime: 1_000, factor: 0.2, multiplier: 2, retries: 4 },
        restartOnFailure: async () => false,
      },
    })
  }

  /** Joins the group; what comes of it is told by the events and by `over`. */
  start(): void {
    const { GROUP_JOIN, HEARTBEAT, CRASH } = this.consumer.events
    this.consumer.on(GROUP_JOIN, ({ payload }) => {
      this.signOfLife = performance.now()
      this.settled.resolve()
      if (this.isOver) return
      const partitions = Object.entries(payload.memberAssignment).flatMap(([topic, numbers]) =>
        numbers.map((partition) => ({ topic, partition })),
      )
      this.on.assigned(payload.memberId, partitions)
    })
    this.consumer.on(HEARTBEAT, () => {
      this.signOfLife = performance.now()
    })
    this.consumer.on(CRASH, ({ payload }) => this.finish(messageOf(payload.error)))
    const longest = this.connecting.config.sessionTimeout * SILENT_TIMEOUTS
    const watch = setInterval(() => {
      if (performance.now() - this.signOfLife > longest) this.finish(`nothing was heard of the group for ${longest} ms`)
    }, longest / 10)
    void this.over.then(() => {
      clearInterval(watch)
      this.settled.resolve()
    })
    void this.run().catch((error: unknown) => this.finish(messageOf(error)))
  }

  private async run(): Promise<void> {
    await this.consumer.connect()
    await this.consumer.subscribe({ topics: [...this.topics], fromBeginning: true })
    await this.consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: CONCURRENCY,
      eachBatch: (payload) => (this.isOver ? Promise.resolve() : this.on.batch(payload)),
    })
  }

  pause({ topic, partition }: Partition): void {
    this.tell(() => this.consumer.pause([{ topic, partitions: [partition] }]))
  }

  resume({ topic, partition }: Partition): void {
    this.tell(() => this.consumer.resume([{ topic, partitions: [partition] }]))
  }

  seek({ topic, partition }: Partition, position: Position): void {
    this.tell(() => this.consumer.seek({ topic, partition, offset: String(position) }))
  }

  /** kafkajs throws when its consumer is failing just now; the next session starts from our own positions. */
  private tell(request: () => void): void {
    if (this.isOver) return
    try {
      request()
    } catch (error) {
      this.connecting.log.debug({ error: messageOf(error) }, 'the Kafka consumer took no request')
    }
  }

  async commit(positions: readonly { partition: Partition; position: Position }[]): Promise<void> {
    await this.consumer.commitOffsets(
      positions.map(({ partition, position }) => ({ ...partition, offset: String(position) })),
    )
  }

  /** Looks for new partitions; where there are some, the group rebalances. */
  async refresh(): Promise<void> {
    await this.cluster?.refreshMetadata()
  }

  /** Leaves the group. Resolves when that is done or after `limit` ms; then it goes on behind the scenes, boundedly. */
  async end(limit: number): Promise<void> {
    const wasSettled = within(this.settled.promise, this.connecting.config.sessionTimeout)
    this.isOver = true
    const gone = this.disconnect(wasSettled)
    this.connecting.log.debug({}, 'leaving the group')
    await within(gone, limit)
  }

  private async disconnect(settled: Promise<void>): Promise<void> {
    // kafkajs's consumer comes back to life when it is ended while it joins for the first time
    await settled
    await nextTurn()
    this.finish('it has left the group')
    const done = this.consumer
      .disconnect()
      .catch((error: unknown) => this.connecting.log.debug({ error: messageOf(error) }, 'ending a Kafka consumer'))
    await within(done, this.connecting.config.sessionTimeout)
    this.sockets.end()
  }
}

/** Resolves when `promise` does or after `limit` ms. */
export async function within(promise: Promise<void>, limit: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limit)
  })
  await Promise.race([promise, late])
  clearTimeout(timer)
}
