/** What a window's blocks keep, and what a result over them costs. */
import { describe, expect, it } from 'vitest'
import { BLOCK, Block, type Kept } from '../../src/aggregations/window/block.ts'
import { ByteReader, ByteWriter } from '../../src/core/bytes.ts'
import type { Operator, Value } from '../../src/core/model.ts'

/** Says the values that it was given, with their times and ties; `calls` counts how often it was given one. */
function listing() {
  const calls = { adds: 0 }
  const operator = {
    create: () => [],
    add: (acc: string[], value: Value, time: number, tie: number) => {
      calls.adds++
      acc.push(`${value}@${time}/${tie}`)
    },
  } as unknown as Operator
  return { calls, operator }
}

const KEPT: Kept = { values: 'number', ties: true }
const filled = (count: number, kept = KEPT, capacity = 8) => {
  const block = new Block(1, capacity, kept)
  for (let i = 0; i < count; i++) block.insert(i, 100 + i, 2 * i, [])
  return block
}
const held = (block: Block) => {
  const { operator } = listing()
  const acc = operator.create() as string[]
  block.addTo(acc, operator, block.from)
  return acc
}
const event = (i: number) => `${2 * i}@${i}/${100 + i}`
const events = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => event(from + i))

describe('a block', () => {
  it('keeps events in the order of their times, whatever the order in which they came', () => {
    const block = new Block(1, 2, KEPT)
    for (const time of [5, 1, 9, 3, 9, 0, 7]) block.insert(time, time + 100, 2 * time, [])
    expect(held(block)).toEqual([0, 1, 3, 5, 7, 9, 9].map(event))
    expect([block.first, block.last]).toEqual([0, 9])
  })

  it('grows with what it holds, and not with what has passed through it', () => {
    const block = filled(20)
    for (let i = 20; i < 5_000; i++) {
      block.drop(i - 20)
      block.insert(i, 100 + i, 2 * i, [])
    }
    expect(held(block)).toEqual(events(4_980, 5_000))
    const room = block.times.length
    expect(room).toBeLessThanOrEqual(64)
    expect([block.values?.length, block.ties?.length]).toEqual([room, room])
    const full = filled(BLOCK)
    expect([full.isFull, full.times.length, filled(BLOCK - 1).isFull]).toEqual([true, BLOCK, false])
    full.drop(0)
    expect(full.isFull).toBe(false)
    full.insert(BLOCK, 100 + BLOCK, 2 * BLOCK, [])
    expect([full.isFull, full.times.length, held(full)]).toEqual([true, BLOCK, events(1, BLOCK + 1)])
  })

  it('keeps values and ties only where they are asked for', () => {
    const block = filled(40, { values: undefined, ties: false })
    block.drop(19)
    for (let i = 40; i < 60; i++) block.insert(i, 7, 9, [])
    expect([block.values, block.ties]).toEqual([undefined, undefined])
    expect(held(block)).toEqual(Array.from({ length: 40 }, (_, i) => `1@${20 + i}/0`))
  })

  it('that is split keeps the older half; both have to be written', () => {
    const to = new ByteWriter()
    filled(BLOCK).encode(to)
    const block = Block.decode(new ByteReader(to.take()), 1, KEPT)
    expect(block.changed).toBe(false)
    const newer = block.split(2)
    expect([block.changed, newer.changed, newer.name]).toEqual([true, true, 2])
    expect([held(block), held(newer)]).toEqual([events(0, BLOCK / 2), events(BLOCK / 2, BLOCK)])
  })

  it('has to be written once an event has come, not when some are dropped', () => {
    const block = filled(3)
    block.changed = false
    block.drop(0)
    expect(block.changed).toBe(false)
    block.insert(9, 0, 0, [])
    expect(block.changed).toBe(true)
  })

  it('forgets what is not after the time, and all of it at its last', () => {
    const block = filled(4)
    for (const [time, from] of [
      [-1, 0],
      [0, 1],
      [2, 3],
      [2, 3],
      [3, 4],
      [9, 4],
    ] as const) {
      block.drop(time)
      expect([time, block.from]).toEqual([time, from])
    }
  })
})

describe('a result over a block', () => {
  it('is computed once, goes on with each event, and is computed anew after some were dropped or split off', () => {
    const { operator, calls } = listing()
    const block = filled(6)
    const result = () => block.partial(operator, 0)
    expect([result(), calls.adds]).toEqual([events(0, 6), 6])
    expect([result(), calls.adds]).toEqual([events(0, 6), 6])
    block.insert(6, 106, 12, [operator])
    expect([result(), calls.adds]).toEqual([events(0, 7), 7])
    block.drop(-1)
    expect([result(), calls.adds]).toEqual([events(0, 7), 7])
    block.drop(2)
    expect([result(), calls.adds]).toEqual([events(3, 7), 11])
    block.split(2)
    expect(result()).toEqual(events(3, 5))
  })

  it('is that of each operator by itself', () => {
    const [one, two] = [listing(), listing()]
    const block = filled(2)
    block.partial(two.operator, 1)
    block.insert(2, 102, 4, [one.operator, two.operator])
    expect([one.calls.adds, two.calls.adds]).toEqual([0, 3])
    expect(block.partial(one.operator, 0)).toEqual(events(0, 3))
  })
})
