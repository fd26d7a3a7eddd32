import { setImmediate as turn } from 'node:timers/promises'
import { MillraceError } from '../core/errors.ts'
import { partitionOf } from '../core/key.ts'
import type {
  Batch,
  Draft,
  InputRecord,
  MemberEvents,
  Membership,
  Millis,
  Partition,
  Position,
  Range,
  TopicInfo,
  TopicSpec,
  Transport,
} from '../core/model.ts'
import { nameOf } from '../core/partition.ts'

const BATCH_RECORDS = 500
const REOPEN_AFTER_MS = 10

interface Topic {
  readonly incarnation: string
  readonly logs: InputRecord[][]
  /** First position kept, by partition; 0 where it has none. */
  readonly starts: Position[]
}

/** A partition as one member reads it. */
interface Reading {
  readonly partition: Partition
  next: Position
  /** Moves on with every seek: a batch cut before it is not delivered. */
  seeks: number
  over: boolean
}

interface Member {
  topics: readonly string[]
  readonly on: MemberEvents
  readonly owned: Map<string, Reading>
}

/** A transport in memory, for tests: it passes the same conformance suite as the real ones. Nothing outlives it. */
export class MemoryTransport implements Transport {
  private readonly topicsByName = new Map<string, Topic>()
  private readonly groups = new Map<string, Set<Member>>()
  private readonly positions = new Map<string, Map<string, Position>>()
  private readonly now: () => Millis
  private made = 0
  private waiting: (() => void)[] = []

  /** `now` stamps drafts that carry no timestamp. */
  constructor(now: () => Millis = Date.now) {
    this.now = now
  }

  async topics(names: readonly string[]): Promise<ReadonlyMap<string, TopicInfo>> {
    const found = new Map<string, TopicInfo>()
    for (const name of names) {
      const topic = this.topicsByName.get(name)
      if (topic) found.set(name, { partitions: topic.logs.length, incarnation: topic.incarnation })
    }
    return found
  }

  async create({ name, partitions }: TopicSpec): Promise<void> {
    const topic = this.topicsByName.get(name)
    if (topic && topic.logs.length !== partitions) {
      throw new MillraceError('topic-mismatch', `${name} has ${topic.logs.length} partitions, not ${partitions}`)
    }
    if (topic) return
    const logs = Array.from({ length: partitions }, () => [])
    this.topicsByName.set(name, { incarnation: `i${++this.made}`, logs, starts: [] })
  }

  /** All records of a topic, partition by partition; none of a topic that does not exist. */
  records(name: string): readonly InputRecord[] {
    return this.topicsByName.get(name)?.logs.flat() ?? []
  }

  /** Partitions that a topic has now; 0 where there is none. */
  partitions(name: string): number {
    return this.topicsByName.get(name)?.logs.length ?? 0
  }

  /** Where a partition ends now; 0 where there is none. */
  end({ topic, partition }: Partition): Position {
    return this.topicsByName.get(topic)?.logs[partition]?.length ?? 0
  }

  async deleteTopic(name: string): Promise<void> {
    this.topicsByName.delete(name)
  }

  /** Adds partitions to a topic, as an operator of a broker would. */
  grow(name: string, partitions: number): void {
    const { logs } = this.topic(name)
    while (logs.length < partitions) logs.push([])
    for (const group of this.groups.keys()) this.rebalance(group)
  }

  /** Forgets the records before a position, as retention does. */
  forget({ topic, partition }: Partition, before: Position): void {
    this.topic(topic).starts[partition] = before
  }

  private topic(name: string): Topic {
    const topic = this.topicsByName.get(name)
    if (!topic) throw new MillraceError('topic-missing', `topic ${name} does not exist`)
    return topic
  }

  async ranges(topic: string): Promise<readonly Range[]> {
    const { logs, starts } = this.topic(topic)
    return logs.map((log, partition) => ({ start: starts[partition] ?? 0, end: log.length }))
  }

  async positionAt({ topic, partition }: Partition, time: Millis): Promise<Position> {
    const { logs, starts } = this.topic(topic)
    const log = logs[partition] ?? []
    const start = starts[partition] ?? 0
    const found = log.findIndex(({ position, timestamp }) => position >= start && timestamp >= time)
    return found === -1 ? log.length : found
  }

  async committed(group: string, topic: string): Promise<readonly (Position | undefined)[]> {
    return this.topic(topic).logs.map((_, partition) => this.positions.get(group)?.get(nameOf({ topic, partition })))
  }

  async write(drafts: readonly Draft[]): Promise<void> {
    for (const draft of drafts) this.topic(draft.topic)
    for (const { topic, partition, key, value, timestamp, headers } of drafts) {
      const { logs } = this.topic(topic)
      const log = logs[partition ?? (key === null ? 0 : partitionOf(key, logs.length))]
      if (!log) throw new MillraceError('topic-missing', `${topic} has no partition ${partition}`)
      log.push({
        position: log.length,
        timestamp: timestamp ?? this.now(),
        key: key === null ? null : Buffer.from(key),
        value,
        headers: Object.fromEntries(Object.entries(headers ?? {}).map(([name, text]) => [name, Buffer.from(text)])),
      })
    }
    for (const wake of this.waiting.splice(0)) wake()
  }

  async read({ topic, partition }: Partition, position: Position): Promise<Batch> {
    const { logs, starts } = this.topic(topic)
    const log = logs[partition] ?? []
    const start = starts[partition] ?? 0
    if (position < start || position > log.length)
      throw new MillraceError('position-outside-log', `${topic}/${partition} holds ${start} to ${log.length}`)
    const records = log.slice(position, position + BATCH_RECORDS)
    return { topic, partition, records, next: position + records.length, end: log.length }
  }

  async join(group: string, topics: readonly string[], on: MemberEvents): Promise<Membership> {
    for (const name of topics) this.topic(name)
    const member: Member = { topics, on, owned: new Map() }
    const members = this.groups.get(group) ?? new Set()
    this.groups.set(group, members.add(member))
    this.rebalance(group)
    return {
      commit: async (positions) => {
        const kept = this.positions.get(group) ?? new Map<string, Position>()
        for (const { partition, position } of positions) kept.set(nameOf(partition), position)
        this.positions.set(group, kept)
      },
      seek: (partition, position) => {
        const reading = member.owned.get(nameOf(partition))
        if (!reading) return
        reading.next = position
        reading.seeks++
        for (const wake of this.waiting.splice(0)) wake()
      },
      subscribe: async (names) => {
        for (const name of names) this.topic(name)
        member.topics = names
        for (const reading of [...member.owned.values()])
          if (!names.includes(reading.partition.topic)) this.take(member, reading)
        this.rebalance(group)
      },
      leave: async () => {
        members.delete(member)
        for (const reading of [...member.owned.values()]) this.take(member, reading)
        this.rebalance(group)
      },
    }
  }

  async close(): Promise<void> {
    for (const members of this.groups.values())
      for (const { owned } of members) for (const reading of owned.values()) reading.over = true
    this.groups.clear()
    for (const wake of this.waiting.splice(0)) wake()
  }

  /** Spreads every topic evenly over its subscribers; whoever has a partition keeps it while its share allows. */
  private rebalance(group: string): void {
    const members = [...(this.groups.get(group) ?? [])]
    const topics = new Set(members.flatMap(({ topics }) => topics))
    for (const topic of topics) {
      const { logs } = this.topic(topic)
      const subscribers = members.filter((member) => member.topics.includes(topic))
      const share = Math.ceil(logs.length / subscribers.length)
      const count = (member: Member) =>
        [...member.owned.values()].filter((reading) => reading.partition.topic === topic).length
      for (const member of subscribers) {
        for (const reading of [...member.owned.values()]) {
          if (reading.partition.topic === topic && count(member) > share) this.take(member, reading)
        }
      }
      for (let partition = 0; partition < logs.length; partition++) {
        const name = nameOf({ topic, partition })
        if (subscribers.some(({ owned }) => owned.has(name))) continue
        const least = subscribers.reduce((a, b) => (count(b) < count(a) ? b : a))
        this.give(least, { topic, partition })
      }
    }
  }

  private take(member: Member, reading: Reading): void {
    reading.over = true
    member.owned.delete(nameOf(reading.partition))
    member.on.closed(reading.partition)
    for (const wake of this.waiting.splice(0)) wake()
  }

  private give(member: Member, partition: Partition): void {
    const reading: Reading = { partition, next: 0, seeks: 0, over: false }
    member.owned.set(nameOf(partition), reading)
    void this.feed(member.on, reading)
  }

  private async feed(on: MemberEvents, reading: Reading): Promise<void> {
    const { topic, partition } = reading.partition
    while (!reading.over) {
      try {
        const { seeks } = reading
        const position = await on.opened(reading.partition)
        if (seeks === reading.seeks) reading.next = position
        break
      } catch {
        await new Promise((resolve) => setTimeout(resolve, REOPEN_AFTER_MS))
      }
    }
    while (!reading.over) {
      const log = this.topicsByName.get(topic)?.logs[partition] ?? []
      const records = log.slice(reading.next, reading.next + BATCH_RECORDS)
      if (records.length === 0) {
        await new Promise<void>((resolve) => this.waiting.push(resolve))
        continue
      }
      reading.next += records.length
      await on.batch({ ...reading.partition, records, next: reading.next, end: log.length })
      await turn()
    }
  }
}
