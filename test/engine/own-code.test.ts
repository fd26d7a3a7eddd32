import { describe, expect, it } from 'vitest'
import { seeded } from '../../bench/orders.ts'
import type { FeatureFlow } from '../../src/core/model.ts'
import { type Faults, unreliable } from './unreliable.ts'
import { World, windowReducer } from './world.ts'

/** What the value of an event makes the code of one's own do. */
const POISON = { apply: 1_000, evaluate: 1_001, encode: 1_002, nothing: 1_003, loop: 1_004 }
const isPoison = (value: number) => value >= 1_000

/** As `windowReducer`, until it meets poison; then what it remembers is half changed. */
function poisonable(slots: readonly string[]): ReturnType<typeof windowReducer> {
  const reducer = windowReducer(slots)
  const holds = (state: ReturnType<typeof reducer.create>, poison: number) =>
    state.window.some(([, value]) => value === poison)
  return {
    ...reducer,
    apply: (rows) => {
      const apply = reducer.apply(rows)
      const values = rows.columns.get('value') as Float64Array
      return (state, row, clock) => {
        apply(state, row, clock)
        if (values[row] === POISON.apply) throw new TypeError('cannot be applied')
        if (values[row] === POISON.nothing) throw undefined
        if (values[row] === POISON.loop) for (;;) state.window.length = 1
      }
    },
    evaluate: (state, now) => {
      if (holds(state, POISON.evaluate)) throw new RangeError('cannot be evaluated')
      return reducer.evaluate(state, now)
    },
    encode: (state) => {
      if (holds(state, POISON.encode)) throw new RangeError('cannot be encoded')
      return reducer.encode(state)
    },
  }
}

const own = { timeout: 150, stops: false }
/** Where nothing loops, the time that a busy machine may take is no matter. */
const patient = { timeout: 10_000, stops: false }
const flow: Partial<FeatureFlow> = { reducer: poisonable as FeatureFlow['reducer'], own }

/** Names, codes and values of the dead letters, each once. */
function deadLetters(world: World): { code: string; reason: string; value: number }[] {
  const found = world.transport.records('test.dead-letters').map(({ headers, value }) => ({
    id: String(headers['millrace-id']),
    code: String(headers['millrace-error-code']),
    reason: String(headers['millrace-error-reason']),
    value: JSON.parse(String(value)).values.value as number,
  }))
  return [...new Map(found.map((letter) => [letter.id, letter])).values()].map(({ id, ...letter }) => letter)
}

async function sendAll(world: World, values: readonly (readonly [key: string, value: number])[]): Promise<void> {
  for (const [key, value] of values) await world.send('events', 0, { key, at: world.clock.now(), value })
}

async function expectWithoutPoison(world: World, keys: Iterable<string>, context: object = {}): Promise<void> {
  const wrong = world.sent.filter(({ value }) => isPoison(value))
  const right = world.sent.filter(({ value }) => !isPoison(value))
  for (const key of keys) {
    const found = await world.features(key)
    world.sent.splice(0, Number.POSITIVE_INFINITY, ...right)
    expect({ ...context, key, ...found?.values }).toEqual({ ...context, key, ...world.expected(key, found?.at ?? 0) })
  }
  world.sent.push(...wrong)
}

describe.each([2, undefined])('an event that code of one’s own fails on (shuffle: %s)', (shuffle) => {
  it('goes to the dead letters and counts in nothing, while the events around it count', async () => {
    const world = await World.create({ shuffle, topics: { events: 1 }, flow })
    const worker = world.worker()
    await worker.start()
    await sendAll(world, [
      ['a', 1],
      ['a', POISON.apply],
      ['b', 2],
      ['a', 3],
      ['b', POISON.evaluate],
      ['c', POISON.encode],
      ['b', 4],
      ['a', POISON.loop],
      ['a', 5],
      ['d', POISON.nothing],
    ])
    expect(await world.settle(worker)).toBe(true)
    await expectWithoutPoison(world, ['a', 'b'])
    expect(await world.features('c')).toBeUndefined()
    expect(await world.features('d')).toBeUndefined()
    expect(deadLetters(world)).toEqual(
      expect.arrayContaining([
        { code: 'part-failed', reason: 'cannot be applied', value: POISON.apply },
        { code: 'part-failed', reason: 'cannot be evaluated', value: POISON.evaluate },
        { code: 'part-failed', reason: 'cannot be encoded', value: POISON.encode },
        { code: 'part-failed', reason: 'undefined', value: POISON.nothing },
        { code: 'part-timeout', reason: 'no answer within 300 ms', value: POISON.loop },
      ]),
    )
    expect(deadLetters(world)).toHaveLength(5)
    await world.clock.advance(90_000)
    expect((await world.features('a'))?.values).toMatchObject({ count: 0, sum: 0, total: 3 })
    await worker.stop()
  })

  it('stops the task where that was chosen, and is not lost: with the code mended it counts', async () => {
    const stops = { ...own, stops: true }
    const world = await World.create({ shuffle, topics: { events: 1 }, flow: { ...flow, own: stops } })
    const worker = world.worker()
    await worker.start()
    await sendAll(world, [
      ['a', 1],
      ['a', POISON.apply],
      ['a', 2],
    ])
    await world.clock.advance(5_000)
    const reasons = worker.status().filter(({ condition }) => condition === 'blocked')
    expect(reasons.map(({ reason }) => reason)).toEqual([expect.stringMatching(/^part-failed: events\/0@1: cannot be/)])
    expect(deadLetters(world)).toEqual([])
    await worker.stop()
    const mended = world.worker(undefined, { ...world.flow, reducer: windowReducer as FeatureFlow['reducer'] })
    await mended.start()
    expect(await world.settle(mended)).toBe(true)
    expect((await world.features('a'))?.values).toMatchObject({ total: 3 })
    await mended.stop()
  })
})

it('code that gives no answer again and again stops its task, so that its neighbours are not held up for ever', async () => {
  const world = await World.create({
    shuffle: undefined,
    topics: { events: 1 },
    flow: { ...flow, own: { ...own, timeout: 20 } },
  })
  const neighbour = await world.topology('neighbour', {
    generation: 'n1',
    reducer: windowReducer as FeatureFlow['reducer'],
  })
  const { own: _, ...plain } = neighbour
  const worker = world.worker(undefined, world.flow, plain)
  await worker.start()
  await sendAll(
    world,
    Array.from({ length: 30 }, () => ['a', POISON.loop] as const),
  )
  await world.clock.advance(5_000)
  const conditions = Object.fromEntries(worker.status().map(({ topology, condition }) => [topology, condition]))
  expect(conditions).toEqual({ load: 'blocked', neighbour: 'running' })
  const [record] = await world.store.read('neighbour@n1', ['a'])
  expect(record?.values).toMatchObject({ total: 30 })
  await worker.stop()
})

it('a key whose memory fails later, with no new event, is given up with its bytes, and begins anew', async () => {
  const state = { broken: false }
  const reducer = (slots: readonly string[]) => {
    const plain = windowReducer(slots)
    return {
      ...plain,
      expire: (key, clock) => {
        if (state.broken && key.window.some(([, value]) => value === 7)) throw new Error('broken')
        plain.expire(key, clock)
      },
    } satisfies ReturnType<typeof windowReducer>
  }
  const world = await World.create({
    topics: { events: 1 },
    flow: { reducer: reducer as FeatureFlow['reducer'], own: patient },
  })
  const worker = world.worker()
  await worker.start()
  await sendAll(world, [
    ['a', 7],
    ['b', 1],
  ])
  expect(await world.settle(worker)).toBe(true)
  state.broken = true
  await world.clock.advance(70_000)
  expect(await world.features('a')).toBeUndefined()
  expect((await world.features('b'))?.values).toMatchObject({ count: 0, total: 1 })
  const [letter] = world.transport.records('test.dead-letters')
  expect(String(letter?.headers['millrace-error-reason'])).toBe('broken')
  expect(letter?.value?.length).toBeGreaterThan(8)
  await sendAll(world, [['a', 1]])
  await world.clock.advance(2_000)
  expect((await world.features('a'))?.values).toMatchObject({ total: 1 })
  await worker.stop()
})

it('with services that fail, late answers and crashes, the end is the same, and each such event is a dead letter by one name', {
  timeout: 120_000,
}, async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = seeded(seed)
    const int = (n: number) => Math.floor(random() * n)
    const faults: Faults = { random, share: 0.08, late: [] }
    const world = await World.create({
      shuffle: seed % 2 === 0 ? 2 : undefined,
      flow: { ...flow, own: patient },
      transport: (real) => unreliable(real, ['write'], faults),
      state: (real) => unreliable(real, ['open', 'read', 'commit', 'due'], faults),
      sink: (real) => unreliable(real, ['write'], faults),
    })
    const throwing = [POISON.apply, POISON.evaluate, POISON.encode, POISON.nothing]
    for (let round = 0; round < 6; round++) {
      const worker = world.worker()
      await worker.start().catch(() => undefined)
      for (let n = 0; n < 12; n++) {
        const value = random() < 0.1 ? (throwing[int(4)] as number) : int(10)
        const k = int(3)
        await world.send('events', k, { key: `k${k}`, at: world.clock.now() - int(2_000), value })
        if (int(3) === 0) await world.clock.advance(int(3) * 300)
      }
      await worker.stop().catch(() => undefined)
      if (int(2) === 0)
        await faults.late
          .splice(0, 1)[0]?.()
          .catch(() => undefined)
    }
    faults.share = 0
    for (const late of faults.late.splice(0)) await late().catch(() => undefined)
    const last = world.worker()
    await last.start()
    expect({ seed, settled: await world.settle(last) }).toEqual({ seed, settled: true })
    await world.clock.advance(10_000)
    const poison = world.sent.filter(({ value }) => isPoison(value)).map(({ value }) => value)
    expect({
      seed,
      letters: deadLetters(world)
        .map(({ value }) => value)
        .sort(),
    }).toEqual({ seed, letters: poison.sort() })
    await expectWithoutPoison(world, new Set(world.sent.map(({ key }) => key)), { seed })
    await last.stop()
  }
})
