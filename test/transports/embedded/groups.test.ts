import { expect, it } from 'vitest'
import type { MemberEvents, Partition } from '../../../src/core/model.ts'
import type { EmbeddedTransport } from '../../../src/transports/embedded/index.ts'
import { directoryForTest, openLog, recordingLog } from './fixture.ts'

const partition: Partition = { topic: 't', partition: 0 }

/** Topic `t` with one partition that holds the records 0, 1, 2. */
async function threeRecords(log = recordingLog()): Promise<EmbeddedTransport> {
  const transport = await openLog(await directoryForTest(), {}, log)
  await transport.create({ name: 't', partitions: 1, retentionMs: -1 })
  for (const n of [0, 1, 2]) await transport.write([{ topic: 't', key: null, value: Buffer.from(String(n)) }])
  return transport
}

const silent: MemberEvents = { opened: async () => 0, closed: () => undefined, batch: async () => undefined }

it('delivers a batch again that a member rejected against the contract', async () => {
  const log = recordingLog()
  const transport = await threeRecords(log)
  const seen: number[] = []
  const { promise, resolve } = Promise.withResolvers<void>()
  const member = await transport.join('g', ['t'], {
    ...silent,
    batch: async ({ records, next }) => {
      seen.push(...records.map((record) => record.position))
      if (seen.length <= 3) throw new Error('must not')
      if (next === 3) resolve()
    },
  })
  await promise
  await member.leave()
  expect(seen).toEqual([0, 1, 2, 0, 1, 2])
  expect(log.lines.map(({ level }) => level)).toEqual(['error'])
})

it('says nothing to a member that leaves before it was told of its partitions', async () => {
  const transport = await threeRecords()
  const told: string[] = []
  const member = await transport.join('g', ['t'], {
    opened: async () => Number(told.push('opened')),
    closed: () => void told.push('closed'),
    batch: async () => void told.push('batch'),
  })
  await member.leave()
  await new Promise(setImmediate)
  expect(told).toEqual([])
})

it('closes a partition whose member has not answered yet, and never reads it', async () => {
  const transport = await threeRecords()
  const told: string[] = []
  const asked = Promise.withResolvers<void>()
  const answer = Promise.withResolvers<number>()
  const member = await transport.join('g', ['t'], {
    opened: () => {
      asked.resolve()
      return answer.promise
    },
    closed: () => void told.push('closed'),
    batch: async () => void told.push('batch'),
  })
  await asked.promise
  await member.leave()
  answer.resolve(0)
  // Somebody else reads the same records meanwhile.
  await new Promise<void>((resolve) => transport.join('other', ['t'], { ...silent, batch: async () => resolve() }))
  expect(told).toEqual(['closed'])
})

it('refuses what a member that has left commits, and ignores what is not its own', async () => {
  const transport = await threeRecords()
  const first = await transport.join('g', ['t'], silent)
  const second = await transport.join('g', ['t'], silent)
  await second.commit([{ partition, position: 3 }])
  expect(await transport.committed('g', 't')).toEqual([undefined])
  await first.commit([{ partition, position: 1 }])
  await first.leave()
  await expect(first.commit([{ partition, position: 2 }])).rejects.toMatchObject({ code: 'transport-failed' })
  expect(await transport.committed('g', 't')).toEqual([1])
  await second.commit([{ partition, position: 2 }])
  expect(await transport.committed('g', 't')).toEqual([2])
})

it('forgets what was committed for a topic that was deleted, and reads the one made again', async () => {
  const transport = await threeRecords()
  const told: string[] = []
  const { promise, resolve } = Promise.withResolvers<void>()
  const member = await transport.join('g', ['t'], {
    opened: async () => {
      told.push('opened')
      return 0
    },
    closed: () => void told.push('closed'),
    batch: async ({ records }) => {
      if (records.some((record) => String(record.value) === 'new')) resolve()
    },
  })
  await member.commit([{ partition, position: 3 }])
  await new Promise(setImmediate)
  await transport.deleteTopic('t')
  await transport.create({ name: 't', partitions: 1, retentionMs: -1 })
  expect(await transport.committed('g', 't')).toEqual([undefined])
  await transport.write([{ topic: 't', key: null, value: Buffer.from('new') }])
  await promise
  expect(told).toEqual(['opened', 'closed', 'opened'])
})

it('keeps what groups of any name have committed', async () => {
  const directory = await directoryForTest()
  const names = ['a/b', '..', 'a:b', 'ä', 'CON', '%2F']
  const first = await openLog(directory)
  await first.create({ name: 't', partitions: 1, retentionMs: -1 })
  for (const [position, name] of names.entries())
    await (await first.join(name, ['t'], silent)).commit([{ partition, position }])
  await first.close()
  const again = await openLog(directory)
  for (const [position, name] of names.entries()) expect(await again.committed(name, 't')).toEqual([position])
})

it('drops what is being fetched at the moment of a seek', async () => {
  const transport = await openLog(await directoryForTest())
  await transport.create({ name: 't', partitions: 1, retentionMs: -1 })
  // Each fills a fetch of its own.
  for (const n of [0, 1, 2]) await transport.write([{ topic: 't', key: null, value: Buffer.alloc(1024 * 1024, n) }])
  const { promise, resolve } = Promise.withResolvers<void>()
  const wrong: number[] = []
  let wanted = 0
  let seeks = 0
  const member = await transport.join('g', ['t'], {
    ...silent,
    batch: async ({ records, next }) => {
      if (records[0]?.position !== wanted) wrong.push(records[0]?.position ?? -1)
      wanted = next
      setImmediate(() => {
        member.seek(partition, 0)
        wanted = 0
        if (++seeks === 50) resolve()
      })
    },
  })
  await promise
  await member.leave()
  expect(wrong).toEqual([])
})
