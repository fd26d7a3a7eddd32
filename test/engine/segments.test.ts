/** Large states stand in parts beside their main bytes. Here: a key's even and odd values, each list a part of its own. */
import { describe, expect, it } from 'vitest'
import type { FeatureFlow, Reducer } from '../../src/core/model.ts'
import { World } from './world.ts'

/** Forgets the list that it belongs to. */
const EVEN_GOES = 998
const ODD_GOES = 999
const POISON = 1_000

interface Lists {
  readonly lists: Map<string, number[]>
  readonly stored: Set<string>
  newest: number
}

const listed = (slots: readonly string[]): Reducer<Lists> => ({
  slots,
  create: () => ({ lists: new Map(), stored: new Set(), newest: 0 }),
  apply: (rows) => {
    const values = rows.columns.get('value') as Float64Array
    return (state, row) => {
      const value = values[row] as number
      const name = value % 2 === 0 ? 'even' : 'odd'
      state.newest = Math.max(state.newest, rows.time[row] as number)
      if (value === POISON) state.lists.clear()
      if (value === POISON) throw new TypeError('poison')
      if (value === EVEN_GOES || value === ODD_GOES) state.lists.delete(name)
      else state.lists.set(name, [...(state.lists.get(name) ?? []), value])
    }
  },
  newest: ({ newest }) => newest,
  expire: () => undefined,
  nextDue: () => Number.POSITIVE_INFINITY,
  isSpent: () => false,
  evaluate: ({ lists }) => [lists.get('even')?.length ?? 0, [...(lists.get('odd') ?? [])]],
  encode: ({ lists, stored, newest }) => {
    const gone = [...stored].filter((name) => !lists.has(name))
    for (const name of gone) stored.delete(name)
    for (const name of lists.keys()) stored.add(name)
    return {
      main: Buffer.from(JSON.stringify({ names: [...lists.keys()], newest })),
      segments: [
        ...[...lists].map(([name, list]) => [name, Buffer.from(JSON.stringify(list))] as const),
        ...gone.map((name) => [name, null] as const),
      ],
    }
  },
  decode: (main) => {
    const { names, newest } = JSON.parse(Buffer.from(main).toString())
    return { lists: new Map(names.map((name: string) => [name, []])), stored: new Set(names), newest }
  },
  isWhole: (main) => JSON.parse(Buffer.from(main).toString()).names.length === 0,
  missing: ({ stored }) => [...stored],
  attach: ({ lists }, name, bytes) => void lists.set(name, JSON.parse(Buffer.from(bytes).toString())),
})

const flow = { reducer: listed as FeatureFlow['reducer'], features: ['evens', 'odds'] }
const worldOf = (more: Partial<FeatureFlow> = {}) => World.create({ topics: { events: 1 }, flow: { ...flow, ...more } })

async function send(world: World, key: string, ...values: number[]): Promise<void> {
  for (const value of values) await world.send('events', 0, { key, at: world.clock.now(), value })
}

/** What is said of a key once all was computed by a worker of its own, which has nothing in memory. */
async function said(world: World, ...keys: string[]): Promise<unknown[]> {
  const worker = world.worker()
  await worker.start()
  expect(await world.settle(worker)).toBe(true)
  await worker.stop()
  return Promise.all(keys.map(async (key) => Object.values((await world.features(key))?.values ?? {})))
}

/** Every key of the state that has a part, with the names of its parts. */
async function parts(world: World): Promise<string[]> {
  const found: string[] = []
  for (const partition of [0, 1])
    for await (const page of world.state.scan(await world.state.open(`reduce/load@g1/${partition}`)))
      found.push(...page.map(([name]) => name).filter((name) => name.includes('\0')))
  return found.map((name) => name.replace('\0', ' ')).sort()
}

describe.each([
  {},
  { own: { timeout: 10_000, stops: false } },
  { own: { timeout: 10_000, stops: false }, emitsEach: true },
])('a state in parts (%j)', (more: Partial<FeatureFlow>) => {
  it('is whole for whoever takes the task over, and has no part that is gone', async () => {
    const world = await worldOf(more)
    await send(world, 'a', 2, 3, 4)
    await send(world, 'b', 5)
    expect(await said(world, 'a', 'b')).toEqual([
      [2, [3]],
      [0, [5]],
    ])
    await send(world, 'a', 7, EVEN_GOES)
    expect(await said(world, 'a', 'b')).toEqual([
      [0, [3, 7]],
      [0, [5]],
    ])
    expect(await parts(world)).toEqual(['a odd', 'b odd'])
    await send(world, 'a', 8)
    expect(await said(world, 'a')).toEqual([[1, [3, 7]]])
  })
})

it('an event that code of one’s own fails on leaves no trace in any part, and those around it do', async () => {
  for (const emitsEach of [false, true]) {
    const world = await worldOf({ own: { timeout: 10_000, stops: false }, emitsEach })
    await send(world, 'a', 2, 3)
    await said(world, 'a')
    await send(world, 'a', 5, POISON, 4, EVEN_GOES, 6, ODD_GOES)
    await send(world, 'b', POISON, 7)
    expect(await said(world, 'a', 'b')).toEqual([
      [1, []],
      [0, [7]],
    ])
    expect(await parts(world)).toEqual(['a even', 'b odd'])
    expect(world.transport.records('test.dead-letters')).toHaveLength(2)
    await send(world, 'a', 9)
    expect(await said(world, 'a')).toEqual([[1, [9]]])
  }
})

it('a part that is missing in the store is a clear stop, and nothing is said of the key', async () => {
  const world = await worldOf()
  await send(world, 'a', 2)
  await said(world, 'a')
  const read = world.state.read.bind(world.state)
  world.state.read = async (open, keys) => {
    const found = await read(open, keys)
    return found.map((bytes, i) => (keys[i]?.includes('\0') ? undefined : bytes))
  }
  await send(world, 'a', 4)
  const worker = world.worker()
  await worker.start()
  await world.clock.advance(5_000)
  const blocked = worker.status().filter(({ condition }) => condition === 'blocked')
  expect(blocked.map(({ reason }) => reason)).toEqual([
    expect.stringMatching(/^state-unreadable: .*a segment of a key is missing/),
  ])
  await worker.stop()
  expect(Object.values((await world.features('a'))?.values ?? {})).toEqual([1, []])
})

it('a sink that went back is told every value again, parts and all', async () => {
  const world = await worldOf()
  await send(world, 'a', 2, 3)
  await said(world, 'a')
  await world.store.forget('load@g1')
  expect(await said(world, 'a')).toEqual([[1, [3]]])
})
