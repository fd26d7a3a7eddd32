/** Transforms at their edges: topics made again, records without a value, much that is made of one, and code of one's own. */
import { describe, expect, it } from 'vitest'
import { ByteReader, ByteWriter } from '../../src/core/bytes.ts'
import { RecordError } from '../../src/core/errors.ts'
import type { Event, Made, TransformFlow } from '../../src/core/model.ts'
import { KeyCache } from '../../src/engine/keys.ts'
import { Repeats } from '../../src/engine/repeats.ts'
import { createShop, firstOfEachName, MADE, nameIn, SOURCE, SOURCE_PARTITIONS, send, transformFlow } from './shop.ts'
import type { World } from './world.ts'

async function ran(world: World, flow: TransformFlow): Promise<void> {
  const worker = world.worker(undefined, flow)
  await worker.start()
  expect(await world.settle(worker)).toBe(true)
  await worker.stop()
}

const at = 5
const one = (event: Event): Made => ({
  topic: MADE,
  index: 0,
  key: String(event.key),
  value: Buffer.from(String(event.value)),
})
const making = (make: TransformFlow['sources'][number]['make'], changes: Partial<TransformFlow> = {}) =>
  transformFlow({ sources: [{ topic: SOURCE, fields: [], named: false, make }], ...changes })
const values = async (world: World) =>
  [...(await firstOfEachName(world)).values()].map(({ value }) => Number(value)).sort((a, b) => a - b)
const skipped = async (world: World) =>
  Object.fromEntries((await world.metrics.rowsSkipped.get()).values.map(({ labels, value }) => [labels.reason, value]))

describe('a transform', () => {
  it('makes all anew of a topic that was made again, under names of its own', async () => {
    const world = await createShop()
    for (const value of [1, 2]) await send(world, 0, { key: 'a', at, value })
    await ran(
      world,
      making((event) => [one(event)]),
    )
    const before = new Set((await firstOfEachName(world)).keys())
    await world.transport.deleteTopic(SOURCE)
    await world.transport.create({ name: SOURCE, partitions: SOURCE_PARTITIONS, retentionMs: -1 })
    await send(world, 0, { key: 'a', at, value: 3 })
    await ran(
      world,
      making((event) => [one(event)]),
    )
    expect(await values(world)).toEqual([1, 2, 3])
    const after = [...(await firstOfEachName(world)).values()].filter((record) => !before.has(nameIn(record)))
    expect(after.map(({ value }) => Number(value))).toEqual([3])
  })

  it('makes nothing of a record without a value, nor of one that it does not want, and counts them', async () => {
    const world = await createShop()
    await world.write([{ topic: SOURCE, partition: 0, key: 'a', value: null }])
    for (const value of [0, 7]) await send(world, 0, { key: 'a', at, value })
    await ran(
      world,
      making((event) => (event.value === 0 ? [] : [one(event)])),
    )
    expect(await values(world)).toEqual([7])
    expect(await skipped(world)).toEqual({ tombstone: 1, filtered: 1 })
  })

  it('writes much that is made of few records in several goes, in order', async () => {
    const world = await createShop()
    const write = world.transport.write.bind(world.transport)
    const sizes: number[] = []
    world.transport.write = (drafts) => {
      sizes.push(drafts.length)
      return write(drafts)
    }
    for (const value of [1, 2, 3]) await send(world, 0, { key: 'a', at, value })
    sizes.length = 0
    const made = (event: Event, index: number): Made => ({
      topic: MADE,
      index,
      key: null,
      value: Buffer.from(`${(event.value as number) * 10_000 + index}`),
    })
    await ran(
      world,
      making((event) => Array.from({ length: 3_000 }, (_, index) => made(event, index))),
    )
    expect(Math.max(...sizes)).toBe(6_000)
    const inOrder = world.transport.records(MADE).map(({ value }) => Number(value))
    expect(inOrder).toHaveLength(9_000)
    expect(inOrder).toEqual([...inOrder].sort((a, b) => a - b))
  })

  it('stops clearly where a topic that it reads or writes went while it was opened', async () => {
    for (const gone of [SOURCE, MADE]) {
      const world = await createShop()
      const join = world.transport.join.bind(world.transport)
      world.transport.join = (...given) => {
        const topics = world.transport.topics.bind(world.transport)
        world.transport.topics = async (names) => new Map([...(await topics(names))].filter(([name]) => name !== gone))
        return join(...given)
      }
      const worker = world.worker(undefined, transformFlow())
      await worker.start()
      await world.clock.advance(2_000)
      const reasons = worker.status().map(({ reason }) => reason)
      expect(reasons).toContainEqual(expect.stringMatching(new RegExp(`^topic-missing: topic ${gone} is gone`)))
      await worker.stop()
    }
  })
})

describe('a transform in code of one’s own', () => {
  const own = { timeout: 10_000, stops: false }
  const failing = (event: Event): readonly Made[] => {
    if (event.value === 13) throw new TypeError('unlucky')
    if (event.value === 14) throw new RecordError('value-unfit', 'no such value')
    return event.value === 0 ? [] : [one(event)]
  }

  it('puts the records that it fails on into the dead letters, and makes of all others', async () => {
    const world = await createShop()
    for (let value = 0; value < 150; value++) await send(world, 0, { key: 'a', at, value })
    await world.write([{ topic: SOURCE, partition: 0, key: 'a', value: null }])
    await ran(world, making(failing, { own }))
    expect(await values(world)).toEqual(
      Array.from({ length: 150 }, (_, i) => i).filter((i) => ![0, 13, 14].includes(i)),
    )
    const letters = world.transport
      .records('test.dead-letters')
      .map(({ headers }) => String(headers['millrace-error-reason']))
    expect([...new Set(letters)].sort()).toEqual(['no such value', 'unlucky'])
    expect(await skipped(world)).toEqual({ tombstone: 1, filtered: 1 })
  })

  it('stops at the first where that was chosen, and names it', async () => {
    const world = await createShop()
    for (const value of [12, 13, 15]) await send(world, 1, { key: 'a', at, value })
    const worker = world.worker(undefined, making(failing, { own: { ...own, stops: true } }))
    await worker.start()
    await world.clock.advance(2_000)
    const blocked = worker.status().filter(({ condition }) => condition === 'blocked')
    expect(blocked.map(({ reason }) => reason)).toEqual([expect.stringMatching(/^part-failed: source\/1@1: unlucky/)])
    await worker.stop()
  })
})

it('names of more sources than are remembered: the one that was new the longest ago is forgotten', () => {
  const repeats = new Repeats()
  const named = (source: number) => ({ headers: { 'millrace-id': Buffer.from(`split/s${source}/5/0`) } })
  for (let source = 0; source < 10_000; source++) expect(repeats.isRepeat(named(source))).toBe(false)
  expect(repeats.isRepeat(named(0))).toBe(true)
  expect(repeats.isRepeat(named(10_000))).toBe(false)
  expect([1, 10_000].map((source) => repeats.isRepeat(named(source)))).toEqual([true, true])
  const to = new ByteWriter()
  repeats.encode(to)
  const again = new Repeats()
  again.decode(new ByteReader(to.take()))
  expect(again.isRepeat(named(0))).toBe(false)
})

it('of a task’s keys those last used stay in memory', () => {
  const cache = new KeyCache<number>(4)
  for (const [i, key] of ['a', 'b', 'c', 'd', 'e', 'f'].entries()) cache.set(key, i)
  cache.settle(['a', 'c', 'gone'])
  expect(['a', 'b', 'c', 'd', 'e', 'f'].filter((key) => cache.get(key) !== undefined)).toEqual(['a', 'c', 'e', 'f'])
})
