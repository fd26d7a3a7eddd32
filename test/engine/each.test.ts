import { describe, expect, it } from 'vitest'
import { seeded } from '../../bench/orders.ts'
import type { Emission, EmissionBatch, FeatureFlow, Sink } from '../../src/core/model.ts'
import { type Faults, unreliable } from './unreliable.ts'
import { type TestEvent, WINDOW, World } from './world.ts'

/** A world whose flow says a result after every row, and all that was said, by name: repeats in the order in which they came. */
async function createEach(flow: Partial<FeatureFlow> = {}, faults?: Faults, shuffle: number | undefined = 2) {
  const said = new Map<string, Emission[]>()
  const batches: EmissionBatch[] = []
  const world = await World.create({
    shuffle,
    flow: { emitsEach: true, ...flow },
    sink: (real) => {
      const taking: Sink = {
        ...real,
        write: async (batch) => {
          batches.push(batch)
          for (const emission of batch.emissions) {
            const name = `${batch.task}/${emission.key}@${emission.cause}`
            said.set(name, [...(said.get(name) ?? []), emission])
          }
          return real.write(batch)
        },
      }
      return faults ? unreliable(taking, ['write'], faults) : taking
    },
    ...(faults ? { state: (real) => unreliable(real, ['read', 'commit'], faults) } : {}),
  })
  return { world, said, batches }
}

const isOfRow = (name: string) => /@p[\d.]+$/.test(name)

describe.each([
  ['through a shuffle', 2],
  ['reading a keyed topic directly', undefined],
])('a flow that says each, %s', (_, shuffle) => {
  it('says one result per event, under a name of its own, as of then', async () => {
    const { world, said } = await createEach({ ...(shuffle === undefined ? { shuffle } : {}) }, undefined, shuffle)
    const now = world.clock.now()
    const events = Array.from(
      { length: 60 },
      (_, i): TestEvent => ({ key: 'ab'[i % 2] as string, at: now + i, value: i }),
    )
    await world.send('events', 0, ...events.filter(({ key }) => key === 'a'))
    await world.send('events', 1, ...events.filter(({ key }) => key === 'b'))
    const worker = world.worker()
    await worker.start()
    expect(await world.settle(worker)).toBe(true)
    const ofRows = [...said].filter(([name]) => isOfRow(name))
    expect(ofRows.length).toBe(60)
    for (const [name, [first]] of ofRows) {
      const { key, at, values } = first as Emission
      const { count, sum, total } = world.expected(key, at)
      expect({ name, values }).toEqual({ name, values: [count, sum, total] })
    }
    await world.expectExact()
    await worker.stop()
  })

  it('says it again when time changes it, with no new event', async () => {
    const { world, said } = await createEach({ ...(shuffle === undefined ? { shuffle } : {}) }, undefined, shuffle)
    for (const partition of [0, 1, 2])
      await world.send('events', partition, { key: `k${partition}`, at: world.clock.now(), value: 1 })
    const worker = world.worker()
    await worker.start()
    await world.settle(worker)
    await world.clock.advance(2 * WINDOW)
    for (const key of ['k0', 'k1', 'k2'])
      expect((await world.features(key))?.values).toEqual({ count: 0, sum: 0, total: 1 })
    expect([...said].filter(([name]) => isOfRow(name)).length).toBe(3)
    await worker.stop()
  })

  it('says what is repeated after a failure as it was said before, and leaves nothing out', {
    timeout: 60_000,
  }, async () => {
    for (let seed = 1; seed <= 30; seed++) {
      const random = seeded(seed)
      const faults: Faults = { random, share: 0, late: [] }
      const { world, said } = await createEach({}, faults, shuffle)
      for (let round = 0; round < 4; round++) {
        const worker = world.worker()
        await worker.start()
        faults.share = 0.15
        for (let n = 0; n < 30; n++) {
          const k = Math.floor(random() * 6)
          const at = world.clock.now() - Math.floor(random() * (random() < 0.1 ? 90_000 : 3_000))
          await world.send('events', k % 3, { key: 'abcdef'[k] as string, at, value: n })
        }
        await world.clock.advance(Math.floor(random() * 4_000))
        await worker.stop()
        faults.share = 0
      }
      const last = world.worker()
      await last.start()
      expect({ seed, settled: await world.settle(last) }).toEqual({ seed, settled: true })
      const totals = new Map<string, number[]>()
      for (const [name, emissions] of said) {
        if (!isOfRow(name)) continue
        const [{ key, at, values }] = emissions as [Emission]
        for (const repeat of emissions) expect({ seed, name, ...repeat }).toMatchObject({ at, values })
        totals.set(key, [...(totals.get(key) ?? []), values?.[2] as number])
      }
      for (const [key, found] of totals) {
        const count = world.sent.filter((event) => event.key === key).length
        expect({ seed, key, totals: found.sort((a, b) => a - b) }).toEqual({
          seed,
          key,
          totals: Array.from({ length: count }, (_, i) => i + 1),
        })
      }
      await world.expectExact()
      await last.stop()
    }
  })
})

describe('the names of results', () => {
  it('differ for events of two sources at one position', async () => {
    const { world, said } = await createEach({ emitsEach: false })
    for (let n = 0; n < 5; n++) {
      await world.send('events', 0, { key: 'a', at: world.clock.now(), value: n })
      await world.send('events', 1, { key: 'a', at: world.clock.now(), value: n })
    }
    const worker = world.worker()
    await worker.start()
    await world.settle(worker)
    await world.send('events', 0, { key: 'a', at: world.clock.now(), value: 1 })
    await world.settle(worker)
    await world.send('events', 1, { key: 'a', at: world.clock.now(), value: 1 })
    await world.settle(worker)
    const ofRows = [...said].filter(([name]) => isOfRow(name))
    expect(ofRows.length).toBeGreaterThan(2)
    expect(ofRows.map(([, emissions]) => emissions.length)).toEqual(ofRows.map(() => 1))
    await worker.stop()
  })

  it('reach the feature store as the last of each entity alone', async () => {
    const { world } = await createEach()
    const events = Array.from(
      { length: 30 },
      (_, i): TestEvent => ({ key: 'ab'[i % 2] as string, at: world.clock.now(), value: 1 }),
    )
    for (const partition of [0, 1, 2]) await world.send('events', partition, ...events)
    let largest = 0
    const write = world.store.write.bind(world.store)
    world.store.write = (given) => {
      largest = Math.max(largest, given.batch.emissions.length)
      return write(given)
    }
    const worker = world.worker()
    await worker.start()
    await world.settle(worker)
    expect((await world.features('a'))?.values.total).toBe(45)
    expect(largest).toBeLessThanOrEqual(2)
    await worker.stop()
  })
})
