import { describe, expect, it } from 'vitest'
import type { Partition } from '../../core/model.ts'
import type { Fixture } from './fixture.ts'
import { drafts, key, numbers, Recorder, until } from './recorder.ts'

/** One member alone reads. */
export function reading(fixture: Fixture): void {
  describe('reading', () => {
    it('asks where to start before the first batch, and starts exactly there', async () => {
      const topic = await fixture.topic(2)
      for (const partition of [0, 1]) await fixture.transport.write(drafts(topic, numbers(10), partition))
      const all = await fixture.readAll(topic)
      const from = [0, 1].map((n) => all.get(`${topic}/${n}`)?.[n === 0 ? 3 : 7]?.position as number)
      const reader = new Recorder(({ partition }) => from[partition] as number)
      await fixture.joined([topic], () => until('the rest is read', () => reader.values().length >= 10), { reader })
      expect(reader.values({ topic, partition: 0 })).toEqual(numbers(7, 3))
      expect(reader.values({ topic, partition: 1 })).toEqual(numbers(3, 7))
      expect([...reader.openings].sort()).toEqual([`${topic}/0`, `${topic}/1`])
    })

    it('starts at the end when told so, and reads what comes then', async () => {
      const topic = await fixture.topic(1)
      await fixture.transport.write(drafts(topic, ['before']))
      const end = (await fixture.transport.ranges(topic))[0]?.end as number
      await fixture.joined(
        [topic],
        async (reader) => {
          await until('the partition is opened', () => reader.openings.length === 1)
          await fixture.transport.write(drafts(topic, ['after']))
          await until('the record is read', () => reader.values().length > 0)
          expect(reader.values()).toEqual(['after'])
        },
        { reader: new Recorder(() => end) },
      )
    })

    it('asks again where to start when the member was not able to say', async () => {
      const topic = await fixture.topic(1)
      await fixture.transport.write(drafts(topic, numbers(5)))
      const reader = new Recorder()
      reader.refusals = 2
      await fixture.joined([topic], () => until('all is read', () => reader.values().length === 5), { reader })
      expect(reader.openings.length).toBe(3)
      expect(reader.values()).toEqual(numbers(5))
    })

    it('hands out every record in order without gaps while records are written', async () => {
      const topic = await fixture.topic(3)
      await fixture.joined([topic], async (reader) => {
        for (let i = 0; i < 3000; i += 100)
          await Promise.all(
            [0, 1, 2].map((partition) => fixture.transport.write(drafts(topic, numbers(100, i), partition))),
          )
        await until('all is read', () => reader.values().length >= 9000)
        for (const partition of [0, 1, 2]) expect(reader.values({ topic, partition })).toEqual(numbers(3000))
      })
    })

    it('lets a reader know that it has read to the end', async () => {
      const topic = await fixture.topic(1)
      await fixture.transport.write(drafts(topic, numbers(100)))
      await fixture.joined([topic], async (reader) => {
        await until('all is read', () => reader.values().length === 100)
        const last = reader.batches.at(-1)
        expect(last?.next).toBe(last?.end)
        expect(last?.end).toBe((await fixture.transport.ranges(topic))[0]?.end)
      })
    })

    it('delivers no further batch of a partition while one is pending, and the others go on', async () => {
      const topic = await fixture.topic(2)
      const [slow, fast] = [0, 1].map((partition) => ({ topic, partition })) as [Partition, Partition]
      await fixture.transport.write([...drafts(topic, ['first'], 0), ...drafts(topic, ['first'], 1)])
      const reader = new Recorder()
      reader.held.add(key(slow))
      await fixture.joined(
        [topic],
        async () => {
          await until('both are begun', () => reader.values().length === 2)
          for (let i = 0; i < 200; i += 20)
            await fixture.transport.write([...drafts(topic, numbers(20, i), 0), ...drafts(topic, numbers(20, i), 1)])
          await until('the other is read', () => reader.values(fast).length === 201)
          expect(reader.values(slow)).toEqual(['first'])
          reader.release(slow)
          await until('the rest is read', () => reader.values(slow).length === 201)
          expect(reader.values(slow)).toEqual(['first', ...numbers(200)])
        },
        { reader },
      )
    })

    it('reads on from where it is sought to, and drops what was fetched before', async () => {
      const topic = await fixture.topic(1)
      const partition = { topic, partition: 0 }
      for (let i = 0; i < 500; i += 100) await fixture.transport.write(drafts(topic, numbers(100, i)))
      const positions = ((await fixture.readAll(topic)).get(key(partition)) ?? []).map((record) => record.position)
      const reader = new Recorder()
      reader.held.add(key(partition))
      await fixture.joined(
        [topic],
        async (_, member) => {
          for (const back of [0, 250]) {
            await until('a batch is pending', () => reader.values().length > 0)
            member.seek(partition, positions[back] as number)
            reader.sought(partition, positions[back] as number)
            reader.records.clear()
            reader.release(partition)
            await until('the rest is read', () => reader.values().length >= 500 - back)
            expect(reader.values()).toEqual(numbers(500 - back, back))
          }
          member.seek({ topic, partition: 99 }, 0)
        },
        { reader },
      )
    })

    it('gives a batch from any position to whoever asks, member or not', async () => {
      const topic = await fixture.topic(2)
      const partition = { topic, partition: 1 }
      for (let i = 0; i < 500; i += 100) await fixture.transport.write(drafts(topic, numbers(100, i), 1))
      const { start, end } = (await fixture.transport.ranges(topic))[1] as { start: number; end: number }
      const read: string[] = []
      const positions: number[] = []
      for (let at = start; at < end; ) {
        const batch = await fixture.transport.read(partition, at)
        expect(batch).toMatchObject({ ...partition, end })
        expect(batch.next).toBeGreaterThan(at)
        read.push(...batch.records.map(({ value }) => String(value)))
        positions.push(...batch.records.map(({ position }) => position))
        at = batch.next
      }
      expect(read).toEqual(numbers(500).map(String))
      const from = positions[250] as number
      const middle = await fixture.transport.read(partition, from)
      expect([middle.records[0]?.position, String(middle.records[0]?.value)]).toEqual([from, '250'])
      expect(await fixture.transport.read(partition, end)).toEqual({ ...partition, records: [], next: end, end })
    })

    it('gives nothing from a position outside the log', async () => {
      const topic = await fixture.topic(1)
      await fixture.transport.write(drafts(topic, numbers(3)))
      const end = (await fixture.transport.ranges(topic))[0]?.end as number
      await expect(fixture.transport.read({ topic, partition: 0 }, end + 10)).rejects.toMatchObject({
        code: 'position-outside-log',
      })
    })
  })
}
