/** Requests to brokers outside of groups: who leads what, and asking the leaders. */
import { setTimeout as sleep } from 'node:timers/promises'
import { MillraceError } from '../../core/errors.ts'
import { type Broker, type BrokerMaker, brokerMaker, type Connecting, makeKafka, Sockets } from './library.ts'
import {
  type BrokerAddress,
  METADATA_KEY,
  METADATA_VERSION,
  type Metadata,
  metadataRequest,
  type TopicMetadata,
  TopicRefused,
} from './metadata.ts'

const PAUSE_MS = 100

export class Client {
  private readonly connecting: Connecting
  private readonly sockets: Sockets
  private readonly maker: BrokerMaker
  private readonly brokers = new Map<number, { readonly address: BrokerAddress; readonly broker: Broker }>()
  private seed: Broker | undefined
  private readonly topics = new Map<string, TopicMetadata & { readonly asked: number }>()
  private closed = false

  constructor(connecting: Connecting) {
    this.connecting = connecting
    this.sockets = new Sockets(connecting.sockets)
    this.maker = brokerMaker(makeKafka(connecting, this.sockets))
  }

  /** Asks any broker. A missing topic is absent from the answer. */
  async metadata(names: readonly string[]): Promise<Metadata> {
    const metadata = await this.askAny((broker) => {
      if ((broker.versions?.[METADATA_KEY]?.maxVersion ?? 0) < METADATA_VERSION)
        throw new MillraceError('transport-failed', 'the brokers are too old: topic ids came with Kafka 2.8')
      return broker.connectionPool.send(metadataRequest(names))
    })
    await this.meet(metadata.brokers)
    for (const name of names) {
      const topic = metadata.topics.get(name)
      if (topic) this.topics.set(name, { ...topic, asked: performance.now() })
      else this.topics.delete(name)
    }
    return metadata
  }

  /** Of topics that must exist, at most `refresh` old. Throws `topic-missing`. */
  async topicsNamed(names: Iterable<string>): Promise<ReadonlyMap<string, TopicMetadata>> {
    const oldest = performance.now() - this.connecting.config.refresh
    const found = new Map<string, TopicMetadata>()
    let unknown = [...names].filter((name) => {
      const topic = this.topics.get(name)
      if (topic && topic.asked > oldest) found.set(name, topic)
      return !found.has(name)
    })
    // twice: a topic made just now may not be known to every broker yet
    for (let attempt = 0; attempt < 2 && unknown.length > 0; attempt++) {
      if (attempt > 0) await sleep(PAUSE_MS)
      const { topics } = await this.metadata(unknown)
      for (const [name, topic] of topics) found.set(name, topic)
      unknown = unknown.filter((name) => !topics.has(name))
    }
    if (unknown.length > 0) throw new MillraceError('topic-missing', `topic ${unknown.join(', ')} does not exist`)
    return found
  }

  /** The next use of leaders asks anew. */
  forgetLeaders(): void {
    this.topics.clear()
  }

  /** Runs `work` on a broker that was named by metadata. */
  async ask<T>(nodeId: number, work: (broker: Broker) => Promise<T>): Promise<T> {
    const known = this.brokers.get(nodeId)
    if (!known) throw new Error(nodeId < 0 ? 'there is no leader just now' : `broker ${nodeId} is not known`)
    return this.on(known.broker, () => this.brokers.delete(nodeId), work)
  }

  /**
   * Runs `work` until it succeeds, asking for leaders anew each time. Rejects with `transport-failed` after `retryFor`
   * or at an error that trying again cannot mend; its own errors of the table go through.
   */
  async patiently<T>(what: string, work: () => Promise<T>): Promise<T> {
    const deadline = performance.now() + this.connecting.config.retryFor
    for (let pause = PAUSE_MS; ; pause = Math.min(pause * 2, 1_000)) {
      try {
        return await work()
      } catch (error) {
        if (error instanceof MillraceError) throw error
        if (this.closed || isFinal(error) || performance.now() + pause > deadline)
          throw new MillraceError('transport-failed', `${what}: ${messageOf(error)}`, { cause: error })
        this.forgetLeaders()
        await sleep(pause)
      }
    }
  }

  /** Ends every connection; what is under way is rejected. */
  close(): void {
    this.closed = true
    this.sockets.end()
  }

  private async askAny<T>(work: (broker: Broker) => Promise<T>): Promise<T> {
    const known = [...this.brokers.values()].sort(
      (a, b) => Number(b.broker.isConnected()) - Number(a.broker.isConnected()),
    )
    for (const { address } of known) {
      try {
        return await this.ask(address.nodeId, work)
      } catch (error) {
        if (isAnswer(error)) throw error
      }
    }
    let failure: unknown
    for (const _ of this.connecting.config.brokers) {
      try {
        this.seed ??= this.makeBroker(await this.maker.connectionPoolBuilder.build())
        return await this.on(this.seed, () => (this.seed = undefined), work)
      } catch (error) {
        if (isAnswer(error)) throw error
        failure = error
      }
    }
    throw failure
  }

  /** A broker that did not answer is left: kafkajs does not always notice that a connection is dead. */
  private async on<T>(broker: Broker, leave: () => void, work: (broker: Broker) => Promise<T>): Promise<T> {
    try {
      // it counts as connected before it has said what it understands: another call may have come as far as that
      if (!broker.isConnected() || broker.versions === null) await broker.connect()
      if (broker.versions === null) throw new Error('the broker has not said what it understands')
      return await work(broker)
    } catch (error) {
      if (!isAnswer(error)) {
        leave()
        broker.disconnect().catch((late) => this.connecting.log.debug({ error: messageOf(late) }, 'leaving a broker'))
      }
      throw error
    }
  }

  private async meet(addresses: readonly BrokerAddress[]): Promise<void> {
    for (const address of addresses) {
      const known = this.brokers.get(address.nodeId)
      if (known?.address.host === address.host && known.address.port === address.port) continue
      const { host, port } = address
      const pool = await this.maker.connectionPoolBuilder.build({ host, port })
      this.brokers.set(address.nodeId, { address, broker: this.makeBroker(pool, address.nodeId) })
    }
  }

  private makeBroker(connectionPool: object, nodeId?: number): Broker {
    return this.maker.brokerPool.createBroker({
      connectionPool,
      logger: this.maker.rootLogger,
      nodeId,
      authenticationTimeout: this.connecting.config.requestTimeout,
    })
  }
}

/** Did a broker say it (or our own code), as opposed to a connection that failed? */
function isAnswer(error: unknown): boolean {
  return error instanceof MillraceError || error instanceof TopicRefused || typeOf(error) !== undefined
}

function isFinal(error: unknown): boolean {
  if (error instanceof TopicRefused || error instanceof TypeError || error instanceof RangeError) return true
  return (error as { retriable?: boolean }).retriable === false
}

/** Kafka's own name of an error, e.g. `NOT_LEADER_FOR_PARTITION`. */
export function typeOf(error: unknown): string | undefined {
  return (error as { type?: string } | undefined)?.type
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
