/** What operators see of tasks: log lines with their place, gauges of the tasks that are here. */
import { describe, expect, it } from 'vitest'
import type { EmissionBatch, Sink, State } from '../../src/core/model.ts'
import type { Log } from '../../src/core/part.ts'
import { meteredSink } from '../../src/engine/metered-sink.ts'
import { createMetrics } from '../../src/engine/metrics.ts'
import { World } from './world.ts'

const event = (world: World, key = 'a') => ({ key, at: world.clock.now(), value: 1 })

type Line = Readonly<Record<string, unknown>>
function lines(): { readonly log: Log; readonly kept: Line[] } {
  const kept: Line[] = []
  const keep = (fields: object, message: string) => void kept.push({ ...fields, message })
  return { kept, log: { debug: keep, info: keep, warn: keep, error: keep } }
}

/** Labels and values, as texts. */
async function values(metric: { get(): Promise<{ values: { labels: object; value: number }[] }> }): Promise<string[]> {
  const { values } = await metric.get()
  return values.map(({ labels, value }) => `${Object.values(labels).join(' ')}: ${value}`).sort()
}

describe('what is logged of a task', () => {
  it('says topology, partition and position, and nothing of the events', async () => {
    const { log, kept } = lines()
    let down = false
    const failing: Partial<State> = {
      commit: () => Promise.reject(new Error('no connection')),
    }
    const world = await World.create({
      log,
      shuffle: undefined,
      topics: { events: 2 },
      state: (real) =>
        new Proxy(real, {
          get: (target, name) =>
            down && name in failing
              ? failing[name as 'commit']
              : (Reflect.get(target, name).bind?.(target) ?? Reflect.get(target, name)),
        }),
    })
    const worker = world.worker()
    await worker.start()
    for (let i = 0; i < 4; i++) await world.send('events', 1, event(world, 'secret-id'))
    expect(await world.settle(worker)).toBe(true)
    down = true
    await world.send('events', 1, event(world, 'secret-id'))
    await world.clock.advance(3_000)
    down = false
    expect(await world.settle(worker)).toBe(true)
    world.state.clear()
    await world.send('events', 1, event(world, 'secret-id'))
    await world.clock.advance(15_000)
    await worker.stop()
    const ofTasks = kept.filter(({ task }) => task !== undefined)
    expect(ofTasks.map(({ code }) => code)).toEqual(expect.arrayContaining(['unexpected', 'position-lost']))
    for (const line of ofTasks)
      expect(line).toMatchObject({
        topology: world.flow.name,
        partition: expect.any(Number),
        position: expect.any(Number),
      })
    expect(ofTasks.find(({ partition }) => partition === 1)?.position).toBeGreaterThanOrEqual(4)
    expect(JSON.stringify(kept)).not.toContain('secret-id')
  })
})

describe('the gauges of a worker', () => {
  it('are of the tasks that are here: lag, clock, keys in memory, partitions; blocked ones by code', async () => {
    const world = await World.create({ shuffle: undefined, topics: { events: 2 } })
    const worker = world.worker()
    await worker.start()
    for (const key of ['a', 'b']) await world.send('events', 0, event(world, key))
    expect(await world.settle(worker)).toBe(true)
    await world.clock.advance(2_000)
    const { metrics, flow } = world
    expect(await values(metrics.lag)).toEqual([`${flow.name} events 0: 0`, `${flow.name} events 1: 0`])
    expect(await values(metrics.cacheKeys)).toEqual([`${flow.name}: 2`])
    expect(await values(metrics.partitions)).toEqual(['events: 2'])
    expect((await values(metrics.clock)).some((text) => text.startsWith(`${flow.name} 0: `))).toBe(true)
    expect(await values(metrics.blocked)).toEqual([])
    world.state.clear()
    for (const partition of [0, 1]) await world.send('events', partition, event(world))
    await world.clock.advance(15_000)
    expect(await values(metrics.blocked)).toEqual([`${flow.name} position-lost: 2`])
    await worker.stop()
  })

  it('forget a partition that has gone to another worker', async () => {
    const world = await World.create({ shuffle: undefined, topics: { events: 2 } })
    const first = world.worker()
    await first.start()
    await world.clock.advance(2_000)
    expect(await values(world.metrics.partitions)).toEqual(['events: 2'])
    await first.stop()
    const others = createMetrics()
    const here = world.worker()
    Object.assign(world, { metrics: others })
    const second = world.worker()
    await Promise.all([here.start(), second.start()])
    await world.clock.advance(5_000)
    expect(await values(others.partitions)).toEqual(['events: 1'])
    expect(await values(others.lag)).toHaveLength(1)
    await Promise.all([here.stop(), second.stop()])
  })
})

describe('the group', () => {
  it('is told the lowest position of the tasks that read a partition', async () => {
    let isDown = true
    const world = await World.create({ shuffle: undefined, topics: { events: 2 } })
    const slow = await world.topology('slow')
    const [sink] = slow.sinks as [Sink]
    const take = sink.write.bind(sink)
    const write: Sink['write'] = async (batch) => {
      if (isDown && batch.emissions.length > 0) throw new Error('down')
      return take(batch)
    }
    const worker = world.worker(undefined, world.flow, { ...slow, sinks: [Object.assign(sink, { write })] })
    await worker.start()
    await world.clock.advance(2_000)
    await world.send('events', 1, event(world), event(world), event(world))
    await world.clock.advance(3_000)
    const told = async () => world.transport.committed(worker.group, 'events')
    expect(worker.status().map(({ condition }) => condition)).toEqual(['running', 'running', 'running', 'waiting'])
    expect(await told()).toEqual([0, 0])
    isDown = false
    await world.clock.advance(3_000)
    expect(await told()).toEqual([0, 3])
    await worker.stop()
  })

  it('is told again when it could not be, and nobody is held up; what it knows it is told once a minute', async () => {
    const { log, kept } = lines()
    let isDown = true
    let tellings = 0
    const world = await World.create({
      log,
      shuffle: undefined,
      topics: { events: 1 },
      transport: (real) => {
        const join = real.join.bind(real)
        const joined: typeof join = async (...args) => {
          const membership = await join(...args)
          const commit = membership.commit.bind(membership)
          return Object.assign(membership, {
            commit: (positions: Parameters<typeof commit>[0]) => {
              tellings++
              return isDown ? Promise.reject(new Error('no coordinator')) : commit(positions)
            },
          })
        }
        return Object.assign(real, { join: joined })
      },
    })
    const worker = world.worker()
    await worker.start()
    await world.send('events', 0, event(world))
    await world.clock.advance(2_000)
    expect(await world.features('a')).toBeDefined()
    expect(kept).toContainEqual({
      reason: 'Error: no coordinator',
      message: 'the group could not be told the positions',
    })
    isDown = false
    await world.clock.advance(1_000)
    expect(await world.transport.committed(worker.group, 'events')).toEqual([1])
    tellings = 0
    await world.clock.advance(50_000)
    expect(tellings).toBe(0)
    await world.clock.advance(60_000)
    expect(tellings).toBe(1)
    await worker.stop()
  })
})

describe('a worker of many targets', () => {
  it('tells all of them the time less often than one of few', async () => {
    const rounds = async (shuffle: number) => {
      const world = await World.create({ shuffle, topics: { events: 3 }, settings: { heartbeat: 100, idle: 200 } })
      const worker = world.worker()
      await worker.start()
      await world.send('events', 0, event(world))
      await world.clock.advance(2_000)
      const frames = () => world.transport.records(worker.shuffleTopic(world.flow)).length
      const before = frames()
      await world.clock.advance(3_000)
      await worker.stop()
      return (frames() - before) / (3 * shuffle)
    }
    expect([await rounds(2), await rounds(200)]).toEqual([30, 10])
  })
})

describe('the ends of topics', () => {
  it('are asked for once in half a heartbeat, whoever wants to know them', async () => {
    let asked = 0
    const world = await World.create({
      shuffle: undefined,
      topics: { events: 4 },
      transport: (real) =>
        new Proxy(real, {
          get: (target, name) => {
            if (name === 'ranges') asked++
            return Reflect.get(target, name).bind?.(target) ?? Reflect.get(target, name)
          },
        }),
    })
    const worker = world.worker()
    await worker.start()
    await world.clock.advance(5_000)
    asked = 0
    await world.clock.advance(10_000)
    expect(asked).toBeGreaterThanOrEqual(10)
    expect(asked).toBeLessThanOrEqual(20)
    await worker.stop()
  })
})

describe('a metered sink', () => {
  const batch = { task: 't', version: { generation: 1, epoch: 1, step: 1 }, upto: 1, said: undefined }
  const emissions = ['a', 'b', 'c'].map((key) => ({ key, at: 0, values: [1], cause: 'p1' }))

  it('counts what is taken, refused and failed, and keeps what the sink can', async () => {
    const metrics = createMetrics()
    let fails = true
    const sink = meteredSink(
      {
        write: async ({ upto }) => {
          if (fails) throw new Error('down')
          return { safe: upto, refused: [{ index: 1, code: 'sink-refused', reason: 'too large' }] }
        },
        mark: async () => undefined,
        close: async () => undefined,
      },
      { topology: 'load', to: 'store' },
      metrics,
    )
    await expect(sink.write({ ...batch, emissions })).rejects.toThrow('down')
    fails = false
    expect((await sink.write({ ...batch, emissions })).safe).toBe(1)
    expect(await values(metrics.recordsOut)).toEqual(['load store: 2'])
    expect(await values(metrics.sinkRefused)).toEqual(['load store: 1'])
    expect(await values(metrics.sinkFailures)).toEqual(['load store: 1'])
    expect(await values(metrics.sinkSeconds)).toContainEqual(expect.stringMatching(/load store: 1$/))
    expect([sink.mark, sink.caughtUp, sink.flush].map((method) => method !== undefined)).toEqual([true, false, false])
  })

  it('is asked all that the sink can answer, as itself, and counts nothing of a batch that it is told again', async () => {
    const metrics = createMetrics()
    const counting = {
      told: 0,
      write: async ({ upto }: EmissionBatch) => ({ safe: upto, behind: true }),
      close: async () => undefined,
      async caughtUp() {
        this.told++
      },
      async flush() {
        return { safe: this.told }
      },
    }
    const sink = meteredSink(counting, { topology: 'load', to: 'store' }, metrics)
    await sink.write({ ...batch, emissions })
    await sink.caughtUp?.('t', batch.version, [])
    expect(await sink.flush?.('t')).toEqual({ safe: 1 })
    expect(sink.mark).toBeUndefined()
    expect(await values(metrics.recordsOut)).toEqual([])
  })
})
