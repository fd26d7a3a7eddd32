import { describe, expect, it } from 'vitest'
import { ByteReader, ByteWriter } from '../../src/core/bytes.ts'
import type { Frame } from '../../src/engine/shuffle.ts'
import { Sources } from '../../src/engine/sources.ts'

function frame({
  partition = 0,
  positions = [] as number[],
  topic = 'orders',
  incarnation = 'i1',
  ...head
}: Partial<Omit<Frame, 'rows' | 'source'>> & {
  partition?: number
  positions?: number[]
  topic?: string
  incarnation?: string
}): Frame {
  return {
    source: { topic, incarnation, partition },
    partitions: 2,
    after: -1,
    upto: (positions.at(-1) ?? -1) + 1,
    watermark: Number.NaN,
    stamp: Number.NaN,
    heartbeat: false,
    live: false,
    finishes: '',
    rows: {
      length: positions.length,
      position: Float64Array.from(positions),
      time: new Float64Array(positions.length),
      tie: new Float64Array(positions.length),
      keys: ['k'],
      keyOf: new Uint16Array(positions.length),
      columns: new Map(),
    },
    ...head,
  }
}

describe('the sources of a task', () => {
  it('drop the rows that were applied before the frame, and keep the rows of one record together', () => {
    const sources = new Sources(['orders'])
    expect(sources.take(frame({ positions: [1, 2, 2, 4] }))).toBe(0)
    expect(sources.take(frame({ positions: [2, 2, 4, 5, 5], after: 1 }))).toBe(3)
    expect(sources.take(frame({ positions: [5] }))).toBe(1)
  })

  it('stop clearly at a gap', () => {
    const sources = new Sources(['orders'])
    sources.take(frame({ positions: [1, 2] }))
    expect(() => sources.take(frame({ positions: [9], after: 7 }))).toThrow(/position 7, but only 2/)
  })

  it('have no clock until every source has been heard', () => {
    const sources = new Sources(['orders'])
    sources.take(frame({ positions: [1], watermark: 100 }))
    expect(sources.clock).toBe(Number.NEGATIVE_INFINITY)
    sources.take(frame({ partition: 1, positions: [1], watermark: 70 }))
    expect(sources.clock).toBe(70)
  })

  it('of several topics have no clock until every partition of each has been heard', () => {
    const sources = new Sources(['orders', 'clicks'])
    for (const partition of [0, 1]) sources.take(frame({ partition, positions: [1], watermark: 100, live: true }))
    expect([sources.clock, sources.live]).toEqual([Number.NEGATIVE_INFINITY, false])
    sources.take(frame({ topic: 'clicks', positions: [1], watermark: 80, live: true, partitions: 1 }))
    expect([sources.clock, sources.live]).toEqual([80, true])
  })

  it('of a topic that was made again have all to be heard anew', () => {
    const sources = new Sources(['orders'])
    sources.take(frame({ positions: [1], watermark: 100 }))
    sources.take(frame({ incarnation: 'i2', finishes: 'i1' }))
    sources.take(frame({ incarnation: 'i2', positions: [0], watermark: 300 }))
    expect(sources.clock).toBe(Number.NEGATIVE_INFINITY)
    sources.take(frame({ incarnation: 'i2', partition: 1, positions: [0], watermark: 200 }))
    expect(sources.clock).toBe(200)
  })

  it('may be moved on by hand, and never back', () => {
    const sources = new Sources(['orders'])
    sources.advance(50)
    sources.advance(40)
    expect(sources.clock).toBe(50)
  })

  it('wait for the slowest that is not idle, and for none when all are', () => {
    const sources = new Sources(['orders'])
    sources.take(frame({ positions: [1], watermark: 100 }))
    sources.take(frame({ partition: 1, positions: [1], watermark: 70 }))
    sources.take(frame({ partition: 1, watermark: 75, heartbeat: true, upto: 2 }))
    expect(sources.clock).toBe(100)
    sources.take(frame({ positions: [2], watermark: 90 }))
    expect(sources.clock).toBe(100)
    sources.take(frame({ watermark: 140, heartbeat: true, upto: 3 }))
    expect(sources.clock).toBe(140)
  })

  it('leave empty sources out', () => {
    const sources = new Sources(['orders'])
    sources.take(frame({ positions: [1], watermark: 100 }))
    sources.take(frame({ partition: 1, heartbeat: true, upto: 0 }))
    expect(sources.clock).toBe(100)
    const other = new Sources(['orders'])
    other.take(frame({ positions: [1], watermark: 100 }))
    other.take(frame({ partition: 1 }))
    expect(other.clock).toBe(100)
  })

  it('ignore a heartbeat that is older than the rows applied', () => {
    const sources = new Sources(['orders'])
    sources.take(frame({ partition: 1, positions: [1], watermark: 50 }))
    sources.take(frame({ positions: [1, 2, 3], watermark: 100 }))
    sources.take(frame({ partition: 1, heartbeat: true, upto: 2, watermark: 55 }))
    sources.take(frame({ heartbeat: true, upto: 3, watermark: 900 }))
    expect(sources.clock).toBe(100)
  })

  it('freeze the clock until a partition that the topic gained has been heard', () => {
    const sources = new Sources(['orders'])
    for (const partition of [0, 1]) sources.take(frame({ partition, positions: [1], watermark: 100 }))
    for (const partition of [0, 1]) sources.take(frame({ partition, positions: [2], watermark: 200, partitions: 3 }))
    expect(sources.clock).toBe(100)
    sources.take(frame({ partition: 2, positions: [1], watermark: 150, partitions: 3 }))
    expect(sources.clock).toBe(150)
  })

  it('let a finished source go: its clock counts no more, and its rows are repeats', () => {
    const sources = new Sources(['orders'])
    for (const partition of [0, 1]) sources.take(frame({ partition, positions: [1], watermark: 100 }))
    sources.take(frame({ incarnation: 'i2', finishes: 'i1' }))
    sources.take(frame({ incarnation: 'i2', positions: [0], watermark: 300 }))
    sources.take(frame({ partition: 1, positions: [2], watermark: 250 }))
    expect(sources.clock).toBe(250)
    expect(sources.take(frame({ positions: [2, 3] }))).toBe(2)
    const to = new ByteWriter()
    sources.encode(to)
    const again = new Sources(['orders'])
    again.decode(new ByteReader(to.take()))
    expect(again.take(frame({ positions: [2, 3] }))).toBe(2)
  })

  it('are live once all have been at the end of their logs', () => {
    const sources = new Sources(['orders'])
    sources.take(frame({ positions: [1], live: true }))
    expect(sources.live).toBe(false)
    sources.take(frame({ partition: 1, positions: [1], live: true }))
    expect(sources.live).toBe(true)
  })

  it('are live again after they were kept and read once all have been at the end anew', () => {
    const sources = new Sources(['orders'])
    for (const partition of [0, 1]) sources.take(frame({ partition, positions: [1], live: true }))
    const to = new ByteWriter()
    sources.encode(to)
    const again = new Sources(['orders'])
    again.decode(new ByteReader(to.take()))
    expect(again.live).toBe(false)
    again.take(frame({ positions: [2], after: 1, live: true }))
    expect(again.live).toBe(false)
    again.take(frame({ partition: 1, positions: [2], after: 1, live: true }))
    expect(again.live).toBe(true)
  })

  it('are the same after they were kept and read', () => {
    const sources = new Sources(['orders', 'clicks'])
    sources.take(frame({ positions: [1, 7], watermark: 100 }))
    sources.take(frame({ topic: 'clicks', partition: 1, heartbeat: true, watermark: 90, upto: 0 }))
    const to = new ByteWriter()
    sources.encode(to)
    const again = new Sources(['orders', 'clicks'])
    again.decode(new ByteReader(to.take()))
    expect(again).toEqual(sources)
  })
})
