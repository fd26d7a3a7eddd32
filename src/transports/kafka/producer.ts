/**
 * Writing. kafkajs's own producer may resolve with a partition unwritten when its leader moves meanwhile, and copies
 * a partition's records once per record. So requests are made here: a partition counts as written when the broker
 * that leads it has said so, and only then does its next request go out.
 */
import { MillraceError } from '../../core/errors.ts'
import { partitionOf } from '../../core/key.ts'
import type { Draft } from '../../core/model.ts'
import { nameOf } from '../../core/partition.ts'
import type { Client } from './client.ts'
import { type Codes, CROWDED, Gatherer, type Parcel, TOO_LARGE } from './gatherer.ts'
import { errorOf, produceRequest } from './library.ts'
import type { TopicMetadata } from './metadata.ts'
import { boundOf, RecordBatch } from './record-batch.ts'

/** Brokers take 1 MiB per partition and request unless told otherwise; a larger record goes alone. */
const MAX_BATCH_BYTES = 1_000_000
/** Brokers take 100 MiB per request unless told otherwise. */
const MAX_REQUEST_BYTES = 32 << 20

/** What one partition is to get, in order. */
interface Lane {
  readonly topic: string
  readonly partition: number
  /** Each written in one request. */
  readonly batches: RecordBatch[]
}

export class Producer {
  private readonly client: Client
  private readonly timeout: number
  /** By the broker that leads. */
  private readonly gatherers = new Map<number, Gatherer>()

  /** `timeout`: how long brokers wait for all replicas, in ms. */
  constructor(client: Client, timeout: number) {
    this.client = client
    this.timeout = timeout
  }

  /** Rejects with `record-too-large` when all else is written but what follows such a record in its partition. */
  async write(drafts: readonly Draft[]): Promise<void> {
    if (drafts.length === 0) return
    const names = new Set(drafts.map((draft) => draft.topic))
    const topics = await this.client.patiently('writing', () => this.client.topicsNamed(names))
    const lanes = lanesOf(drafts, topics)
    const refused: Lane[] = []
    while (lanes.size > 0) await this.client.patiently('writing', () => this.round(lanes, refused))
    const [first] = refused
    if (first) {
      const { topic, batches } = first
      const found = `a record of ${batches[0]?.length} bytes is more than topic ${topic} takes (max.message.bytes)`
      throw new MillraceError('record-too-large', found)
    }
  }

  /**
   * The next batch of every lane, one request per leader. What was acknowledged leaves the lanes, also when this rejects. A lane
   * that holds what is too large goes to `refused`, with that at its head.
   */
  private async round(lanes: Set<Lane>, refused: Lane[]): Promise<void> {
    const topics = await this.client.topicsNamed(new Set([...lanes].map((lane) => lane.topic)))
    const byLeader = new Map<number, { lanes: Lane[]; bytes: number }>()
    for (const lane of lanes) {
      const leader = topics.get(lane.topic)?.leaders[lane.partition] ?? -1
      const request = byLeader.get(leader) ?? { lanes: [], bytes: 0 }
      const bytes = lane.batches[0]?.length ?? 0
      if (request.lanes.length > 0 && request.bytes + bytes > MAX_REQUEST_BYTES) continue
      request.lanes.push(lane)
      request.bytes += bytes
      byLeader.set(leader, request)
    }
    const requests = [...byLeader].map(async ([leader, request]) => {
      const parcels = request.lanes.map(({ topic, partition, batches }) => ({
        topic,
        partition,
        batch: batches[0] as RecordBatch,
      }))
      const codes = await this.gatherer(leader).produce(parcels)
      let failure: Error | undefined
      for (const lane of request.lanes) {
        const code = codes.get(nameOf(lane))
        if (code === 0) {
          lane.batches.shift()
          if (lane.batches.length === 0) lanes.delete(lane)
        } else if (TOO_LARGE.includes(code)) {
          if (divide(lane)) continue
          lanes.delete(lane)
          refused.push(lane)
        } else if (code === undefined) failure = new Error(`broker ${leader} says nothing of ${nameOf(lane)}`)
        else if (code !== CROWDED) failure = errorOf(code)
      }
      if (failure) throw failure
    })
    for (const outcome of await Promise.allSettled(requests)) if (outcome.status === 'rejected') throw outcome.reason
  }

  private gatherer(leader: number): Gatherer {
    const known = this.gatherers.get(leader)
    if (known) return known
    const made = new Gatherer((parcels) => this.send(leader, parcels))
    this.gatherers.set(leader, made)
    return made
  }

  private async send(leader: number, parcels: readonly Parcel[]): Promise<Codes> {
    const topicData = [...Map.groupBy(parcels, ({ topic }) => topic)].map(([topic, ofTopic]) => ({
      topic,
      partitions: ofTopic.map(({ partition, batch }) => ({ partition, batch })),
    }))
    const request = produceRequest({ acks: -1, timeout: this.timeout, topicData })
    const answer = await this.client.ask(leader, (broker) => broker.connectionPool.send(request))
    return new Map(
      answer.topics.flatMap(({ topicName: topic, partitions }) =>
        partitions.map(({ partition, errorCode }) => [nameOf({ topic, partition }), errorCode] as const),
      ),
    )
  }
}

/**
 * As bytes at once, so that nothing made for a draft outlives the call: what waits for a broker is much, and each collection would
 * move it.
 */
function lanesOf(drafts: readonly Draft[], topics: ReadonlyMap<string, TopicMetadata>): Set<Lane> {
  const byTopic = new Map(
    [...topics].map(([topic, { leaders }]) => [topic, new Array<Lane | undefined>(leaders.length)]),
  )
  const lanes = new Set<Lane>()
  const now = Date.now()
  let unkeyed = 0
  for (const draft of drafts) {
    const { topic, key } = draft
    const ofTopic = byTopic.get(topic) as (Lane | undefined)[]
    const count = ofTopic.length
    const partition = draft.partition ?? (key === null ? unkeyed++ % count : partitionOf(key, count))
    let lane = ofTopic[partition]
    if (!lane) {
      if (!Number.isInteger(partition) || partition < 0 || partition >= count)
        throw new MillraceError('topic-missing', `topic ${topic} has ${count} partitions, so no partition ${partition}`)
      lane = { topic, partition, batches: [] }
      ofTopic[partition] = lane
      lanes.add(lane)
    }
    const bytes = boundOf(draft)
    let batch = lane.batches.at(-1)
    if (!batch || (batch.count > 0 && batch.length + bytes > MAX_BATCH_BYTES)) {
      batch = new RecordBatch()
      lane.batches.push(batch)
    }
    batch.add(draft, bytes, draft.timestamp ?? now)
  }
  return lanes
}

/** In halves; one record is what cannot be divided. */
function divide({ batches }: Lane): boolean {
  const [first] = batches
  if (!first || first.count < 2) return false
  batches.splice(0, 1, ...first.halves())
  return true
}
