/** What a store gives back may be damaged, or of another program: it is refused, whatever aggregation it is for. */
import { describe, expect, it } from 'vitest'
import { ByteReader, ByteWriter } from '../../src/core/bytes.ts'
import type { Slot } from '../../src/core/model.ts'
import { Memory } from '../../src/testing/aggregation.ts'
import { aggregationNamed, declared } from './declared.ts'

const THINGS = { lifecycle: 'id', opens: 'opens', closes: 'closes' }

async function slotOf(aggregation: string, settings: object): Promise<Slot> {
  const columns = aggregation === 'lifecycle' ? THINGS : {}
  const feature = await declared('f', aggregation, { ...settings, ...columns }, 'count', columns)
  return (await aggregationNamed<unknown>(aggregation)).slots([feature])[0] as Slot
}

const SETTINGS = {
  last: { last: 5 },
  window: { window: '10s' },
  'window by stretches': { window: '10s', resolution: '1s' },
  tumbling: { tumbling: '10s' },
  lifecycle: {},
}

type Written = readonly ['byte' | 'varint' | 'double', number]

describe('bytes that no aggregation wrote', () => {
  it.each<[keyof typeof SETTINGS, string, ...Written[]]>([
    ['last', 'more events than any definition keeps', ['varint', 10_001]],
    ['tumbling', 'a window with a number that is not whole', ['double', 1.5]],
    ['tumbling', 'a window with a number that is none', ['double', Number.NaN]],
    ['lifecycle', 'an unknown form', ['byte', 2]],
    ['window', 'an unknown form', ['byte', 2]],
    ['window', 'more events than a block holds', ['byte', 0], ['varint', 513]],
    ['window by stretches', 'chunks out of order', ['varint', 2], ['double', 4], ['double', 3]],
    ['window by stretches', 'a chunk twice', ['varint', 2], ['double', 4], ['double', 4]],
    ['window by stretches', 'a chunk between two', ['varint', 1], ['double', 4.5]],
    [
      'window by stretches',
      'a stretch outside of its chunk',
      ['varint', 1],
      ['double', 4],
      ['varint', 1],
      ['byte', 16],
    ],
  ])('%s: %s', async (name, _, ...written) => {
    const slot = await slotOf(name.split(' ')[0] as string, SETTINGS[name])
    const to = new ByteWriter()
    for (const [kind, value] of written) to[kind](value)
    for (let i = 0; i < 64; i++) to.byte(0)
    expect(() => slot.decode(new ByteReader(to.take()))).toThrow(RangeError)
  })

  it.each(['window', 'window by stretches', 'lifecycle'] as const)(
    '%s: a segment that it does not lack',
    async (name) => {
      const slot = await slotOf(name.split(' ')[0] as string, SETTINGS[name])
      const full = new Memory(slot)
      for (let i = 0; i < 2_000; i++)
        full.add({ time: i * 16, tie: i, values: { id: `${i}`, opens: true, closes: false } }, Number.NEGATIVE_INFINITY)
      const moved = full.moved()
      const [stored] = moved.segments.entries()
      expect(stored).toBeDefined()
      const [present, bytes] = stored as [string, Uint8Array]
      // attached already, and never heard of
      for (const segment of [present, '77777'])
        expect(() => slot.segments?.attach(moved.acc, segment, bytes)).toThrow(RangeError)
    },
  )
})
