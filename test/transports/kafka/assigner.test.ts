import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type AssignedMember, type Assignment, assign } from '../../../src/transports/kafka/assigner.ts'

const NAMES = ['a', 'b', 'c', 'd', 'e']

/** Topics with partitions, and members that subscribe to some of them and own nothing yet. */
const world = fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: NAMES.length }).chain((counts) => {
  const topics = counts.map((_, i) => NAMES[i] as string)
  return fc.record({
    partitions: fc.constant(new Map(topics.map((topic, i) => [topic, counts[i] as number]))),
    subscriptions: fc.array(fc.subarray(topics), { minLength: 1, maxLength: 7 }),
  })
})

const member = (id: string, topics: readonly string[], owned: Assignment = new Map()): AssignedMember => ({
  id,
  topics,
  owned,
  since: 0,
})

const fresh = (subscriptions: readonly (readonly string[])[]) =>
  subscriptions.map((topics, i) => member(`m${i}`, topics))

/** The members as they stand after an assignment. */
const after = (members: readonly AssignedMember[], assigned: ReadonlyMap<string, Assignment>) =>
  members.map((one) => ({ ...one, owned: assigned.get(one.id) ?? new Map() }))

const flat = (assignment: Assignment | undefined) =>
  [...(assignment ?? [])].flatMap(([topic, numbers]) => numbers.map((number) => `${topic}/${number}`))

const size = (assignment: Assignment | undefined) => flat(assignment).length

const ownerOf = (assigned: ReadonlyMap<string, Assignment>) =>
  new Map([...assigned].flatMap(([id, assignment]) => flat(assignment).map((partition) => [partition, id])))

describe('the assigner', () => {
  it('gives every partition with a subscriber to exactly one subscriber', () => {
    fc.assert(
      fc.property(world, ({ partitions, subscriptions }) => {
        const members = fresh(subscriptions)
        const assigned = assign(members, partitions)
        const given = members.flatMap(({ id, topics }) => {
          for (const topic of assigned.get(id)?.keys() ?? []) expect(topics).toContain(topic)
          return flat(assigned.get(id))
        })
        const wanted = [...partitions].flatMap(([topic, count]) =>
          subscriptions.some((topics) => topics.includes(topic))
            ? Array.from({ length: count }, (_, i) => `${topic}/${i}`)
            : [],
        )
        expect(given.sort()).toEqual(wanted.sort())
      }),
    )
  })

  it('lets members with equal subscriptions differ by one at most, in every topic and in total', () => {
    fc.assert(
      fc.property(world, ({ partitions, subscriptions }) => {
        const members = fresh(subscriptions)
        const assigned = assign(members, partitions)
        for (const one of members)
          for (const other of members) {
            if (one.topics.join() !== other.topics.join()) continue
            const [left, right] = [assigned.get(one.id), assigned.get(other.id)]
            expect(Math.abs(size(left) - size(right))).toBeLessThanOrEqual(1)
            for (const topic of one.topics) {
              const difference = (left?.get(topic)?.length ?? 0) - (right?.get(topic)?.length ?? 0)
              expect(Math.abs(difference)).toBeLessThanOrEqual(1)
            }
          }
      }),
    )
  })

  it('moves nothing when nothing changed', () => {
    fc.assert(
      fc.property(world, ({ partitions, subscriptions }) => {
        const members = fresh(subscriptions)
        const assigned = assign(members, partitions)
        expect(assign(after(members, assigned), partitions)).toEqual(assigned)
      }),
    )
  })

  it('does not depend on the order in which members and topics are given', () => {
    fc.assert(
      fc.property(world, ({ partitions, subscriptions }) => {
        const members = fresh(subscriptions)
        const standing = after(members, assign(members.slice(1), partitions))
        const turned = new Map([...partitions].reverse())
        expect(ownerOf(assign([...standing].reverse(), turned))).toEqual(ownerOf(assign(standing, partitions)))
      }),
    )
  })

  it('moves only the share of a member that joins one topic, and only what a leaving one had', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 1, max: 8 }), (count, size) => {
        const partitions = new Map([['a', count]])
        const members = fresh(Array.from({ length: size }, () => ['a']))
        const before = assign(members, partitions)
        const comer = member('n', ['a'])
        const joined = assign([...after(members, before), comer], partitions)
        const moved = moves(before, joined)
        expect(moved.every(({ to }) => to === 'n')).toBe(true)
        const left = assign(after(members, joined), partitions)
        expect(moves(joined, left).every(({ from }) => from === 'n')).toBe(true)
      }),
    )
  })

  it('moves little more than that where there are many topics', () => {
    fc.assert(
      fc.property(world, fc.integer({ min: 1, max: 7 }), ({ partitions }, size) => {
        const topics = [...partitions.keys()]
        const members = fresh(Array.from({ length: size }, () => topics))
        const before = assign(members, partitions)
        const joined = assign([...after(members, before), member('n', topics)], partitions)
        const strays = (all: ReturnType<typeof moves>) =>
          all.filter(({ from, to }) => from !== 'n' && to !== 'n').length
        expect(strays(moves(before, joined))).toBeLessThanOrEqual(topics.length)
        expect(strays(moves(joined, assign(after(members, joined), partitions)))).toBeLessThanOrEqual(topics.length)
      }),
    )
  })

  it('believes the later of two that claim a partition', () => {
    const claim = (id: string, since: number): AssignedMember => ({
      ...member(id, ['a'], new Map([['a', [0, 1]]])),
      since,
    })
    const partitions = new Map([['a', 2]])
    const kept = (members: AssignedMember[]) => assign(members, partitions)
    expect(kept([claim('x', 1), claim('y', 2)]).get('y')).toEqual(new Map([['a', [0]]]))
    expect(kept([claim('x', 2), claim('y', 1)]).get('x')).toEqual(new Map([['a', [0]]]))
  })
})

function moves(before: ReadonlyMap<string, Assignment>, now: ReadonlyMap<string, Assignment>) {
  const owners = ownerOf(now)
  return [...ownerOf(before)].flatMap(([partition, from]) => {
    const to = owners.get(partition)
    return to === from ? [] : [{ partition, from, to }]
  })
}
