import { copyFile, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MillraceError } from '../../../src/core/errors.ts'
import type { EmbeddedTransport } from '../../../src/transports/embedded/index.ts'
import { directoryForTest, openLog, readAll, recordingLog } from './fixture.ts'

const TOPIC = 'orders'
const segment = (directory: string, base = 0) =>
  join(directory, 'topics', TOPIC, '0', `${String(base).padStart(13, '0')}.log`)

const draft = (value: string) => ({
  topic: TOPIC,
  key: `k${value}`,
  value: Buffer.from(value),
  timestamp: 1_700_000_000_000,
  headers: { h: value },
})

/** Every record as text, so that a record that is wrong in anything differs. */
async function contents(transport: EmbeddedTransport, from?: number): Promise<string[]> {
  const records = await readAll(transport, TOPIC, from)
  return records.map(({ position, timestamp, key, value, headers }) =>
    [position, timestamp, key, value, headers.h, Object.keys(headers)].join(' '),
  )
}

/** A log with one write per value, closed; answers what it holds and where each write ends in the file. */
async function written(directory: string, values: readonly string[], settings: object = {}) {
  const transport = await openLog(directory, settings)
  await transport.create({ name: TOPIC, partitions: 1, retentionMs: -1 })
  const ends: number[] = []
  for (const value of values) {
    await transport.write([draft(value)])
    ends.push((await stat(segment(directory)).catch(() => ({ size: 0 }))).size)
  }
  const held = await contents(transport)
  await transport.close()
  return { held, ends }
}

describe('the end of a log that a crash has torn', () => {
  it('is cut off wherever it was torn, with a warning, and writing goes on after what is whole', async () => {
    const directory = await directoryForTest()
    const { held, ends } = await written(directory, ['a', 'b', 'last'])
    const file = segment(directory)
    const whole = await readFile(file)
    const [, before = 0, end = 0] = ends
    for (let size = before; size < end; size++) {
      await writeFile(file, whole.subarray(0, size))
      const log = recordingLog()
      const transport = await openLog(directory, {}, log)
      expect(await transport.ranges(TOPIC)).toEqual([{ start: 0, end: 2 }])
      expect(log.lines).toEqual(
        size === before
          ? []
          : [
              {
                level: 'warn',
                fields: expect.objectContaining({ file, cut: size - before }),
                message: `cut ${size - before} bytes of an unfinished write from the end of ${file}`,
              },
            ],
      )
      await transport.write([draft('last')])
      expect(await contents(transport)).toEqual(held)
      await transport.close()
    }
  })

  it('is cut off when the disk had kept only later parts of writes that were under way', async () => {
    const directory = await directoryForTest()
    const { held } = await written(directory, ['a'])
    const file = segment(directory)
    const acknowledged = (await stat(file)).size
    const transport = await openLog(directory)
    // One write call per record and one disk write for both: neither was acknowledged before the other.
    await Promise.all([transport.write([draft('b')]), transport.write([draft('c')])])
    await transport.close()
    const bytes = await readFile(file)
    bytes.fill(0, acknowledged, acknowledged + 40)
    await writeFile(file, bytes)
    const log = recordingLog()
    expect(await contents(await openLog(directory, {}, log))).toEqual(held)
    expect(log.lines.map(({ level }) => level)).toEqual(['warn'])
  })
})

async function flipLastBit(file: string): Promise<void> {
  const bytes = await readFile(file)
  bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1
  await writeFile(file, bytes)
}

describe('damage before the end of a log', () => {
  it('stops everything that asks for the partition, and names file and byte', async () => {
    const directory = await directoryForTest()
    const { ends } = await written(directory, ['a', 'b', 'c'])
    const file = segment(directory)
    const bytes = await readFile(file)
    const at = (ends[0] as number) + 45
    bytes[at] = (bytes[at] as number) ^ 4
    await writeFile(file, bytes)
    const transport = await openLog(directory)
    const stop = { code: 'log-corrupt', message: expect.stringContaining(`${file} is damaged at byte ${ends[0]}:`) }
    await expect(transport.ranges(TOPIC)).rejects.toMatchObject(stop)
    await expect(transport.write([draft('d')])).rejects.toMatchObject(stop)
    await expect(transport.positionAt({ topic: TOPIC, partition: 0 }, 0)).rejects.toMatchObject(stop)
    expect(await readFile(file)).toEqual(bytes)
  })

  it.each([
    ['cut short within a write', (file: string, _: string, ends: number[]) => truncate(file, (ends[3] as number) - 5)],
    ['cut short between writes', (file: string, _: string, ends: number[]) => truncate(file, ends[3])],
    ['harmed in its last byte', flipLastBit],
    ['emptied', (file: string) => truncate(file, 0)],
    ['replaced by the next', (file: string, next: string) => copyFile(next, file)],
    ['followed by a gap', (_: string, next: string) => rm(next)],
  ])('is found when a segment was %s', async (_, harm) => {
    const directory = await directoryForTest()
    const values = Array.from({ length: 60 }, (_, i) => `value ${10 + i}`)
    const { ends } = await written(directory, values, { segmentBytes: 1024 })
    const inFirst = new Set(ends).size
    await harm(segment(directory), segment(directory, inFirst), ends)
    const stop = { code: 'log-corrupt', message: expect.stringContaining(segment(directory)) }
    const looking = await openLog(directory, { segmentBytes: 1024 })
    const partition = { topic: TOPIC, partition: 0 }
    await expect(looking.positionAt(partition, Number.MAX_SAFE_INTEGER)).rejects.toMatchObject(stop)
    await looking.close()
    const log = recordingLog()
    const reading = await openLog(directory, { segmentBytes: 1024 }, log)
    const read: string[] = []
    const { promise: reported, resolve } = Promise.withResolvers<object>()
    log.error = resolve
    const member = await reading.join('group', [TOPIC], {
      opened: async () => 0,
      closed: () => undefined,
      batch: async ({ records }) => void read.push(...records.map((record) => String(record.value))),
    })
    expect(await reported).toMatchObject({ ...partition, code: stop.code, reason: stop.message })
    await member.leave()
    expect(read).toEqual(values.slice(0, read.length))
    expect(read.length).toBeLessThanOrEqual(inFirst)
    await expect(reading.ranges(TOPIC)).rejects.toMatchObject(stop)
  })

  it('never shows a record that was not written, whatever bits are flipped', async () => {
    const directory = await directoryForTest()
    const values = Array.from({ length: 24 }, (_, i) => `value ${i} ${'x'.repeat(i * 3)}`)
    const { held } = await written(directory, values, { segmentBytes: 1024 })
    const files = [segment(directory)]
    for (let base = 1; base < values.length; base++)
      if (
        await stat(segment(directory, base)).then(
          () => true,
          () => false,
        )
      )
        files.push(segment(directory, base))
    expect(files.length).toBeGreaterThan(2)
    const originals = await Promise.all(files.map((file) => readFile(file)))
    const flips = fc.array(fc.record({ file: fc.nat(files.length - 1), bit: fc.nat() }), { minLength: 1, maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(flips, async (bits) => {
        const copies = originals.map((bytes) => Buffer.from(bytes))
        for (const { file, bit } of bits) {
          const copy = copies[file] as Buffer
          const at = Math.floor(bit / 8) % copy.length
          copy[at] = (copy[at] as number) ^ (1 << (bit % 8))
        }
        await Promise.all(files.map((file, i) => writeFile(file, copies[i] as Buffer)))
        const transport = await openLog(directory, { segmentBytes: 1024 })
        try {
          // Walks every segment, so that damage anywhere is met without reading.
          await transport.positionAt({ topic: TOPIC, partition: 0 }, Number.MAX_SAFE_INTEGER)
          const read = await contents(transport)
          expect(read).toEqual(held.slice(0, read.length))
          // Only the end can be torn off: as many last writes of the last file as were all harmed.
          const atEnd = bits.filter(({ file }) => file === files.length - 1).length
          expect(held.length - read.length).toBeLessThanOrEqual(atEnd)
        } catch (error) {
          if (!(error instanceof MillraceError)) throw error
          expect(error.code).toBe('log-corrupt')
        } finally {
          await transport.close()
        }
      }),
      { numRuns: 300 },
    )
  })
})

describe('a log opened again', () => {
  it('goes on where it was: records, topics, positions, and what groups have committed', async () => {
    const directory = await directoryForTest()
    const { held } = await written(directory, ['a', 'b'], { segmentBytes: 1024 })
    const first = await openLog(directory)
    const info = await first.topics([TOPIC])
    const member = await first.join('group', [TOPIC], {
      opened: async () => 0,
      closed: () => undefined,
      batch: async () => undefined,
    })
    await member.commit([{ partition: { topic: TOPIC, partition: 0 }, position: 2 }])
    await first.close()
    const again = await openLog(directory)
    expect(await again.topics([TOPIC])).toEqual(info)
    expect(await again.committed('group', TOPIC)).toEqual([2])
    await again.write([draft('c')])
    expect((await contents(again)).slice(0, 2)).toEqual(held)
    expect(await again.ranges(TOPIC)).toEqual([{ start: 0, end: 3 }])
  })

  it('knows nothing of a topic whose making or deleting was broken off', async () => {
    const directory = await directoryForTest()
    await written(directory, ['old'])
    // Deleting takes the description away first.
    await rm(join(directory, 'topics', TOPIC, 'topic.json'))
    const transport = await openLog(directory)
    expect((await transport.topics([TOPIC])).size).toBe(0)
    await transport.create({ name: TOPIC, partitions: 1, retentionMs: -1 })
    expect(await transport.ranges(TOPIC)).toEqual([{ start: 0, end: 0 }])
  })

  it('never takes the records of another topic of the same name for its own', async () => {
    const directory = await directoryForTest()
    await written(directory, ['old', 'older'])
    const kept = join(directory, 'kept.log')
    await copyFile(segment(directory), kept)
    const transport = await openLog(directory)
    await transport.deleteTopic(TOPIC)
    await transport.create({ name: TOPIC, partitions: 1, retentionMs: -1 })
    await transport.close()
    await copyFile(kept, segment(directory))
    const again = await openLog(directory)
    expect(await contents(again)).toEqual([])
  })
})
