import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteWriter } from '../../src/core/bytes.ts'
import { hashOf } from '../../src/core/key.ts'
import type { RowPlan } from '../../src/core/model.ts'
import { RowBuffer, tieOf } from '../../src/engine/rows.ts'
import { encodeFrame, encodeLayout, FRAME_ROWS, type FrameHead, FrameReader } from '../../src/engine/shuffle.ts'

const plan: RowPlan = {
  columns: [
    { id: 'flag:a', kind: 'flag', fill: (event) => event.a as boolean },
    { id: 'number:b', kind: 'number', fill: (event) => event.b as number | null },
    { id: 'text:c', kind: 'text', fill: (event) => event.c as string | null },
  ],
  where: () => true,
  key: () => '',
  time: undefined,
  id: undefined,
}
const layout = encodeLayout(plan.columns)
const head: FrameHead = {
  source: { topic: 'orders', incarnation: 'x', partition: 3 },
  partitions: 8,
  after: -1,
  upto: 12,
  watermark: 1_700_000_000_000,
  stamp: Number.NaN,
  heartbeat: false,
  live: true,
  finishes: '',
}

const rows = fc.array(
  fc.record({
    key: fc.string({ maxLength: 8 }),
    position: fc.nat(1_000_000),
    time: fc.integer(),
    a: fc.boolean(),
    b: fc.option(fc.double({ noNaN: true })),
    c: fc.option(fc.string()),
  }),
  { maxLength: 50 },
)

describe('a frame', () => {
  it('is read as it was written', () => {
    const reader = new FrameReader()
    fc.assert(
      fc.property(rows, fc.boolean(), (written, heartbeat) => {
        const buffer = new RowBuffer(plan, FRAME_ROWS)
        for (const row of written)
          buffer.add(row.key, hashOf(row.key), row.position, row.time, tieOf(1, 2, row.position), row)
        const { rows, ...read } = reader.read(encodeFrame({ ...head, heartbeat }, layout, buffer))
        expect(read).toEqual({ ...head, heartbeat })
        const found = written.map((_, i) => ({
          key: rows.keys[rows.keyOf[i] as number],
          position: rows.position[i],
          time: rows.time[i],
          tie: rows.tie[i],
          a: rows.columns.get('flag:a')?.[i],
          b: rows.columns.get('number:b')?.[i],
          c: rows.columns.get('text:c')?.[i],
        }))
        expect(rows.length).toBe(written.length)
        expect(found).toEqual(
          written.map(({ key, position, time, a, b, c }) => ({
            key,
            position,
            time,
            tie: tieOf(1, 2, position),
            a: a ? 1 : 0,
            b: b ?? Number.NaN,
            c,
          })),
        )
      }),
    )
  })

  it('holds each key once, whatever hashes they have', () => {
    const name = fc.constantFrom('a', 'b', 'c', 'd', 'é')
    fc.assert(
      fc.property(fc.array(name), fc.func(fc.nat(0x7fffffff)), (names, hash) => {
        const buffer = new RowBuffer(plan, FRAME_ROWS)
        for (const name of names) buffer.add(name, hash(name), 1, 1, 1, { a: true, b: 1, c: null })
        expect(buffer.keys).toEqual([...new Set(names)])
        expect(names.map((_, row) => buffer.keys[buffer.keyOf[row] as number])).toEqual(names)
      }),
    )
  })

  it('that is damaged or cut is refused, never read beyond', () => {
    const buffer = new RowBuffer(plan, FRAME_ROWS)
    for (let i = 0; i < 20; i++) buffer.add(`k${i}`, i, i, i, i, { a: true, b: i, c: `text ${i}` })
    const bytes = encodeFrame(head, layout, buffer)
    for (let length = 0; length < bytes.length; length++) {
      expect(() => new FrameReader().read(bytes.subarray(0, length))).toThrow(RangeError)
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        try {
          new FrameReader().read(noise)
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError)
        }
      }),
      { numRuns: 2_000 },
    )
  })

  it('that counts more than its bytes can hold is refused before anything is made for it', () => {
    const to = new ByteWriter()
    const start = (rows: number) => {
      to.bytes(encodeFrame(head, layout, undefined).subarray(0, -1))
      to.varint(rows)
    }
    start(FRAME_ROWS + 1)
    expect(() => new FrameReader().read(to.take())).toThrow(/rows in a frame/)
    start(1)
    to.block(layout)
    to.varint(33_000_000)
    to.bytes(Buffer.alloc(64))
    expect(() => new FrameReader().read(to.take())).toThrow(/33000000 keys for 1 rows/)
    start(1)
    to.block(Buffer.from([255, 255, 255, 15]))
    expect(() => new FrameReader().read(to.take())).toThrow(/columns in a layout/)
    const buffer = new RowBuffer(plan, FRAME_ROWS)
    buffer.add('only', 0, 1, 1, 1, { a: true, b: 1, c: null })
    buffer.keyOf[0] = 7
    expect(() => new FrameReader().read(encodeFrame(head, layout, buffer))).toThrow(/names a key/)
    expect(() =>
      new FrameReader().read(Buffer.concat([encodeFrame(head, layout, undefined), Buffer.alloc(3)])),
    ).toThrow(/3 bytes behind/)
  })

  it('has a tie that orders rows by topic, partition and position, exactly', () => {
    const position = fc.nat(2 ** 31).map((n) => n * 500)
    const place = fc.tuple(fc.nat(7), fc.nat(1023), position)
    fc.assert(
      fc.property(place, place, (a, b) => {
        const order = a[0] - b[0] || a[1] - b[1] || a[2] - b[2]
        expect(Math.sign(tieOf(...a) - tieOf(...b))).toBe(Math.sign(order))
      }),
    )
  })
})
