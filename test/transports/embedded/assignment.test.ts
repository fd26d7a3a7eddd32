import fc from 'fast-check'
import { expect, it } from 'vitest'
import { assign, type Share, type Subscriber } from '../../../src/transports/embedded/assignment.ts'

const TOPICS = ['a', 'b', 'c']
const subscriber = fc.record({ id: fc.nat(9), topics: fc.subarray(TOPICS).map((topics) => new Set(topics)) })
const subscribers = fc.uniqueArray(subscriber, { maxLength: 5, selector: ({ id }) => id })
const sharesOf = (counts: readonly number[]): Share[] =>
  counts.flatMap((count, t) =>
    Array.from({ length: count }, (_, partition) => ({ topic: TOPICS[t] as string, partition, owner: undefined })),
  )
const counts = fc.tuple(fc.nat(8), fc.nat(8), fc.nat(8))

const has = (shares: readonly Share[], { id }: Subscriber, topic?: string) =>
  shares.filter((share) => share.owner === id && (topic === undefined || share.topic === topic)).length

it('gives every partition to one of those who subscribe to its topic, evenly per topic', () => {
  fc.assert(
    fc.property(counts, fc.array(subscribers, { minLength: 1, maxLength: 4 }), (sizes, generations) => {
      const shares = sharesOf(sizes)
      for (const members of generations) {
        assign(shares, members)
        for (const topic of TOPICS) {
          const readers = members.filter((member) => member.topics.has(topic))
          const owners = new Set(readers.map(({ id }) => id))
          for (const share of shares.filter((one) => one.topic === topic))
            if (readers.length > 0) expect(owners).toContain(share.owner)
            else expect(share.owner).toBeUndefined()
          const spread = readers.map((member) => has(shares, member, topic))
          if (spread.length > 0) expect(Math.max(...spread) - Math.min(...spread)).toBeLessThanOrEqual(1)
        }
      }
    }),
  )
})

it('is even over all topics too where everybody subscribes to all', () => {
  fc.assert(
    fc.property(counts, fc.integer({ min: 1, max: 6 }), (sizes, count) => {
      const members = Array.from({ length: count }, (_, id) => ({ id, topics: new Set(TOPICS) }))
      const shares = sharesOf(sizes)
      for (let joined = 1; joined <= count; joined++) assign(shares, members.slice(0, joined))
      const spread = members.map((member) => has(shares, member))
      expect(Math.max(...spread) - Math.min(...spread)).toBeLessThanOrEqual(1)
    }),
  )
})

it('moves nothing when nothing has changed', () => {
  fc.assert(
    fc.property(counts, subscribers, (sizes, members) => {
      const shares = sharesOf(sizes)
      assign(shares, members)
      const before = shares.map(({ owner }) => owner)
      assign(shares, members)
      expect(shares.map(({ owner }) => owner)).toEqual(before)
    }),
  )
})

it('moves partitions of a topic only to the one who joins, and only as many as it needs', () => {
  fc.assert(
    fc.property(fc.nat(30), fc.integer({ min: 1, max: 6 }), (size, count) => {
      const members = Array.from({ length: count }, (_, id) => ({ id, topics: new Set(TOPICS) }))
      const shares = sharesOf([size])
      assign(shares, members.slice(0, -1))
      const before = shares.map(({ owner }) => owner)
      assign(shares, members)
      const moved = shares.filter(({ owner }, i) => owner !== before[i])
      expect(moved.every(({ owner }) => owner === count - 1)).toBe(true)
      expect(moved.length).toBe(Math.floor(size / count))
    }),
  )
})
