import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { EmbeddedTransport } from '../../../src/transports/embedded/index.ts'
import { directoryForTest, openLog, readAll } from './fixture.ts'

const HOUR = 3_600_000
const small = { segmentBytes: 1024 }
const files = (directory: string, topic: string) => readdir(join(directory, 'topics', topic, '0'))

/** One record of 500 bytes per hour, so that about two share a segment. */
async function writeHours(transport: EmbeddedTransport, topic: string, hours: readonly number[]): Promise<void> {
  for (const hour of hours)
    await transport.write([{ topic, key: null, value: Buffer.alloc(440, hour), timestamp: hour * HOUR }])
}

it('drops whole files once their newest record is too old, and moves the start', async () => {
  const directory = await directoryForTest()
  const transport = await openLog(directory, small)
  await transport.create({ name: 't', partitions: 1, retentionMs: 3 * HOUR })
  await writeHours(transport, 't', [0, 1, 2, 3, 4, 5, 6, 7])
  expect((await files(directory, 't')).length).toBe(4)
  await transport.retain(6 * HOUR)
  // Records of hours 2 and 3 share a file, and 3 is still to be kept.
  expect(await transport.ranges('t')).toEqual([{ start: 2, end: 8 }])
  expect((await readAll(transport, 't')).map((record) => record.timestamp / HOUR)).toEqual([2, 3, 4, 5, 6, 7])
  await transport.retain(6 * HOUR + 1)
  expect(await transport.ranges('t')).toEqual([{ start: 4, end: 8 }])
  expect((await files(directory, 't')).length).toBe(2)
  await transport.close()
  expect(await (await openLog(directory, small)).ranges('t')).toEqual([{ start: 4, end: 8 }])
})

it('goes by record timestamps also in files written before the log was opened', async () => {
  const directory = await directoryForTest()
  const before = await openLog(directory, small)
  await before.create({ name: 't', partitions: 1, retentionMs: HOUR })
  await writeHours(before, 't', [5, 0, 1, 1, 9, 9])
  await before.close()
  const transport = await openLog(directory, small)
  await transport.retain(6 * HOUR)
  expect(await transport.ranges('t')).toEqual([{ start: 0, end: 6 }])
  await transport.retain(6 * HOUR + 1)
  expect(await transport.ranges('t')).toEqual([{ start: 4, end: 6 }])
})

it('never drops the file that is written to, nor anything of a topic kept for ever or compacted', async () => {
  const directory = await directoryForTest()
  const transport = await openLog(directory, small)
  await transport.create({ name: 'aged', partitions: 1, retentionMs: 0 })
  await transport.create({ name: 'kept', partitions: 1, retentionMs: -1 })
  await transport.create({ name: 'compacted', partitions: 1, retentionMs: 0, compacted: true })
  for (const topic of ['aged', 'kept', 'compacted']) await writeHours(transport, topic, [0, 0, 0, 0])
  await transport.retain(1000 * HOUR)
  expect(await transport.ranges('aged')).toEqual([{ start: 2, end: 4 }])
  expect(await transport.ranges('kept')).toEqual([{ start: 0, end: 4 }])
  expect(await transport.ranges('compacted')).toEqual([{ start: 0, end: 4 }])
})

it('asks a member anew when retention has dropped the position it reads from', async () => {
  const directory = await directoryForTest()
  const transport = await openLog(directory, small)
  await transport.create({ name: 't', partitions: 1, retentionMs: 0 })
  await writeHours(transport, 't', [0, 0, 0, 0])
  await transport.retain(HOUR)
  const told: string[] = []
  const answers = [0, 2]
  const { promise, resolve } = Promise.withResolvers<void>()
  const member = await transport.join('g', ['t'], {
    opened: async () => {
      told.push('opened')
      return answers.shift() ?? 2
    },
    closed: () => void told.push('closed'),
    batch: async ({ records }) => {
      told.push(...records.map((record) => `record ${record.position}`))
      resolve()
    },
  })
  await promise
  expect(told).toEqual(['opened', 'closed', 'opened', 'record 2', 'record 3'])
  await member.leave()
})
