import { describe, expect, it } from 'vitest'
import { ByteReader, ByteWriter } from '../../src/core/bytes.ts'
import type { Flow } from '../../src/core/model.ts'
import { nameOf, Repeats } from '../../src/engine/repeats.ts'
import { createShop, MADE, reader, send, transformFlow } from './shop.ts'

const named = (name: string) => ({ headers: { 'millrace-id': Buffer.from(name) } })
const from = (topic: string, position: number, index: number) =>
  named(nameOf('split', { topic, partition: 0, incarnation: 'i' }, position, index))

describe('a record that a transform made', () => {
  it('is a repeat when it, or one that follows it, was met', () => {
    const repeats = new Repeats()
    const met = (
      [
        ['a', 5, 0],
        ['a', 5, 1],
        ['a', 5, 1],
        ['a', 5, 0],
        ['a', 4, 7],
        ['b', 1, 0],
        ['a', 10, 0],
      ] as const
    ).map(([topic, position, index]) => repeats.isRepeat(from(topic, position, index)))
    expect(met).toEqual([false, false, true, true, true, false, false])
  })

  it('is remembered over a commit', () => {
    const before = new Repeats()
    before.isRepeat(from('a', 5, 3))
    const to = new ByteWriter()
    before.encode(to)
    const after = new Repeats()
    after.isRepeat(from('b', 9, 9))
    after.decode(new ByteReader(to.take()))
    expect([from('a', 5, 3), from('a', 5, 4), from('b', 1, 0)].map((record) => after.isRepeat(record))).toEqual([
      true,
      false,
      false,
    ])
  })

  it('is told from others by all of its source, whatever characters its names have', () => {
    const repeats = new Repeats()
    expect(repeats.isRepeat(named('t/a#i/0/7/0'))).toBe(false)
    expect(repeats.isRepeat(named('t/a#i/1/7/0'))).toBe(false)
    expect(repeats.isRepeat(named('t/a#j/0/7/0'))).toBe(false)
    expect(repeats.isRepeat(named('t/a#i/0/7/0'))).toBe(true)
  })
})

it('a record of others is no repeat', () => {
  const repeats = new Repeats()
  for (const record of [{ headers: {} }, named(''), named('a/b'), named('a/1/x'), named(`${'a'.repeat(700)}/1/1`)])
    for (let i = 0; i < 2; i++) expect(repeats.isRepeat(record)).toBe(false)
})

it('of a record met, one after it with a lower index is none, and hides what comes before it', () => {
  const repeats = new Repeats()
  expect([from('a', 5, 3), from('a', 6, 0), from('a', 6, 0), from('a', 5, 9)].map((r) => repeats.isRepeat(r))).toEqual([
    false,
    false,
    true,
    true,
  ])
})

it('what was met is forgotten when a topic was made again', () => {
  const repeats = new Repeats()
  repeats.isRepeat(from('a', 5, 3))
  repeats.clear()
  expect(repeats.isRepeat(from('a', 5, 3))).toBe(false)
})

it('a name has as many characters as it may, and its numbers as many digits', () => {
  const repeats = new Repeats()
  const longest = (length: number) => named(`${'a'.repeat(length - 4)}/1/1`)
  for (const [record, isRepeat] of [
    [longest(600), true],
    [longest(601), false],
    [named(`a/${'1'.repeat(15)}/${'1'.repeat(15)}`), true],
    [named(`a/${'1'.repeat(16)}/1`), false],
    [named(`a/1/${'1'.repeat(16)}`), false],
    [named('a/1/1/'), false],
    [named('a\nb/1/1'), true],
  ] as const) {
    expect(repeats.isRepeat(record)).toBe(false)
    expect(repeats.isRepeat(record), String(record.headers['millrace-id'])).toBe(isRepeat)
  }
})

it('of more sources than are remembered the one that was new the longest ago is forgotten, and no other', () => {
  const repeats = new Repeats()
  for (let n = 0; n < 10_000; n++) repeats.isRepeat(from(`t${n}`, 1, 0))
  expect(repeats.isRepeat(from('t0', 1, 0))).toBe(true)
  expect(repeats.isRepeat(from('one more', 1, 0))).toBe(false)
  expect(['t1', 't9999', 'one more'].map((topic) => repeats.isRepeat(from(topic, 1, 0)))).toEqual([true, true, true])
  expect(repeats.isRepeat(from('t0', 1, 0))).toBe(false)
})

it.each([2, undefined])('who takes over knows what was met by the one before (shuffle: %s)', async (shuffle) => {
  const world = await createShop({ shuffle })
  for (let i = 0; i < 20; i++) await send(world, i % 3, { key: `k${i % 4}`, at: world.clock.now(), value: i })
  const run = async (...flows: Flow[]) => {
    const worker = world.worker(undefined, ...flows)
    await worker.start()
    expect(await world.settle(worker)).toBe(true)
    await worker.stop()
    await world.expectExact()
  }
  await run(transformFlow(), reader(world))
  // as after a crash: the same records once more
  const made = [0, 1].map((partition) => world.transport.read({ topic: MADE, partition }, 0))
  for (const { partition, records } of await Promise.all(made))
    await world.write(records.map((record) => ({ ...record, topic: MADE, partition })))
  await run(reader(world))
})
