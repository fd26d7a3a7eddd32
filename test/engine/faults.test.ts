import { describe, expect, it } from 'vitest'
import { seeded } from '../../bench/orders.ts'
import type { Worker } from '../../src/engine/worker.ts'
import { type Faults, unreliable } from './unreliable.ts'
import { type TestEvent, World } from './world.ts'

const keys = ['a', 'b', 'c', 'd', 'e', 'f']

/** Workers come, go, crash and fence each other while every service fails now and then. */
async function run(seed: number, shuffle: number | undefined): Promise<void> {
  const random = seeded(seed)
  const int = (n: number) => Math.floor(random() * n)
  const faults: Faults = { random, share: 0.08, late: [] }
  const world = await World.create({
    shuffle,
    transport: (real) => unreliable(real, ['write', 'read', 'ranges', 'committed'], faults),
    state: (real) => unreliable(real, ['open', 'read', 'commit', 'due', 'check'], faults),
    sink: (real) => unreliable(real, ['write', 'mark', 'caughtUp'], faults),
  })
  const workers: Worker[] = []
  const start = async () => {
    const worker = world.worker(random() < 0.3 ? `tag${int(3)}` : undefined)
    try {
      await worker.start()
      workers.push(worker)
    } catch {
      await worker.stop()
    }
  }
  for (let round = 0; round < 25; round++) {
    if (workers.length === 0 || random() < 0.15) await start()
    if (workers.length > 1 && random() < 0.2)
      await workers
        .splice(int(workers.length), 1)[0]
        ?.stop()
        .catch(() => undefined)
    for (let n = int(12); n > 0; n--) {
      const k = int(keys.length)
      const event: TestEvent = {
        key: keys[k] as string,
        at: world.clock.now() - int(random() < 0.1 ? 90_000 : 3_000),
        value: int(10),
      }
      await world.send('events', shuffle === undefined ? k % 3 : int(3), event)
    }
    if (random() < 0.3)
      await faults.late
        .splice(int(faults.late.length), 1)[0]?.()
        .catch(() => undefined)
    await world.clock.advance(int(4) * 400)
  }
  faults.share = 0
  for (const worker of workers) await worker.stop().catch(() => undefined)
  for (const late of faults.late.splice(0)) await late().catch(() => undefined)
  const last = world.worker()
  await last.start()
  expect({ seed, settled: await world.settle(last) }).toEqual({ seed, settled: true })
  await world.clock.advance(20_000)
  for (const key of new Set(world.sent.map((event) => event.key))) {
    const found = await world.features(key)
    expect({ seed, key, ...found?.values }).toEqual({ seed, key, ...world.expected(key, found?.at ?? 0) })
  }
  await last.stop()
}

describe('with services that fail, late answers, crashes and zombies, the end is the same', () => {
  const seeds = Array.from({ length: 150 }, (_, i) => i + 1)
  it('through a shuffle', { timeout: 120_000 }, async () => {
    for (const seed of seeds) await run(seed, 2)
  })
  it('reading a keyed topic directly', { timeout: 120_000 }, async () => {
    for (const seed of seeds) await run(seed, undefined)
  })
})
