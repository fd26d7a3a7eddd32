import { describe, expect, it } from 'vitest'
import { ByteReader, ByteWriter } from '../../src/core/bytes.ts'
import { nameOf, Repeats } from '../../src/engine/repeats.ts'

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
