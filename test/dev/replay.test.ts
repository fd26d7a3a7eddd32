import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Draft } from '../../src/core/model.ts'
import { type ReplayOptions, type ReplayProgress, type ReplayRecord, replayFile } from '../../src/dev/replay.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-replay-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

async function replay(content: string | Buffer, more: Partial<ReplayOptions> & { name?: string } = {}) {
  const { name = 'events.ndjson', ...options } = more
  const path = join(folder, name)
  writeFileSync(path, content)
  const records: ReplayRecord[] = []
  const batches: number[] = []
  const result = await replayFile(path, {
    topics: ['orders', 'acceptances'],
    encode(record) {
      records.push(record)
      return { topic: record.topic, key: record.key ?? null, value: Buffer.from(JSON.stringify(record.event)) }
    },
    write: async (drafts: readonly Draft[]) => {
      batches.push(drafts.length)
    },
    now: () => 0,
    signal: new AbortController().signal,
    ...options,
  })
  return { result, records, batches }
}

const order = (n: number) => JSON.stringify({ topic: 'orders', event: { n }, key: `k-${n}`, timestamp: n })

describe('replaying a file', () => {
  it('hands on topic, event, key and timestamp in the order of the file', async () => {
    const { result, records } = await replay(`${order(1)}\n{"topic":"acceptances","event":{"n":2}}\n`)
    expect(records).toEqual([
      { topic: 'orders', event: { n: 1 }, key: 'k-1', timestamp: 1 },
      { topic: 'acceptances', event: { n: 2 }, key: undefined, timestamp: undefined },
    ])
    expect(result).toEqual({ events: 2, bad: 0, kinds: 0, faults: [], complete: true })
  })

  it('takes bare events where there is one topic, and wrapped ones too', async () => {
    const { records } = await replay(`{"topic":"x","n":1}\n${order(2)}`, { topics: ['orders'] })
    expect(records.map((record) => [record.topic, record.event])).toEqual([
      ['orders', { topic: 'x', n: 1 }],
      ['orders', { n: 2 }],
    ])
  })

  it('reads a packed file, even one packed in pieces', async () => {
    const packed = Buffer.concat([gzipSync(`${order(1)}\n`), gzipSync(order(2))])
    expect((await replay(packed, { name: 'events.ndjson.gz' })).result.events).toBe(2)
  })

  it('passes over blank lines, Windows line ends and a byte order mark', async () => {
    const { result } = await replay(`\ufeff${order(1)}\r\n\r\n  \n${order(2)}\r\n`)
    expect(result).toMatchObject({ events: 2, bad: 0 })
  })

  it('writes batches of a thousand and the rest', async () => {
    const lines = Array.from({ length: 2500 }, (_, i) => order(i))
    expect((await replay(lines.join('\n'))).batches).toEqual([1000, 1000, 500])
  })

  it.each([
    ['{"topic":', /not JSON .*expected \{"topic"/],
    ['[1]', /found a list, expected/],
    ['null', /found null/],
    ['{"n":1}', /found an object with n, expected/],
    [
      '{"topic":"order","event":{}}',
      /unknown topic "order"; did you mean 'orders'\? \(there are orders, acceptances\)/,
    ],
    ['{"topic":7,"event":{}}', /unknown topic 7/],
    ['{"topic":"orders","event":[]}', /"event" is a list, expected an object/],
    ['{"topic":"orders","event":{},"key":5}', /"key" is a number, expected text/],
    ['{"topic":"orders","event":{},"timestamp":"now"}', /"timestamp" is "now", expected whole ms/],
    ['{"topic":"orders","event":{},"timestamp":-1}', /"timestamp" is -1/],
    [Buffer.from([0x7b, 0xff, 0x7d]), /not UTF-8/],
    ['"'.padEnd(9 * 1024 * 1024, 'x'), /longer than 8388608 bytes/],
  ])('names the line and what was expected for %.40s', async (line, fault) => {
    const content = Buffer.concat([Buffer.from(`${order(1)}\n`), Buffer.from(line), Buffer.from(`\n${order(3)}\n`)])
    const { result, records } = await replay(content)
    expect(result).toMatchObject({ events: 2, bad: 1, faults: [{ line: 2, fault: expect.stringMatching(fault) }] })
    expect(records.map((record) => record.event.n)).toEqual([1, 3])
  })

  it('counts what the encoder refuses, and shows the first of each kind, three at most', async () => {
    const lines = Array.from({ length: 9 }, (_, i) => order(i))
    const { result } = await replay(lines.join('\n'), {
      encode(record) {
        if (record.event.n !== 8)
          throw new Error(`${'abcd'[Number(record.event.n) % 4]}: expected string in ${record.key}`)
        return { topic: 'orders', key: null, value: null }
      },
    })
    expect(result).toMatchObject({ events: 1, bad: 8, kinds: 4 })
    expect(result.faults.map((fault) => fault.line)).toEqual([1, 2, 3])
    expect(result.faults[0]?.fault).toBe('a: expected string in k-0')
  })

  it('says faults short, and with nothing in them that a terminal would obey', async () => {
    const wide = JSON.stringify(Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`key-${i}`, 1])))
    const hostile = ['\x1b[2J', '{"a\\u001b]0;title\\u0007": 1}', '{"\\u202e": 1}', '{"\\u009b2J": 1}', wide]
    const { result } = await replay(hostile.join('\n'))
    expect(result).toMatchObject({ bad: 5, faults: { length: 3 } })
    for (const { fault } of result.faults) {
      expect(fault).not.toMatch(/[\p{Cc}\p{Cf}]/u)
      expect(fault.length).toBeLessThan(600)
    }
    expect(result.faults[1]?.fault).toContain('an object with a\ufffd]0;title\ufffd')
  })

  it('tells how far it is, how fast, and how long it still takes', async () => {
    let now = 0
    const told: ReplayProgress[] = []
    const lines = Array.from({ length: 40_000 }, (_, i) => order(i)).join('\n')
    await replay(lines, {
      now: () => now,
      write: async () => {
        now += 250
      },
      progress: (progress) => told.push(progress),
    })
    expect(told.length).toBeGreaterThan(15)
    expect(told.at(-1)).toEqual({ percent: 100, events: 40_000, bad: 0, eventsPerSecond: 4000, secondsLeft: 0 })
    const percents = told.map((progress) => progress.percent)
    expect(percents).toEqual([...percents].sort((a, b) => a - b))
    expect(percents[0]).toBeLessThan(100)
  })

  it('handles an empty file', async () => {
    const told: ReplayProgress[] = []
    const { result } = await replay('', { progress: (progress) => told.push(progress) })
    expect(result).toEqual({ events: 0, bad: 0, kinds: 0, faults: [], complete: true })
    expect(told.at(-1)?.percent).toBe(100)
  })

  it('stops at the signal and says that it did not get through', async () => {
    const stop = new AbortController()
    const lines = Array.from({ length: 5000 }, (_, i) => order(i)).join('\n')
    const { result } = await replay(lines, { signal: stop.signal, write: async () => stop.abort() })
    expect(result).toMatchObject({ events: 1000, complete: false })
  })

  it('ends when writing fails', async () => {
    await expect(replay(order(1), { write: () => Promise.reject(new Error('log full')) })).rejects.toThrow('log full')
  })

  it('refuses a file that is missing, no file, or damaged', async () => {
    const options = {
      topics: ['orders'],
      encode: () => ({ topic: 'orders', key: null, value: null }),
      write: async () => undefined,
      now: () => 0,
      signal: new AbortController().signal,
    }
    for (const path of [join(folder, 'none.ndjson'), folder])
      await expect(replayFile(path, options)).rejects.toMatchObject({ code: 'replay-unreadable' })
    const torn = gzipSync(order(1)).subarray(0, 20)
    await expect(replay(torn, { name: 'torn.gz' })).rejects.toMatchObject({ code: 'replay-unreadable' })
  })
})
