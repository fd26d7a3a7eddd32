import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { InputRecord } from '../../core/model.ts'
import type { Fixture } from './fixture.ts'
import { drafts, numbers } from './recorder.ts'

/** Topics, writing to them, and where their records stand. */
export function writing(fixture: Fixture): void {
  describe('topics', () => {
    it('leaves a missing topic out of the answer', async () => {
      const topic = await fixture.topic(1)
      const known = await fixture.transport.topics([topic, `suite-${randomUUID()}`])
      expect([...known.keys()]).toEqual([topic])
    })

    it('is made once: again with as many partitions changes nothing', async () => {
      const topic = await fixture.topic(3)
      const before = (await fixture.transport.topics([topic])).get(topic)
      await fixture.transport.create({ name: topic, partitions: 3, retentionMs: -1 })
      expect(before?.partitions).toBe(3)
      expect(before?.incarnation).not.toBe('')
      expect((await fixture.transport.topics([topic])).get(topic)).toEqual(before)
    })

    it('refuses to make a topic that stands with another number of partitions', async () => {
      const topic = await fixture.topic(3)
      await expect(fixture.transport.create({ name: topic, partitions: 4, retentionMs: -1 })).rejects.toMatchObject({
        code: 'topic-mismatch',
      })
      expect((await fixture.transport.topics([topic])).get(topic)?.partitions).toBe(3)
    })

    it('has another incarnation after it was deleted and made again', async () => {
      const topic = await fixture.topic(1)
      await fixture.transport.write(drafts(topic, ['old']))
      const before = (await fixture.transport.topics([topic])).get(topic)
      await fixture.transport.deleteTopic(topic)
      expect((await fixture.transport.topics([topic])).size).toBe(0)
      await fixture.transport.deleteTopic(topic)
      await fixture.transport.create({ name: topic, partitions: 1, retentionMs: -1 })
      const after = (await fixture.transport.topics([topic])).get(topic)
      expect(after?.incarnation).not.toBe(before?.incarnation)
      expect(await fixture.transport.ranges(topic)).toEqual([{ start: 0, end: 0 }])
    })
  })

  describe('writing', () => {
    it('places keys where the clients of Kafka place them, and keeps the order per partition', async () => {
      const topic = await fixture.topic(7)
      // Partition = (murmur2 & 0x7fffffff) % 7, from the test vectors of Kafka's own Utils.murmur2.
      const placed = new Map([
        ['21', (-973932308 & 0x7fffffff) % 7],
        ['foobar', (-790332482 & 0x7fffffff) % 7],
        ['a-little-bit-long-string', (-985981536 & 0x7fffffff) % 7],
        ['abc', (479470107 & 0x7fffffff) % 7],
      ])
      const keys = [...placed.keys()]
      const all = numbers(400).map((n) => ({ topic, key: keys[Number(n) % 4] as string, value: Buffer.from(n) }))
      for (let i = 0; i < all.length; i += 100) await fixture.transport.write(all.slice(i, i + 100))
      const read = await fixture.readAll(topic)
      for (const [name, partition] of placed) {
        const there = read.get(`${topic}/${partition}`)?.filter((record) => String(record.key) === name)
        const written = all.filter((draft) => draft.key === name)
        expect(there?.map((record) => String(record.value))).toEqual(written.map((draft) => String(draft.value)))
      }
    })

    it('puts a draft into the partition it names, whatever its key', async () => {
      const topic = await fixture.topic(3)
      for (const partition of [2, 0, 1]) await fixture.transport.write(drafts(topic, [`to ${partition}`], partition))
      const read = await fixture.readAll(topic)
      for (const partition of [0, 1, 2])
        expect(read.get(`${topic}/${partition}`)?.map((record) => String(record.value))).toEqual([`to ${partition}`])
    })

    it('keeps keys, values, headers and timestamps, and tells null from empty', async () => {
      const topic = await fixture.topic(1)
      const bytes = Buffer.from([0, 255, 128, 10])
      await fixture.transport.write([
        {
          topic,
          key: Buffer.from([1, 0, 254]),
          value: bytes,
          timestamp: 1_700_000_000_123,
          headers: { a: 'ä', b: bytes },
        },
        { topic, key: 'ключ', value: null, timestamp: 1_600_000_000_000 },
        { topic, key: null, value: Buffer.alloc(0), timestamp: 1_500_000_000_000 },
      ])
      const [full, tombstone, empty] = (await fixture.readAll(topic)).get(`${topic}/0`) ?? []
      expect(full?.key).toEqual(Buffer.from([1, 0, 254]))
      expect(full?.value).toEqual(bytes)
      expect(full?.timestamp).toBe(1_700_000_000_123)
      expect(full?.headers).toEqual({ a: Buffer.from('ä'), b: bytes })
      expect(tombstone).toMatchObject({ value: null, timestamp: 1_600_000_000_000, headers: {} })
      expect(String(tombstone?.key)).toBe('ключ')
      expect(empty).toMatchObject({ key: null, timestamp: 1_500_000_000_000 })
      expect(empty?.value).toEqual(Buffer.alloc(0))
    })

    it('stamps a draft without a timestamp with the time of writing', async () => {
      const topic = await fixture.topic(1)
      const before = Date.now()
      await fixture.transport.write(drafts(topic, ['now']))
      const after = Date.now()
      const [record] = (await fixture.readAll(topic)).get(`${topic}/0`) ?? []
      // A broker stamps by its own clock.
      expect(record?.timestamp).toBeGreaterThanOrEqual(before - 5000)
      expect(record?.timestamp).toBeLessThanOrEqual(after + 5000)
    })

    it('takes records of 900 KiB', async () => {
      const topic = await fixture.topic(1)
      const big = [1, 2, 3].map((seed) => Buffer.alloc(900 * 1024, `big ${seed} `))
      for (const value of big) await fixture.transport.write([{ topic, key: 'k', value }])
      const read = (await fixture.readAll(topic)).get(`${topic}/0`) ?? []
      expect(read.map((record) => big.findIndex((value) => record.value?.equals(value)))).toEqual([0, 1, 2])
    })

    it('writes to several topics at once', async () => {
      const topics = [await fixture.topic(2), await fixture.topic(1)]
      await fixture.transport.write(topics.flatMap((topic) => drafts(topic, numbers(50))))
      for (const topic of topics)
        expect(
          [...(await fixture.readAll(topic)).values()]
            .flat()
            .map((record) => String(record.value))
            .sort(),
        ).toEqual(numbers(50).sort())
    })

    it('rejects a draft for a topic that does not exist, and does not make the topic', async () => {
      const topic = `suite-${randomUUID()}`
      await expect(fixture.transport.write(drafts(topic, ['lost']))).rejects.toThrow()
      expect((await fixture.transport.topics([topic])).size).toBe(0)
    })
  })

  describe('positions', () => {
    it('tells where every partition starts and ends', async () => {
      const topic = await fixture.topic(2)
      expect(await fixture.transport.ranges(topic)).toEqual([
        { start: 0, end: 0 },
        { start: 0, end: 0 },
      ])
      await fixture.transport.write(drafts(topic, numbers(10), 1))
      const last = (await fixture.readAll(topic)).get(`${topic}/1`)?.at(-1)?.position as number
      const [empty, filled] = await fixture.transport.ranges(topic)
      expect(empty).toEqual({ start: 0, end: 0 })
      expect(filled?.start).toBe(0)
      expect(filled?.end).toBeGreaterThan(last)
    })

    it('rejects for a topic that does not exist', async () => {
      await expect(fixture.transport.ranges(`suite-${randomUUID()}`)).rejects.toThrow()
    })

    it('finds the first record stamped at or after a time, and the end where there is none', async () => {
      const topic = await fixture.topic(2)
      const partition = { topic, partition: 0 }
      const base = 1_700_000_000_000
      for (const at of [1000, 2000, 3000])
        await fixture.transport.write([
          { topic, partition: 0, key: null, value: Buffer.from(`${at}`), timestamp: base + at },
        ])
      const records = (await fixture.readAll(topic)).get(`${topic}/0`) as InputRecord[]
      const valueAt = async (time: number) => {
        const position = await fixture.transport.positionAt(partition, base + time)
        return String(records.find((record) => record.position >= position)?.value)
      }
      expect(await valueAt(0)).toBe('1000')
      expect(await valueAt(1000)).toBe('1000')
      expect(await valueAt(1001)).toBe('2000')
      expect(await valueAt(3000)).toBe('3000')
      expect(await fixture.transport.positionAt(partition, base + 3001)).toBe(
        (await fixture.transport.ranges(topic))[0]?.end,
      )
      expect(await fixture.transport.positionAt({ topic, partition: 1 }, base)).toBe(0)
    })
  })
}
