import { describe, expect, it } from 'vitest'
import { seeded } from '../../bench/orders.ts'
import { MillraceError } from '../../src/core/errors.ts'
import { partitionOf } from '../../src/core/key.ts'
import type { Draft, Event, TransformFlow, Transport } from '../../src/core/model.ts'
import type { Worker } from '../../src/engine/worker.ts'
import {
  createShop,
  firstOfEachName,
  MADE,
  nameIn,
  reader,
  SOURCE,
  SOURCE_PARTITIONS,
  send,
  transformFlow,
} from './shop.ts'
import { type Faults, unreliable } from './unreliable.ts'
import type { TestEvent, World } from './world.ts'

const keys = ['a', 'b', 'c', 'd']

async function sendMany(world: World, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const event: TestEvent = { key: keys[i % 4] as string, at: world.clock.now() - ((i * 31) % 5_000), value: i % 11 }
    await send(world, i % SOURCE_PARTITIONS, event)
  }
}

/** A log that, like Kafka, writes what comes before a record that it refuses in the same partition, and all of other partitions. */
function refusingAbove({ limit, all = false }: { limit: number; all?: boolean }, real: Transport): Transport {
  const isRefused = ({ topic, key, value }: Draft) =>
    (all || topic === MADE) && (key?.length ?? 0) + (value?.length ?? 0) > limit
  const write = async (drafts: readonly Draft[]) => {
    const stopped = new Set<number>()
    for (const draft of drafts) {
      const partition = draft.partition ?? partitionOf(String(draft.key), 2)
      if (isRefused(draft)) stopped.add(partition)
      if (!stopped.has(partition)) await real.write([draft])
    }
    if (stopped.size > 0) throw new MillraceError('record-too-large', 'too large')
  }
  return Object.assign(Object.create(real) as Transport, { write })
}

describe('a transform', () => {
  it('appends what it makes, in order, named by what it was made of, with the timestamp of that', async () => {
    const world = await createShop()
    await send(world, 1, { key: 'a', at: 5, value: 2 }, { key: 'b', at: 6, value: 0 }, { key: 'c', at: 7, value: 1 })
    const worker = world.worker(undefined, transformFlow())
    await worker.start()
    expect(await world.settle(worker)).toBe(true)
    const { incarnation } = (await world.transport.topics([SOURCE])).get(SOURCE) as { incarnation: string }
    const records = [...(await firstOfEachName(world)).values()]
    const found = records.map((record) => [nameIn(record), String(record.key), JSON.parse(String(record.value)).at])
    expect(found.sort()).toEqual([
      [`split/${SOURCE}#${incarnation}/1/0/0`, 'a0', 5],
      [`split/${SOURCE}#${incarnation}/1/0/1`, 'a1', 5],
      [`split/${SOURCE}#${incarnation}/1/2/0`, 'c0', 7],
    ])
    expect(new Set(records.map(({ timestamp }) => timestamp))).toEqual(
      new Set([world.transport.records(SOURCE)[0]?.timestamp]),
    )
    await worker.stop()
  })

  it('puts records without a key into the same partition each time', async () => {
    const world = await createShop()
    const [source] = transformFlow().sources as [TransformFlow['sources'][number]]
    const make: typeof source.make = (event, ...others) =>
      source.make(event, ...others).map((made) => ({ ...made, key: null }))
    for (let i = 0; i < 12; i++) await send(world, i % SOURCE_PARTITIONS, { key: 'a', at: i, value: 1 })
    for (const generation of ['once', 'again']) {
      const worker = world.worker(undefined, transformFlow({ generation, sources: [{ ...source, make }] }))
      await worker.start()
      expect(await world.settle(worker)).toBe(true)
      await worker.stop()
    }
    const places = new Map<string, Set<number>>()
    for (const partition of [0, 1]) {
      const { records } = await world.transport.read({ topic: MADE, partition }, 0)
      for (const record of records)
        places.set(nameIn(record), new Set([...(places.get(nameIn(record)) ?? []), partition]))
    }
    expect(places.size).toBe(12)
    for (const [name, partitions] of places) {
      const [, from] = /\/(\d)\/\d+\/0$/.exec(name) ?? []
      expect([name, ...partitions]).toEqual([name, Number(from) % 2])
    }
  })

  it('goes on where it stands after a graceful stop, with nothing twice', async () => {
    const world = await createShop()
    await sendMany(world, 50)
    for (let round = 0; round < 3; round++) {
      const worker = world.worker(undefined, transformFlow())
      await worker.start()
      expect(await world.settle(worker)).toBe(true)
      await worker.stop()
      await sendMany(world, 20)
    }
    const last = world.worker(undefined, transformFlow())
    await last.start()
    expect(await world.settle(last)).toBe(true)
    expect(world.transport.records(MADE)).toHaveLength(world.sent.length)
    await last.stop()
  })

  it('that cannot commit what it wrote writes it again under the same names, and readers count it once', async () => {
    let refused = 0
    const world = await createShop({
      state: (real) =>
        Object.assign(Object.create(real) as typeof real, {
          commit: async (...args: Parameters<typeof real.commit>) => {
            const isFirstWork = args[0].task.startsWith('transform/') && args[1].position > 0 && refused < 3
            if (isFirstWork) refused++
            return isFirstWork ? Promise.reject(new Error('crash')) : real.commit(...args)
          },
        }),
    })
    await sendMany(world, 60)
    const worker = world.worker(undefined, transformFlow(), reader(world))
    await worker.start()
    await world.clock.advance(5_000)
    expect(await world.settle(worker)).toBe(true)
    expect(refused).toBe(3)
    expect(world.transport.records(MADE).length).toBeGreaterThan(world.sent.length)
    expect((await firstOfEachName(world)).size).toBe(world.sent.length)
    await world.expectExact()
    await worker.stop()
  })

  it('puts a record that it cannot be made of into the dead letters, whole, and goes on', async () => {
    const world = await createShop()
    const [source] = transformFlow().sources as [TransformFlow['sources'][number]]
    const make: typeof source.make = (event, ...args) => {
      const made = source.make(event, ...args)
      if ((event as unknown as TestEvent).key === 'b') throw new Error('not this one')
      return made
    }
    await send(world, 0, { key: 'a', at: 1, value: 1 })
    await world.write([{ topic: SOURCE, partition: 0, key: null, value: Buffer.from('{'), timestamp: 1 }])
    await send(world, 0, { key: 'b', at: 1, value: 2 }, { key: 'c', at: 1, value: 1 })
    const worker = world.worker(undefined, transformFlow({ sources: [{ ...source, make }] }))
    await worker.start()
    expect(await world.settle(worker)).toBe(true)
    const letters = world.transport.records('test.dead-letters')
    expect(letters.map(({ headers }) => String(headers['millrace-error-code']))).toEqual([
      'record-malformed',
      'expression-failed',
    ])
    expect(
      world.transport
        .records(MADE)
        .map(({ key }) => String(key))
        .sort(),
    ).toEqual(['a0', 'c0'])
    await worker.stop()
  })

  it('puts a record of which something is made that the log never takes into the dead letters, and goes on in order', async () => {
    const world = await createShop({ transport: (real) => refusingAbove({ limit: 1_000 }, real) })
    const key = 'k'.repeat(600)
    for (let i = 0; i < 9; i++)
      await send(world, 0, { key: i % 4 === 2 ? `${i}${key}` : `${i}`, at: i, value: 2 }, { key: 'z', at: i, value: 0 })
    const worker = world.worker(undefined, transformFlow())
    await worker.start()
    expect(await world.settle(worker)).toBe(true)
    const letters = world.transport.records('test.dead-letters')
    expect(letters.map(({ headers }) => String(headers['millrace-error-code']))).toEqual(
      Array(2).fill('record-too-large'),
    )
    expect(letters.map(({ value }) => value)).toEqual(
      [4, 12].map((position) => world.transport.records(SOURCE)[position]?.value),
    )
    const made = [...(await firstOfEachName(world)).values()]
    expect(made).toHaveLength(14)
    for (const partition of [0, 1]) {
      const { records } = await world.transport.read({ topic: MADE, partition }, 0)
      const positions = records.map((record) => Number(nameIn(record).split('/').at(-2)))
      const firsts = positions.filter((at, i) => positions.slice(0, i).every((before) => before !== at))
      expect(firsts).toEqual([...firsts].sort((a, b) => a - b))
    }
    await worker.stop()
  })

  it('of a record too large for the dead letters, too, keeps where it is and why', async () => {
    const world = await createShop({ transport: (real) => refusingAbove({ limit: 1_000, all: true }, real) })
    await world.write([{ topic: SOURCE, partition: 0, key: 'me', value: Buffer.from('{'.repeat(2_000)), timestamp: 1 }])
    const worker = world.worker(undefined, transformFlow())
    await worker.start()
    expect(await world.settle(worker)).toBe(true)
    const [letter] = world.transport.records('test.dead-letters')
    expect(letter).toMatchObject({ key: Buffer.from('me'), value: null })
    const headers = Object.fromEntries(
      Object.entries(letter?.headers ?? {}).map(([name, text]) => [name, String(text)]),
    )
    expect(headers).toMatchObject({
      'millrace-error-code': 'record-malformed',
      'millrace-source-position': '0',
      'millrace-left-out': 'value of 2000 bytes: the log takes no record so large',
    })
    await worker.stop()
  })

  it('of what another transform made drops repeats, so that they do not get names of their own', async () => {
    const world = await createShop()
    await world.transport.create({ name: 'again', partitions: 2, retentionMs: -1 })
    await sendMany(world, 40)
    const first = world.worker('one', transformFlow())
    await first.start()
    expect(await world.settle(first)).toBe(true)
    await first.stop()
    // as after a crash: the same records once more
    await world.write(
      world.transport
        .records(MADE)
        .map(({ key, value, headers, timestamp }) => ({ topic: MADE, key, value, headers, timestamp })),
    )
    const copy: TransformFlow['sources'][number] = {
      topic: MADE,
      fields: [],
      named: true,
      make: (_, record) => [{ topic: 'again', index: 0, key: record.key, value: record.value as Buffer }],
    }
    const second = world.worker('two', transformFlow({ name: 'copy', writes: ['again'], sources: [copy] }))
    await second.start()
    expect(await world.settle(second)).toBe(true)
    expect(world.transport.records('again')).toHaveLength(world.sent.length)
    await second.stop()
  })

  it('that is rebuilt makes everything again under the same names, and readers count it once', async () => {
    const world = await createShop()
    await sendMany(world, 60)
    for (const generation of ['once', 'again']) {
      const worker = world.worker(undefined, transformFlow({ generation }), reader(world))
      await worker.start()
      await world.clock.advance(2_000)
      expect(await world.settle(worker)).toBe(true)
      await worker.stop()
    }
    expect(world.transport.records(MADE)).toHaveLength(2 * world.sent.length)
    expect((await firstOfEachName(world)).size).toBe(world.sent.length)
    await world.expectExact()
  })

  it('stops where a later definition has written', async () => {
    const world = await createShop()
    await sendMany(world, 10)
    const later = world.worker(undefined, transformFlow({ definition: 'd2', declaredAt: 2 }))
    await later.start()
    expect(await world.settle(later)).toBe(true)
    await later.stop()
    const older = world.worker(undefined, transformFlow())
    await older.start()
    await world.clock.advance(1_000)
    expect(older.status().map(({ condition, reason }) => [condition, reason?.split(':')[0]])).toEqual(
      Array.from({ length: SOURCE_PARTITIONS }, () => ['blocked', 'definition-older']),
    )
    await older.stop()
  })
})

describe('a table', () => {
  const lookedUp = (topic: string): TransformFlow => {
    const [source] = transformFlow().sources as [TransformFlow['sources'][number]]
    const make: typeof source.make = (event, _, lookup) => {
      const { key } = event as unknown as TestEvent
      const found: Event | null = lookup(topic, key)
      return [{ topic: MADE, index: 0, key, value: Buffer.from(JSON.stringify({ key, city: found?.city ?? null })) }]
    }
    return transformFlow({ tables: [{ topic, fields: [['city']] }], sources: [{ ...source, make }] })
  }
  const put = (world: World, key: string, city: string | null) => {
    const value = city === null ? null : Buffer.from(city === '{' ? city : JSON.stringify({ city }))
    return world.write([{ topic: 'stores', key, value, timestamp: 1 }])
  }
  const shop = async (options?: Parameters<typeof createShop>[0]) => {
    const world = await createShop(options)
    await world.transport.create({ name: 'stores', partitions: 2, retentionMs: -1, compacted: true })
    return world
  }
  const cities = (world: World) => world.transport.records(MADE).map(({ value }) => JSON.parse(String(value)).city)
  const ask = (world: World, key: string) => send(world, 0, { key, at: 1, value: 1 })

  it('is read to its end before the first record is looked at, and followed from then on', async () => {
    const world = await shop()
    await put(world, 'a', 'Oslo')
    await put(world, 'b', 'Rome')
    await put(world, 'a', 'Bern')
    await ask(world, 'a')
    await ask(world, 'b')
    await ask(world, 'x')
    const worker = world.worker(undefined, lookedUp('stores'))
    await worker.start()
    expect(await world.settle(worker)).toBe(true)
    expect(cities(world).sort()).toEqual(['Bern', 'Rome', null].sort())
    await put(world, 'x', 'Paris')
    await put(world, 'a', null)
    await put(world, 'b', '{')
    await world.clock.advance(2_000)
    const before = cities(world).length
    for (const key of ['x', 'a', 'b']) await ask(world, key)
    expect(await world.settle(worker)).toBe(true)
    expect(cities(world).slice(before).sort()).toEqual(['Paris', null, null].sort())
    await worker.stop()
  })

  it('is part of what a worker has to catch up with', async () => {
    const world = await shop()
    await put(world, 'a', 'Oslo')
    await ask(world, 'a')
    const worker = world.worker(undefined, lookedUp('stores'))
    await worker.start()
    expect(await world.settle(worker)).toBe(true)
    expect(await worker.caughtUp()).toBe(true)
    await put(world, 'a', 'Bern')
    expect(await worker.caughtUp()).toBe(false)
    await world.clock.advance(2_000)
    expect(await worker.caughtUp()).toBe(true)
    await ask(world, 'a')
    expect(await worker.caughtUp()).toBe(false)
    await worker.stop()
  })

  it('that cannot be read makes its tasks wait, and nothing is made meanwhile', async () => {
    let down = true
    const world = await shop({
      transport: (real) =>
        Object.assign(Object.create(real) as typeof real, {
          ranges: (topic: string) =>
            down && topic === 'stores' ? Promise.reject(new Error('down')) : real.ranges(topic),
        }),
    })
    await put(world, 'a', 'Oslo')
    await ask(world, 'a')
    const worker = world.worker(undefined, lookedUp('stores'))
    await worker.start()
    await world.clock.advance(10_000)
    expect(cities(world)).toEqual([])
    expect(worker.status().filter(({ condition }) => condition === 'waiting')).toMatchObject([
      { reason: 'reading tables: table stores: down' },
    ])
    down = false
    expect(await world.settle(worker)).toBe(true)
    expect(cities(world)).toEqual(['Oslo'])
    await worker.stop()
  })

  it('whose topic was made again is read anew, and holds nothing of before', async () => {
    const world = await shop()
    for (const [key, city] of Object.entries({ a: 'Oslo', b: 'Rome' })) await put(world, key, city)
    const worker = world.worker(undefined, lookedUp('stores'))
    await worker.start()
    await ask(world, 'a')
    expect(await world.settle(worker)).toBe(true)
    await world.transport.deleteTopic('stores')
    await world.clock.advance(1_000)
    await world.transport.create({ name: 'stores', partitions: 2, retentionMs: -1, compacted: true })
    for (const [key, city] of Object.entries({ c: 'Paris', b: 'Bern' })) await put(world, key, city)
    await world.clock.advance(1_000)
    for (const key of ['a', 'b', 'c']) await ask(world, key)
    expect(await world.settle(worker)).toBe(true)
    expect(cities(world).sort()).toEqual(['Oslo', null, 'Bern', 'Paris'].sort())
    await worker.stop()
  })

  it('that nothing looks up in any more is forgotten, and read anew for who comes later', async () => {
    const world = await shop({ settings: { tableBytes: 100 } })
    await put(world, 'a', 'Oslo')
    await ask(world, 'a')
    const worker = world.worker(undefined, lookedUp('stores'))
    await worker.start()
    expect(await world.settle(worker)).toBe(true)
    await worker.update([])
    await put(world, 'a', 'B'.repeat(60))
    const later = { ...lookedUp('stores'), name: 'later' }
    await worker.prepare(later)
    await worker.update([later])
    expect(await world.settle(worker)).toBe(true)
    expect(cities(world)).toEqual(['Oslo', 'B'.repeat(60)])
    await worker.stop()
  })

  it('larger than a worker may hold is a clear stop', async () => {
    const world = await shop({ settings: { tableBytes: 100 } })
    await put(world, 'a', 'O'.repeat(100))
    await ask(world, 'a')
    const worker = world.worker(undefined, lookedUp('stores'))
    await worker.start()
    await world.clock.advance(5_000)
    expect(worker.status().filter(({ condition }) => condition === 'blocked')).toMatchObject([
      { reason: expect.stringContaining('table-too-large') },
    ])
    await worker.stop()
  })
})

/** Workers come, go, crash and fence each other while every service fails now and then. */
async function run(seed: number, shuffle: number | undefined): Promise<void> {
  const random = seeded(seed)
  const int = (n: number) => Math.floor(random() * n)
  const faults: Faults = { random, share: 0.08, late: [] }
  const world = await createShop({
    shuffle,
    transport: (real) => unreliable(real, ['write', 'ranges', 'committed'], faults),
    state: (real) => unreliable(real, ['open', 'read', 'commit', 'due', 'check'], faults),
    sink: (real) => unreliable(real, ['write', 'mark', 'caughtUp'], faults),
  })
  const flows = [transformFlow(), reader(world)]
  const workers: Worker[] = []
  const start = async () => {
    const worker = world.worker(random() < 0.3 ? `tag${int(3)}` : undefined, ...flows)
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
      const at = world.clock.now() - int(random() < 0.1 ? 90_000 : 3_000)
      await send(world, int(SOURCE_PARTITIONS), { key: keys[int(keys.length)] as string, at, value: int(10) })
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
  const last = world.worker(undefined, ...flows)
  await last.start()
  expect({ seed, settled: await world.settle(last) }).toEqual({ seed, settled: true })
  await world.clock.advance(20_000)
  const made = await firstOfEachName(world)
  expect({ seed, made: made.size }).toEqual({ seed, made: world.sent.length })
  for (const record of world.transport.records(MADE)) expect(record.value).toEqual(made.get(nameIn(record))?.value)
  await world.expectExact()
  await last.stop()
}

describe('with services that fail, late answers, crashes and zombies, nothing made is lost, and readers count each once', () => {
  const seeds = Array.from({ length: 40 }, (_, i) => i + 1)
  it('through a shuffle', { timeout: 120_000 }, async () => {
    for (const seed of seeds) await run(seed, 2)
  })
  it('reading what is made directly', { timeout: 120_000 }, async () => {
    for (const seed of seeds) await run(seed, undefined)
  })
})
