import { MillraceError } from '../../core/errors.ts'
import type { MemberEvents, Membership, Partition, Position } from '../../core/model.ts'
import type { Log } from '../../core/part.ts'
import { assign, type Share, type Subscriber } from './assignment.ts'
import { Feed } from './feed.ts'
import { Offsets } from './offsets.ts'
import type { Topics } from './topics.ts'

interface Member extends Subscriber {
  topics: ReadonlySet<string>
  readonly on: MemberEvents
  /** What it reads, by share. */
  readonly feeds: Map<Share, Feed>
}

/** A share holds as long as its topic is the same one. */
interface TopicShare extends Share {
  readonly incarnation: string
}

interface Group {
  readonly members: Set<Member>
  shares: TopicShare[]
}

/** Groups of this process: their members, who reads what, and how far each has come. */
export class Groups {
  private readonly directory: string
  private readonly topics: Topics
  private readonly log: Log
  private readonly groups = new Map<string, Group>()
  private readonly offsets = new Map<string, Promise<Offsets>>()
  private joined = 0

  constructor(directory: string, topics: Topics, log: Log) {
    this.directory = directory
    this.topics = topics
    this.log = log
  }

  join(name: string, topics: readonly string[], on: MemberEvents): Membership {
    for (const topic of topics) this.topics.get(topic)
    const group = this.groups.get(name) ?? { members: new Set(), shares: [] }
    const member: Member = { id: this.joined++, topics: new Set(topics), on, feeds: new Map() }
    this.groups.set(name, group)
    group.members.add(member)
    this.share(group)
    return {
      commit: async (positions) => {
        if (!group.members.has(member))
          throw new MillraceError('transport-failed', `the member has left group '${name}'`)
        await this.commit(name, member, positions)
      },
      seek: (partition, position) => feedOf(member, partition)?.seek(position),
      subscribe: async (names) => {
        for (const topic of names) this.topics.get(topic)
        member.topics = new Set(names)
        if (group.members.has(member)) this.share(group)
      },
      leave: async () => {
        if (!group.members.delete(member)) return
        const stopped = [...member.feeds.values()].map((feed) => feed.stop())
        this.share(group)
        if (group.members.size === 0) this.groups.delete(name)
        await Promise.all(stopped)
        member.feeds.clear()
      },
    }
  }

  /** Shares out anew; to be called when topics have changed. */
  refresh(): void {
    for (const group of this.groups.values()) this.share(group)
  }

  async committed(name: string, topic: string): Promise<(Position | undefined)[]> {
    const { partitions, incarnation } = this.topics.get(topic)
    const offsets = await this.offsetsOf(name)
    return Array.from({ length: partitions }, (_, partition) => offsets.get(topic, incarnation, partition))
  }

  /** Every member is told that its partitions are closed. */
  async close(): Promise<void> {
    const members = [...this.groups.values()].flatMap((group) => [...group.members])
    for (const group of this.groups.values()) group.members.clear()
    await Promise.all(members.flatMap((member) => [...member.feeds.values()].map((feed) => feed.stop())))
    for (const offsets of await Promise.allSettled(this.offsets.values()))
      if (offsets.status === 'fulfilled') await offsets.value.settled()
  }

  private share(group: Group): void {
    group.shares = this.sharesOf(group)
    assign(group.shares, [...group.members])
    const open = new Set(group.shares)
    for (const member of group.members)
      for (const [share, feed] of member.feeds)
        if (share.owner !== member.id || !open.has(share as TopicShare)) {
          member.feeds.delete(share)
          void feed.stop()
        }
    for (const share of group.shares)
      for (const member of group.members)
        if (share.owner === member.id && !member.feeds.has(share)) {
          const partition = { topic: share.topic, partition: share.partition }
          member.feeds.set(share, new Feed(partition, () => this.topics.partition(partition), member.on, this.log))
        }
  }

  /** Every partition that some member subscribes to; those that were shared before keep their owner. */
  private sharesOf(group: Group): TopicShare[] {
    const wanted = new Set([...group.members].flatMap((member) => [...member.topics]))
    return [...wanted].flatMap((topic) => {
      const { partitions, incarnation } = this.topics.find(topic) ?? { partitions: 0, incarnation: '' }
      const before = group.shares.filter((share) => share.topic === topic && share.incarnation === incarnation)
      return Array.from(
        { length: partitions },
        (_, partition) =>
          before.find((share) => share.partition === partition) ?? { topic, partition, incarnation, owner: undefined },
      )
    })
  }

  private async commit(name: string, member: Member, positions: Parameters<Membership['commit']>[0]): Promise<void> {
    const offsets = await this.offsetsOf(name)
    for (const { partition, position } of positions) {
      const incarnation = this.topics.find(partition.topic)?.incarnation
      // A partition that has gone elsewhere is the other's to tell of.
      if (incarnation !== undefined && feedOf(member, partition))
        offsets.set(partition.topic, incarnation, partition.partition, position)
    }
    await offsets.save()
  }

  private offsetsOf(group: string): Promise<Offsets> {
    let offsets = this.offsets.get(group)
    if (!offsets) {
      offsets = Offsets.open(this.directory, group)
      this.offsets.set(group, offsets)
      offsets.catch(() => this.offsets.delete(group))
    }
    return offsets
  }
}

function feedOf(member: Member, { topic, partition }: Partition): Feed | undefined {
  return [...member.feeds.values()].find(
    (feed) => feed.partition.topic === topic && feed.partition.partition === partition,
  )
}
