import { describe, expect, it } from 'vitest'
import type { Fixture } from './fixture.ts'
import { drafts, numbers, Recorder, until } from './recorder.ts'

const partitionsOf = (topic: string, count: number) => numbers(count).map((n) => `${topic}/${n}`)

/** Several members share partitions, come and go; a group's positions. */
export function groups(fixture: Fixture): void {
  describe('groups', () => {
    it('share the partitions, and every record is read', async () => {
      const topic = await fixture.topic(4)
      const group = fixture.group()
      await fixture.joined(
        [topic],
        (first) =>
          fixture.joined(
            [topic],
            async (second) => {
              await until('each has two partitions', () => first.owned().length === 2 && second.owned().length === 2)
              expect([...first.owned(), ...second.owned()].sort()).toEqual(partitionsOf(topic, 4))
              await fixture.transport.write(drafts(topic, numbers(200)))
              const read = () => new Set([...first.values(), ...second.values()])
              await until('every record is read', () => read().size === 200)
            },
            { group },
          ),
        { group },
      )
    })

    it('leave each other alone: every group reads everything', async () => {
      const topic = await fixture.topic(2)
      await fixture.transport.write(drafts(topic, numbers(20)))
      await fixture.joined([topic], (first) =>
        fixture.joined([topic], (second) =>
          until('both have read all', () => first.values().length === 20 && second.values().length === 20),
        ),
      )
    })

    it('give a partition only to members that subscribe to its topic', async () => {
      const [left, right] = [await fixture.topic(3), await fixture.topic(3)] as [string, string]
      const group = fixture.group()
      await fixture.joined(
        [left],
        (first) =>
          fixture.joined(
            [right],
            async (second) => {
              await until('each has its topic', () => first.owned().length === 3 && second.owned().length === 3)
              expect(first.owned()).toEqual(partitionsOf(left, 3))
              expect(second.owned()).toEqual(partitionsOf(right, 3))
            },
            { group },
          ),
        { group },
      )
    })

    it('let the others go on where a member leaves, and tell it nothing more', async () => {
      const topic = await fixture.topic(4)
      const group = fixture.group()
      await fixture.joined(
        [topic],
        async (stays) => {
          const leaves = new Recorder()
          const member = await fixture.transport.join(group, [topic], leaves)
          await until('each has two partitions', () => stays.owned().length === 2 && leaves.owned().length === 2)
          const had = leaves.owned()
          await member.leave()
          expect(leaves.owned()).toEqual([])
          expect(leaves.closings).toEqual(expect.arrayContaining(had))
          const told = [leaves.openings.length, leaves.closings.length, leaves.batches.length]
          await until('the other has all', () => stays.owned().length === 4)
          await fixture.transport.write(drafts(topic, numbers(100)))
          await until('the other has read all', () => new Set(stays.values()).size === 100)
          expect([leaves.openings.length, leaves.closings.length, leaves.batches.length]).toEqual(told)
          expect(leaves.faults).toEqual([])
        },
        { group },
      )
    })

    it('let a partition that stays with its member go on without asking where', async () => {
      const topic = await fixture.topic(4)
      const group = fixture.group()
      await fixture.joined(
        [topic],
        async (stays) => {
          await until('it has all', () => stays.owned().length === 4)
          for (const partition of [0, 1, 2, 3])
            await fixture.transport.write(drafts(topic, numbers(10, partition * 10), partition))
          await until('all is read', () => new Set(stays.values()).size === 40)
          const comes = new Recorder()
          const member = await fixture.transport.join(group, [topic], comes)
          await until('each has two partitions', () => stays.owned().length === 2 && comes.owned().length === 2)
          const kept = stays.owned()
          for (const partition of [0, 1, 2, 3])
            await fixture.transport.write(drafts(topic, numbers(10, 100 + partition * 10), partition))
          await until('all is read', () => new Set([...stays.values(), ...comes.values()]).size === 80)
          await member.leave()
          await until('it has all again', () => stays.owned().length === 4)
          for (const name of kept) {
            const n = Number(name.split('/')[1])
            expect(stays.openings.filter((opening) => opening === name)).toHaveLength(1)
            expect(stays.closings).not.toContain(name)
            expect(stays.values({ topic, partition: n })).toEqual([
              ...numbers(10, n * 10),
              ...numbers(10, 100 + n * 10),
            ])
          }
          expect(comes.faults).toEqual([])
        },
        { group },
      )
    })

    it('take up the partitions that a topic gains', async ({ skip }) => {
      const { grow } = fixture.subject
      if (!grow) return skip('this transport was given no grow')
      const topic = await fixture.topic(2)
      await fixture.joined([topic], async (reader) => {
        await until('it has all', () => reader.owned().length === 2)
        await grow(topic, 4)
        await until('it has the new ones', () => reader.owned().length === 4)
        expect(reader.openings.filter((name) => partitionsOf(topic, 2).includes(name))).toHaveLength(2)
        expect((await fixture.transport.topics([topic])).get(topic)?.partitions).toBe(4)
        for (const partition of [0, 1, 2, 3])
          await fixture.transport.write(drafts(topic, numbers(10, partition * 10), partition))
        await until('all is read', () => new Set(reader.values()).size === 40)
      })
    })

    it('know what was committed, and nothing before', async () => {
      const topic = await fixture.topic(3)
      const group = fixture.group()
      await fixture.transport.write(drafts(topic, numbers(30)))
      expect(await fixture.transport.committed(group, topic)).toEqual([undefined, undefined, undefined])
      await fixture.joined(
        [topic],
        async (reader, member) => {
          await until('it has all', () => reader.owned().length === 3)
          await member.commit([
            { partition: { topic, partition: 0 }, position: 0 },
            { partition: { topic, partition: 2 }, position: 7 },
          ])
          expect(await fixture.transport.committed(group, topic)).toEqual([0, undefined, 7])
          await member.commit([{ partition: { topic, partition: 2 }, position: 9 }])
        },
        { group },
      )
      expect(await fixture.transport.committed(group, topic)).toEqual([0, undefined, 9])
      expect(await fixture.transport.committed(fixture.group(), topic)).toEqual([undefined, undefined, undefined])
    })

    it('start where the member says, not at what was committed', async () => {
      const topic = await fixture.topic(1)
      const group = fixture.group()
      await fixture.transport.write(drafts(topic, numbers(10)))
      await fixture.joined(
        [topic],
        async (reader, member) => {
          await until('all is read', () => reader.values().length === 10)
          await member.commit([{ partition: { topic, partition: 0 }, position: 10 }])
        },
        { group },
      )
      await fixture.joined([topic], (again) => until('all is read again', () => again.values().length === 10), {
        group,
      })
    })

    it('read other topics when told so, and go on with those that stay', async () => {
      const [stays, goes, comes] = [await fixture.topic(2), await fixture.topic(2), await fixture.topic(2)]
      const all = (topic: string, from: number) =>
        Promise.all([0, 1].map((n) => fixture.transport.write(drafts(topic, numbers(50, from), n))))
      await Promise.all([stays, goes, comes].map((topic) => all(topic, 0)))
      await fixture.joined([stays, goes], async (reader, member) => {
        await until('the first two are read', () => reader.values().length === 200)
        await member.subscribe([stays, comes])
        await until('the third is read', () => reader.owned().some((name) => name.startsWith(comes)))
        await Promise.all([stays, goes, comes].map((topic) => all(topic, 50)))
        for (const partition of [0, 1])
          for (const topic of [stays, comes])
            await until(`${topic} is read`, () => reader.values({ topic, partition }).length >= 100)
        expect(reader.owned()).toEqual([...partitionsOf(stays, 2), ...partitionsOf(comes, 2)].sort())
        for (const partition of [0, 1]) {
          expect(reader.values({ topic: stays, partition })).toEqual(numbers(100))
          expect(reader.values({ topic: comes, partition })).toEqual(numbers(100))
          expect(reader.values({ topic: goes, partition })).toEqual(numbers(50))
        }
        await member.subscribe([])
        await until('nothing is read any more', () => reader.owned().length === 0)
      })
    })
  })
}
