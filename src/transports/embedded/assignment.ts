/** Who reads what: sticky, and only among members that subscribe to the topic. Pure. */

export interface Subscriber {
  readonly id: number
  readonly topics: ReadonlySet<string>
}

export interface Share {
  readonly topic: string
  readonly partition: number
  /** Id of the member that has it. */
  owner: number | undefined
}

/**
 * Gives every partition an owner: whoever had it keeps it, unless members would differ by two or more partitions of
 * one topic, or of all together. Partitions of a topic without subscribers have none.
 */
export function assign(shares: readonly Share[], members: readonly Subscriber[]): void {
  const total = new Map<number, number>()
  const perTopic = new Map<string, number>()
  const slot = (topic: string, id: number) => `${id} ${topic}`
  const count = (topic: string, id: number) => perTopic.get(slot(topic, id)) ?? 0
  const give = (share: Share, to: number | undefined): void => {
    for (const [id, change] of [
      [share.owner, -1],
      [to, 1],
    ] as const) {
      if (id === undefined) continue
      total.set(id, (total.get(id) ?? 0) + change)
      perTopic.set(slot(share.topic, id), count(share.topic, id) + change)
    }
    share.owner = to
  }
  /** Whom it goes to if it has to go: the one with the fewest of the topic, then of all. */
  const neediest = (topic: string): number | undefined =>
    members
      .filter((member) => member.topics.has(topic))
      .map(({ id }) => id)
      .sort((a, b) => count(topic, a) - count(topic, b) || (total.get(a) ?? 0) - (total.get(b) ?? 0) || a - b)[0]

  for (const share of shares) {
    const { owner } = share
    share.owner = undefined
    if (members.some(({ id, topics }) => id === owner && topics.has(share.topic))) give(share, owner)
  }
  for (const share of shares) if (share.owner === undefined) give(share, neediest(share.topic))

  // Every move makes the sum of squared counts smaller, first per topic, then of all: so it ends.
  for (let moved = true; moved; ) {
    moved = false
    for (const share of shares) {
      const { owner, topic } = share
      const to = neediest(topic)
      if (owner === undefined || to === undefined) continue
      const more = count(topic, owner) - count(topic, to)
      const moreInAll = (total.get(owner) ?? 0) - (total.get(to) ?? 0)
      if (more >= 2 || (more === 1 && moreInAll >= 2)) {
        give(share, to)
        moved = true
      }
    }
  }
}
