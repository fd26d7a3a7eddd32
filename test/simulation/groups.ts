/**
 * Consumer groups over a log in memory, as brokers have them: who stands still for too long is given up and may not know it, a
 * partition may be closed here after the next owner has opened it, and what was fetched comes when it comes.
 */
import type { Batch, MemberEvents, Membership, Partition, Position } from '../../src/core/model.ts'
import type { MemoryTransport } from '../../src/testing/memory-transport.ts'
import type { Host } from './host.ts'
import type { Network } from './network.ts'
import type { Random } from './random.ts'

const REOPEN_AFTER = 500
/** Most records in a batch. */
export const LARGEST_BATCH = 8
/** Marks records that no reader is given, as markers of transactions are. */
export const HIDDEN = 'hidden'

/** A partition as one member reads it. */
interface Reading {
  readonly member: Member
  readonly partition: Partition
  /** Undefined until it is open. */
  next: Position | undefined
  /** A batch that was fetched before the last seek is not delivered. */
  seeks: number
  busy: boolean
  over: boolean
}

interface Member {
  readonly host: Host
  readonly group: string
  topics: readonly string[]
  readonly on: MemberEvents
  readonly readings: Map<string, Reading>
  /** What the group thinks that it has. */
  readonly given: Map<string, Partition>
  isIn: boolean
}

const nameOf = ({ topic, partition }: Partition): string => `${topic}/${partition}`

export class Groups {
  private readonly log: MemoryTransport
  private readonly network: Network
  private readonly random: Random
  private readonly members = new Set<Member>()
  private readonly positions = new Map<string, Position>()
  /** Told of what the group is told. */
  told: (partition: Partition, position: Position) => void = () => undefined
  /** Partitions by topic. */
  private readonly known = new Map<string, number>()

  constructor(log: MemoryTransport, network: Network, random: Random) {
    this.log = log
    this.network = network
    this.random = random
  }

  committed(group: string, { topic, partition }: Partition): Position | undefined {
    return this.positions.get(`${group} ${topic}/${partition}`)
  }

  // ------------------------------------------------------------- members

  join(host: Host, group: string, topics: readonly string[], on: MemberEvents): Membership {
    const member: Member = { host, group, topics, on, readings: new Map(), given: new Map(), isIn: true }
    this.members.add(member)
    this.rebalance(group)
    return {
      commit: (positions) =>
        this.network.send(host, 'group.commit', {
          all: async () => {
            if (!member.isIn) throw new Error('not a member')
            for (const { partition, position } of positions) {
              this.told(partition, position)
              this.positions.set(`${group} ${nameOf(partition)}`, position)
            }
          },
        }),
      seek: (partition, position) => {
        const reading = member.readings.get(nameOf(partition))
        if (reading?.next === undefined) return
        reading.next = position
        reading.seeks++
      },
      subscribe: async (names) => {
        member.topics = names
        for (const reading of [...member.readings.values()])
          if (!names.includes(reading.partition.topic)) this.close(reading)
        this.rebalance(group)
      },
      leave: async () => {
        for (const reading of [...member.readings.values()]) this.close(reading)
        this.remove(member)
      },
    }
  }

  /** Whoever has stood still for longer than this is out of its group; whoever wakes up joins again. */
  expel(after: number): void {
    for (const member of [...this.members]) {
      const { host } = member
      if (member.isIn && (host.isDead || host.frozenFor > after)) {
        member.isIn = false
        this.rebalance(member.group)
      }
      if (host.isDead) this.members.delete(member)
      else if (!member.isIn && host.isRunning) this.comeBack(member)
    }
  }

  /** Its partitions are closed when it hears that it was out, and it gets others. */
  private comeBack(member: Member): void {
    member.isIn = true
    member.given.clear()
    for (const reading of [...member.readings.values()])
      this.network.happens(member.host, `hears that ${nameOf(reading.partition)} is another's`, () =>
        this.close(reading),
      )
    this.rebalance(member.group)
  }

  private remove(member: Member): void {
    this.members.delete(member)
    member.isIn = false
    this.rebalance(member.group)
  }

  /** Partitions may have come, or a topic may be another of that name. */
  topicChanged(topic: string, isNew: boolean): void {
    this.known.delete(topic)
    for (const member of isNew ? this.members : []) {
      for (const reading of member.readings.values()) if (reading.partition.topic === topic) reading.next = undefined
      for (const [name, partition] of [...member.given]) if (partition.topic === topic) this.revoke(member, name)
    }
    for (const group of new Set([...this.members].map(({ group }) => group))) this.rebalance(group)
  }

  /** Moves partitions for no reason at all. */
  shuffle(): void {
    const members = [...this.members].filter(({ isIn }) => isIn)
    if (members.length === 0) return
    const member = this.random.pick(members)
    for (const name of [...member.given.keys()]) if (this.random.chance(0.5)) this.revoke(member, name)
    this.rebalance(member.group)
  }

  // ------------------------------------------------------------- assignment

  private rebalance(group: string): void {
    const members = [...this.members].filter((member) => member.group === group && member.isIn)
    for (const topic of new Set(members.flatMap(({ topics }) => topics))) {
      const subscribers = members.filter(({ topics }) => topics.includes(topic))
      for (let partition = 0; partition < this.partitionsOf(topic); partition++)
        this.assign({ topic, partition }, subscribers)
    }
    for (const member of members)
      for (const [name, { topic }] of [...member.given]) if (!member.topics.includes(topic)) member.given.delete(name)
  }

  private assign(partition: Partition, subscribers: readonly Member[]): void {
    const name = nameOf(partition)
    const count = ({ given }: Member) => [...given.values()].filter(({ topic }) => topic === partition.topic).length
    const share = Math.ceil(this.partitionsOf(partition.topic) / subscribers.length)
    const has = subscribers.find(({ given }) => given.has(name))
    if (has && count(has) <= share) return
    if (has) this.revoke(has, name)
    const least = Math.min(...subscribers.map(count))
    const next = this.random.pick(subscribers.filter((member) => count(member) === least))
    next.given.set(name, partition)
    this.network.happens(next.host, `is given ${name}`, () => this.give(next, partition))
  }

  private revoke(member: Member, name: string): void {
    member.given.delete(name)
    this.network.happens(member.host, `hears that ${name} is another's`, () => {
      const reading = member.readings.get(name)
      if (reading && !member.given.has(name)) this.close(reading)
    })
  }

  private partitionsOf(topic: string): number {
    const known = this.known.get(topic) ?? this.log.partitions(topic)
    this.known.set(topic, known)
    return known
  }

  private give(member: Member, partition: Partition): void {
    const name = nameOf(partition)
    if (!member.given.has(name)) return
    const before = member.readings.get(name)
    if (before) this.close(before)
    const reading: Reading = { member, partition, next: undefined, seeks: 0, busy: false, over: false }
    member.readings.set(name, reading)
    this.open(reading)
  }

  private open(reading: Reading): void {
    const { member, partition } = reading
    if (reading.over) return
    member.on.opened(partition).then(
      (position) => {
        this.network.trace.note(member.host.name, 'reads', nameOf(partition), 'from', position)
        reading.next = position
      },
      async () => {
        await member.host.clock.wait(REOPEN_AFTER)
        this.open(reading)
      },
    )
  }

  private close(reading: Reading): void {
    const { member, partition } = reading
    if (reading.over) return
    reading.over = true
    member.readings.delete(nameOf(partition))
    this.network.trace.note(member.host.name, 'closes', nameOf(partition))
    member.on.closed(partition)
  }

  // ------------------------------------------------------------- batches

  /** Those who could be given records now. */
  private ready(): Reading[] {
    const ready: Reading[] = []
    for (const { host, readings } of this.members) {
      if (!host.isRunning) continue
      for (const reading of readings.values()) {
        const { next, busy, partition } = reading
        if (next !== undefined && !busy && next !== this.log.end(partition)) ready.push(reading)
      }
    }
    return ready
  }

  get isBusy(): boolean {
    return this.ready().length > 0
  }

  /** Fetches for one of the members, which is given it at some time. */
  step(): boolean {
    const ready = this.ready()
    if (ready.length === 0) return false
    void this.fetch(this.random.pick(ready))
    return true
  }

  private async fetch(reading: Reading): Promise<void> {
    const { member, partition, seeks } = reading
    const from = reading.next as Position
    reading.busy = true
    const batch = await this.read(partition, from).catch(() => undefined)
    if (!batch) {
      // outside the log: the engine decides again
      this.close(reading)
      if (member.isIn && member.given.has(nameOf(partition))) this.give(member, partition)
      return
    }
    this.network.happens(member.host, `gets ${nameOf(partition)} ${from} to ${batch.next} of ${batch.end}`, () => {
      if (reading.over) return
      if (seeks !== reading.seeks) {
        reading.busy = false
        return
      }
      reading.next = batch.next
      void member.on.batch(batch).then(() => {
        reading.busy = false
        // at least once
        if (seeks === reading.seeks && this.random.chance(0.03)) reading.next = from
      })
    })
  }

  /** One batch of any length. */
  async read(partition: Partition, position: Position): Promise<Batch> {
    const batch = await this.log.read(partition, position)
    const records = batch.records.slice(0, this.random.chance(0.3) ? 1 + this.random.int(3) : LARGEST_BATCH)
    const last = records.at(-1)
    const next = last === undefined ? position : last.position + 1
    return { ...batch, records: records.filter(({ headers }) => !(HIDDEN in headers)), next }
  }
}
