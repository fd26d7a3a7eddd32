import { mkdir, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { directoryForTest, openLog, readAll } from './fixture.ts'

const spec = (name: string, partitions = 1) => ({ name, partitions, retentionMs: -1 })

describe('names of topics', () => {
  it.each(['', '.', '..', '../up', 'a/b', 'a\\b', 'a b', 'ä', 'a\0', 'x'.repeat(250)])('refuses %j', async (name) => {
    const transport = await openLog(await directoryForTest())
    await expect(transport.create(spec(name))).rejects.toMatchObject({ code: 'config-invalid' })
    expect((await transport.topics([name])).size).toBe(0)
  })

  it.each(['orders', '...', '.a', 'groups', 'lock', '__proto__', 'x'.repeat(249)])('takes %j', async (name) => {
    const transport = await openLog(await directoryForTest())
    await transport.create(spec(name))
    await transport.write([{ topic: name, key: null, value: Buffer.from('v') }])
    expect((await readAll(transport, name)).map((record) => String(record.value))).toEqual(['v'])
  })
})

it('writes nothing at all when one draft names a topic or partition that is not there', async () => {
  const transport = await openLog(await directoryForTest())
  await transport.create(spec('t', 2))
  const good = { topic: 't', key: null, value: null }
  for (const bad of [
    { ...good, topic: 'other' },
    { ...good, partition: 2 },
    { ...good, partition: -1 },
  ])
    await expect(transport.write([good, bad, good])).rejects.toMatchObject({
      code: bad.topic === 't' ? 'topic-mismatch' : 'topic-missing',
    })
  expect(await transport.ranges('t')).toEqual([
    { start: 0, end: 0 },
    { start: 0, end: 0 },
  ])
})

it('keeps the order of calls that do not wait for each other', async () => {
  const transport = await openLog(await directoryForTest(), { segmentBytes: 4096 })
  await transport.create(spec('t'))
  const values = Array.from({ length: 500 }, (_, i) => String(i))
  await Promise.all(values.map((value) => transport.write([{ topic: 't', key: null, value: Buffer.from(value) }])))
  expect((await readAll(transport, 't')).map((record) => String(record.value))).toEqual(values)
})

it('reads one call of many records in batches of at most 4096, from any position', async () => {
  const transport = await openLog(await directoryForTest())
  await transport.create(spec('t'))
  const values = Array.from({ length: 10_000 }, (_, i) => String(i))
  await transport.write(values.map((value) => ({ topic: 't', key: null, value: Buffer.from(value) })))
  for (const from of [0, 1, 4095, 4096, 4097, 9999])
    expect((await readAll(transport, 't', from)).map((record) => String(record.value))).toEqual(values.slice(from))
  const sizes: number[] = []
  const { promise, resolve } = Promise.withResolvers<void>()
  const member = await transport.join('g', ['t'], {
    opened: async () => 0,
    closed: () => undefined,
    batch: async ({ records, next, end }) => {
      sizes.push(records.length)
      if (next === end) resolve()
    },
  })
  await promise
  await member.leave()
  expect(Math.max(...sizes)).toBeLessThanOrEqual(4096)
})

it('keeps headers of any name', async () => {
  const transport = await openLog(await directoryForTest())
  await transport.create(spec('t'))
  const headers = JSON.parse('{"__proto__": "p", "": "empty", "constructor": "c"}')
  await transport.write([{ topic: 't', key: null, value: null, headers }])
  const [record] = await readAll(transport, 't')
  expect(Object.entries(record?.headers ?? {}).map(([name, value]) => [name, String(value)])).toEqual(
    Object.entries(headers),
  )
})

it('refuses a record above 64 MiB', async () => {
  const transport = await openLog(await directoryForTest())
  await transport.create(spec('t'))
  const value = Buffer.alloc(64 * 1024 * 1024)
  await expect(transport.write([{ topic: 't', key: null, value }])).rejects.toMatchObject({ code: 'record-too-large' })
  expect(await transport.ranges('t')).toEqual([{ start: 0, end: 0 }])
})

it.each(['never', '10ms', 'always'])('keeps what was written with fsync %s', async (fsync) => {
  const directory = await directoryForTest()
  const transport = await openLog(directory, { fsync, segmentBytes: 1024 })
  await transport.create(spec('t'))
  for (let i = 0; i < 20; i++) await transport.write([{ topic: 't', key: null, value: Buffer.alloc(100, i) }])
  await transport.close()
  const again = await openLog(directory, { fsync })
  expect((await readAll(again, 't')).map((record) => record.value?.[0])).toEqual([...Array(20).keys()])
})

it('says that it is closed', async () => {
  const transport = await openLog(await directoryForTest())
  await transport.create(spec('t'))
  await transport.close()
  for (const use of [
    () => transport.write([{ topic: 't', key: null, value: null }]),
    () => transport.ranges('t'),
    () => transport.topics(['t']),
  ])
    await expect(use()).rejects.toMatchObject({ code: 'transport-failed', message: expect.stringContaining('closed') })
})

it('adds nothing to a file any more once the next one was begun, even in vain', async () => {
  const directory = await directoryForTest()
  const transport = await openLog(directory, { segmentBytes: 1024 })
  await transport.create(spec('t'))
  const write = (size: number) => transport.write([{ topic: 't', key: null, value: Buffer.alloc(size, size) }])
  await write(200)
  const obstacle = join(directory, 'topics', 't', '0', '0000000000001.log')
  await mkdir(obstacle)
  await expect(write(1000)).rejects.toMatchObject({ code: 'transport-failed' })
  await expect(write(201)).rejects.toMatchObject({ code: 'transport-failed' })
  await rmdir(obstacle)
  await write(202)
  await transport.close()
  const again = await openLog(directory, { segmentBytes: 1024 })
  expect((await readAll(again, 't')).map((record) => record.value?.length)).toEqual([200, 202])
})
