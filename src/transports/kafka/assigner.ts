/**
 * Who reads which partition. Sticky (what can stay stays), aware of who subscribes to what, balanced per topic and in
 * total: members with equal subscriptions differ by one partition at most. A pure function of its arguments, whatever
 * their order.
 */

export interface AssignedMember {
  readonly id: string
  readonly topics: readonly string[]
  /** What it has now, by topic. */
  readonly owned: ReadonlyMap<string, readonly number[]>
  /** When it got what it has, in ms: of two that claim a partition the later one is believed. */
  readonly since: number
}

/** Partition numbers by topic. */
export type Assignment = Map<string, number[]>

/** Every partition of a topic with a subscriber goes to exactly one of them. The answer has every member. */
export function assign(
  members: readonly AssignedMember[],
  partitions: ReadonlyMap<string, number>,
): Map<string, Assignment> {
  const sorted = [...members].sort((a, b) => compare(a.id, b.id))
  const owners = ownersOf(sorted)
  const topics = [...partitions.keys()].sort(compare).flatMap((name) => {
    const readers = sorted.filter((member) => member.topics.includes(name))
    return readers.length > 0 ? [topicOf(name, partitions.get(name) ?? 0, readers, owners)] : []
  })
  const totals = new Map(sorted.map(({ id }) => [id, 0]))
  for (const topic of topics) {
    for (const id of topic.readers) add(totals, id, topic.share)
    giveRemainder(topic, totals)
  }
  level(topics, totals)
  const assigned = new Map(sorted.map(({ id }): [string, Assignment] => [id, new Map()]))
  for (const topic of topics) for (const [id, numbers] of place(topic)) assigned.get(id)?.set(topic.name, numbers)
  return assigned
}

interface Topic {
  readonly name: string
  readonly readers: readonly string[]
  /** What every reader gets at least. */
  readonly share: number
  /** How many readers get one more, and which. */
  readonly remainder: number
  readonly favoured: Set<string>
  /** Present owner by partition number. */
  readonly owners: readonly (string | undefined)[]
  /** How many each has now. */
  readonly had: ReadonlyMap<string, number>
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
const add = (counts: Map<string, number>, id: string, count: number) => counts.set(id, (counts.get(id) ?? 0) + count)

function ownersOf(members: readonly AssignedMember[]): ReadonlyMap<string, string> {
  const owners = new Map<string, string>()
  for (const { id, owned } of [...members].sort((a, b) => b.since - a.since))
    for (const [topic, numbers] of owned)
      for (const number of numbers) if (!owners.has(`${topic}/${number}`)) owners.set(`${topic}/${number}`, id)
  return owners
}

function topicOf(
  name: string,
  count: number,
  members: readonly AssignedMember[],
  present: ReadonlyMap<string, string>,
): Topic {
  const readers = members.map(({ id }) => id)
  const owners = Array.from({ length: count }, (_, number) => present.get(`${name}/${number}`))
  const had = new Map<string, number>()
  for (const owner of owners) if (owner !== undefined) add(had, owner, 1)
  const share = Math.floor(count / readers.length)
  return { name, readers, share, remainder: count % readers.length, favoured: new Set(), owners, had }
}

/** First to those who have more than the share already, then to those with the fewest in total. */
function giveRemainder(topic: Topic, totals: Map<string, number>): void {
  const keeps = (id: string) => ((topic.had.get(id) ?? 0) > topic.share ? 0 : 1)
  const total = (id: string) => totals.get(id) ?? 0
  const first = [...topic.readers].sort((a, b) => keeps(a) - keeps(b) || total(a) - total(b))
  for (const id of first.slice(0, topic.remainder)) {
    topic.favoured.add(id)
    add(totals, id, 1)
  }
}

/** Evens out the totals, first by what moves no partition. */
function level(topics: readonly Topic[], totals: Map<string, number>): void {
  const handOver = (moving: boolean) => topics.some((topic) => handOverExtra(topic, totals, moving))
  while (handOver(false) || handOver(true));
}

/** Hands an extra partition of a topic to a member with at least two fewer in total; false where there is no such pair. */
function handOverExtra(topic: Topic, totals: Map<string, number>, moving: boolean): boolean {
  let giver: string | undefined
  let taker: string | undefined
  const total = (id: string | undefined) => (id === undefined ? undefined : (totals.get(id) ?? 0))
  for (const id of topic.readers) {
    if (!topic.favoured.has(id)) {
      if ((total(id) ?? 0) < (total(taker) ?? Infinity)) taker = id
    } else if (moving || (topic.had.get(id) ?? 0) <= topic.share) {
      if ((total(id) ?? 0) > (total(giver) ?? -Infinity)) giver = id
    }
  }
  if (giver === undefined || taker === undefined || (total(giver) ?? 0) - (total(taker) ?? 0) < 2) return false
  topic.favoured.delete(giver)
  topic.favoured.add(taker)
  add(totals, giver, -1)
  add(totals, taker, 1)
  return true
}

/** Which partitions those are: first those that a reader has already. */
function place(topic: Topic): Map<string, number[]> {
  const room = new Map(topic.readers.map((id) => [id, topic.share + (topic.favoured.has(id) ? 1 : 0)]))
  const placed = new Map<string, number[]>()
  const give = (id: string, number: number) => {
    add(room, id, -1)
    const numbers = placed.get(id)
    if (numbers) numbers.push(number)
    else placed.set(id, [number])
  }
  const free: number[] = []
  for (const [number, owner] of topic.owners.entries()) {
    if (owner !== undefined && (room.get(owner) ?? 0) > 0) give(owner, number)
    else free.push(number)
  }
  for (const id of topic.readers) while ((room.get(id) ?? 0) > 0) give(id, free.shift() as number)
  for (const numbers of placed.values()) numbers.sort((a, b) => a - b)
  return placed
}
