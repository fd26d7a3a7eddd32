/** What members of a group tell each other in Kafka's group protocol, for the assigner. */
import type { PartitionAssigner } from 'kafkajs'
import { type AssignedMember, type Assignment, assign } from './assigner.ts'
import type { Library } from './library.ts'

/** Members with another name or protocol are refused by the group's coordinator. */
const NAME = 'millrace-sticky-1'

/** What a member says of itself when it joins. */
export interface Standing {
  readonly owned: Assignment
  readonly since: number
}

interface Said {
  readonly since: number
  readonly owned: Readonly<Record<string, number[]>>
  /**
   * How many partitions the member knows each of its topics to have. For the leader, which may not subscribe to them;
   * and since a member that has found new ones says something new, the coordinator starts a rebalance.
   */
  readonly partitions: Readonly<Record<string, number>>
}

/** The assigner as kafkajs wants it; `standing` is asked at every join. */
export function stickyAssigner({ AssignerProtocol }: Library, standing: () => Standing): PartitionAssigner {
  return ({ cluster }) => ({
    name: NAME,
    version: 1,
    protocol({ topics }) {
      const { owned, since } = standing()
      const partitions = Object.fromEntries(
        topics.map((topic) => [topic, cluster.findTopicPartitionMetadata(topic).length]),
      )
      const said: Said = { since, owned: Object.fromEntries(owned), partitions }
      const userData = Buffer.from(JSON.stringify(said))
      return { name: NAME, metadata: AssignerProtocol.MemberMetadata.encode({ version: 1, topics, userData }) }
    },
    async assign({ members }) {
      const partitions = new Map<string, number>()
      const present = members.map(({ memberId, memberMetadata }): AssignedMember => {
        const metadata = AssignerProtocol.MemberMetadata.decode(memberMetadata)
        const said = read(metadata?.userData)
        const topics = metadata?.topics ?? []
        for (const topic of topics)
          partitions.set(topic, Math.max(partitions.get(topic) ?? 0, said.partitions[topic] ?? 0))
        return { id: memberId, topics, owned: new Map(Object.entries(said.owned)), since: said.since }
      })
      return [...assign(present, partitions)].map(([memberId, assignment]) => ({
        memberId,
        memberAssignment: AssignerProtocol.MemberAssignment.encode({
          version: 1,
          assignment: Object.fromEntries(assignment),
          userData: Buffer.alloc(0),
        }),
      }))
    },
  })
}

function read(userData: Buffer | undefined): Said {
  const said = JSON.parse(userData?.toString() || '{}') as Partial<Said>
  return { since: said.since ?? 0, owned: said.owned ?? {}, partitions: said.partitions ?? {} }
}
