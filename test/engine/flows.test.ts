import { describe, expect, it } from 'vitest'
import { seeded } from '../../bench/orders.ts'
import type { Draft, FeatureFlow, Flow } from '../../src/core/model.ts'
import type { Worker } from '../../src/engine/worker.ts'
import { type Faults, unreliable } from './unreliable.ts'
import { World } from './world.ts'

const KEYS = ['a', 'b', 'c', 'd', 'e']

async function send(world: World, count: number): Promise<void> {
  for (let i = 0; i < count; i++)
    await world.send('events', i % 3, {
      key: KEYS[i % 5] as string,
      at: world.clock.now() - (i % 30) * 1_000,
      value: i,
    })
}

async function take(worker: Worker, ...flows: readonly Flow[]): Promise<void> {
  for (const flow of flows) await worker.prepare(flow)
}

/** An update moves no further than the clock does. */
async function update(world: World, worker: Worker, ...flows: readonly Flow[]): Promise<void> {
  await take(worker, ...flows)
  const updated = worker.update(flows)
  await world.clock.advance(1_000)
  await updated
}

/** A world whose state counts how often each task was opened. */
async function counted(): Promise<{ world: World; opens: Map<string, number> }> {
  const opens = new Map<string, number>()
  const world = await World.create({
    state: (real) =>
      Object.assign(Object.create(real) as typeof real, {
        open: (task: string) => {
          opens.set(task, (opens.get(task) ?? 0) + 1)
          return real.open(task)
        },
      }),
  })
  return { world, opens }
}

describe('while a worker runs', () => {
  it('a topology that is added is computed from its start, and the tasks of the others are not opened again', async () => {
    const { world, opens } = await counted()
    const worker = world.worker()
    await worker.start()
    await send(world, 200)
    await world.settle(worker)
    const added = await world.topology('added')
    await update(world, worker, world.flow, added)
    await send(world, 200)
    expect(await world.settle(worker)).toBe(true)
    await world.expectExact()
    await world.expectExact('added@g1')
    for (const [task, count] of opens) if (/^(map|reduce)\/load/.test(task)) expect([task, count]).toEqual([task, 1])
    expect(await world.store.alias('added')).toBe('added@g1')
    await worker.stop()
  })

  it('a topology that is removed stops with all committed, and goes on where it was when it comes back', async () => {
    const { world, opens } = await counted()
    const other = await world.topology('other')
    const worker = world.worker(undefined, world.flow, other)
    await worker.start()
    await send(world, 200)
    await world.settle(worker)
    await update(world, worker, world.flow)
    expect(worker.status().map(({ topology }) => topology)).not.toContain('other')
    await send(world, 200)
    expect(await world.settle(worker)).toBe(true)
    await world.expectExact()
    const before = await world.features('a', 'other@g1')
    await world.clock.advance(90_000)
    expect(await world.features('a', 'other@g1')).toEqual(before)
    await update(world, worker, world.flow, await world.topology('other'))
    expect(await world.settle(worker)).toBe(true)
    await world.expectExact('other@g1')
    for (const [task, count] of opens) if (/^(map|reduce)\/load/.test(task)) expect([task, count]).toEqual([task, 1])
    await worker.stop()
  })

  it('the last topology may go, and one may come to a worker that has none', async () => {
    const world = await World.create()
    const worker = world.worker()
    await worker.start()
    await send(world, 50)
    await world.settle(worker)
    await update(world, worker)
    expect(worker.status()).toEqual([])
    await send(world, 50)
    await update(world, worker, world.flow)
    expect(await world.settle(worker)).toBe(true)
    await world.expectExact()
    await worker.stop()
  })

  it('another definition of a generation goes on from the same state', async () => {
    for (const shuffle of [2, undefined]) {
      const world = await World.create({ shuffle })
      const worker = world.worker()
      await worker.start()
      for (let i = 0; i < 90; i++)
        await world.send('events', i % 3, { key: KEYS[i % 3] as string, at: world.clock.now(), value: i })
      await world.clock.advance(100)
      await update(world, worker, { ...world.flow, definition: 'd2', declaredAt: 2 })
      for (let i = 0; i < 90; i++)
        await world.send('events', i % 3, { key: KEYS[i % 3] as string, at: world.clock.now(), value: i })
      expect(await world.settle(worker)).toBe(true)
      await world.expectExact()
      await worker.stop()
    }
  })

  it('of two workers that hold other definitions, the one with the earlier stops until it has the later', async () => {
    const world = await World.create()
    const [first, second] = [world.worker(), world.worker()]
    await first.start()
    await second.start()
    await send(world, 100)
    await world.clock.advance(10_000)
    const later = { ...world.flow, definition: 'd2', declaredAt: 2 }
    await update(world, first, later)
    await first.stop()
    await send(world, 100)
    await world.clock.advance(10_000)
    expect(second.status().some(({ reason }) => reason?.startsWith('definition-older'))).toBe(true)
    await update(world, second, { ...later })
    expect(await world.settle(second)).toBe(true)
    await world.expectExact()
    await second.stop()
  })

  it('the alias moves to another generation when it has caught up, and back when the first is declared again', async () => {
    let refused = ''
    const world = await World.create({
      transport: (real) =>
        Object.assign(Object.create(real) as typeof real, {
          write: (drafts: readonly Draft[]) =>
            drafts.some(({ topic }) => topic === refused) ? Promise.reject(new Error('refused')) : real.write(drafts),
        }),
    })
    const worker = world.worker()
    await worker.start()
    await send(world, 100)
    await world.settle(worker)
    expect(await world.store.alias('load')).toBe('load@g1')
    const second = await world.topology('load', { generation: 'g2', declaredAt: 2 })
    await update(world, worker, second)
    await send(world, 100)
    expect(await world.settle(worker)).toBe(true)
    expect(await world.store.alias('load')).toBe('load@g2')
    await world.expectExact('load@g2')
    refused = worker.shuffleTopic(world.flow)
    await update(world, worker, { ...world.flow, declaredAt: 3 })
    await world.clock.advance(10_000)
    expect(await world.store.alias('load')).toBe('load@g2')
    refused = ''
    await send(world, 100)
    expect(await world.settle(worker)).toBe(true)
    expect(await world.store.alias('load')).toBe('load@g1')
    await world.expectExact('load@g1')
    // an older declaration that comes up late takes nothing over
    const other = world.worker(undefined, second)
    await other.start()
    await world.settle(other)
    expect(await world.store.alias('load')).toBe('load@g1')
    await worker.stop()
    await other.stop()
  })

  it('a topology whose topic is missing is refused, and the others go on', async () => {
    const world = await World.create()
    const worker = world.worker()
    await worker.start()
    const [source] = world.flow.sources as [FeatureFlow['sources'][number]]
    const wrong = await world.topology('wrong', { sources: [{ ...source, topic: 'nowhere' }] })
    await expect(worker.prepare(wrong)).rejects.toMatchObject({ code: 'topic-missing' })
    await send(world, 50)
    expect(await world.settle(worker)).toBe(true)
    await world.expectExact()
    await worker.stop()
  })
})

it('the alias moves to a topology that reads directly though no event comes to some partitions', async () => {
  const world = await World.create({ shuffle: undefined })
  await world.send('events', 1, { key: 'a', at: world.clock.now(), value: 1 })
  const worker = world.worker()
  await worker.start()
  await world.clock.advance(10_000)
  expect(await world.store.alias('load')).toBe('load@g1')
  await worker.stop()
})

/** Topologies come, change and go on two workers, at other times on each, while services fail and workers crash. */
async function run(seed: number): Promise<void> {
  const random = seeded(seed)
  const int = (n: number) => Math.floor(random() * n)
  const faults: Faults = { random, share: 0.05, late: [] }
  const world = await World.create({
    transport: (real) => unreliable(real, ['write', 'read', 'ranges', 'committed'], faults),
    state: (real) => unreliable(real, ['open', 'read', 'commit', 'due', 'check'], faults),
    sink: (real) => unreliable(real, ['write', 'mark', 'caughtUp'], faults),
  })
  /** What is declared now, and what each worker holds of it. */
  const declared = new Map<string, FeatureFlow>([['load', world.flow]])
  const workers: Worker[] = []
  let declarations = 1
  const declare = async () => {
    const name = `t${int(3)}`
    declarations++
    if (declared.has(name) && random() < 0.4) declared.delete(name)
    else {
      const changes = { generation: `g${int(2)}`, definition: `d${declarations}`, declaredAt: declarations }
      declared.set(name, await world.topology(name, changes))
    }
  }
  const start = async () => {
    const worker = world.worker(undefined, ...declared.values())
    try {
      await worker.start()
      workers.push(worker)
    } catch {
      await worker.stop()
    }
  }
  const takeUp = async (worker: Worker) => {
    const flows = [...declared.values()]
    try {
      await take(worker, ...flows)
      void worker.update(flows)
    } catch {
      // tried again when it is next taken up
    }
  }
  for (let round = 0; round < 25; round++) {
    if (workers.length === 0 || (workers.length < 3 && random() < 0.1)) await start()
    if (random() < 0.3) await declare()
    if (workers.length > 1 && random() < 0.1) {
      const stopping = workers.splice(int(workers.length), 1)[0]?.stop()
      await world.clock.advance(10_000)
      await stopping?.catch(() => undefined)
    }
    for (const worker of workers) if (random() < 0.4) await takeUp(worker)
    for (let n = int(12); n > 0; n--) {
      const key = KEYS[int(5)] as string
      await world.send('events', int(3), { key, at: world.clock.now() - int(3_000), value: int(10) })
    }
    if (random() < 0.3)
      await faults.late
        .splice(int(faults.late.length), 1)[0]?.()
        .catch(() => undefined)
    await world.clock.advance(int(4) * 400)
  }
  faults.share = 0
  for (const late of faults.late.splice(0)) await late().catch(() => undefined)
  const flows = [...declared.values()]
  for (const worker of workers) {
    await take(worker, ...flows)
    const updated = worker.update(flows)
    await world.clock.advance(10_000)
    await updated
  }
  const [worker] = workers as [Worker]
  for (const other of workers.slice(1)) {
    const stopping = other.stop()
    await world.clock.advance(10_000)
    await stopping
  }
  expect({ seed, settled: await world.settle(worker), status: worker.status() }).toMatchObject({ seed, settled: true })
  await world.clock.advance(20_000)
  for (const { name, generation } of flows) {
    await world.expectExact(`${name}@${generation}`)
    expect([seed, await world.store.alias(name)]).toEqual([seed, `${name}@${generation}`])
  }
  await worker.stop()
}

it('topologies that come, change and go under faults lose and double nothing', { timeout: 200_000 }, async () => {
  for (let seed = 1; seed <= 60; seed++) await run(seed)
})
