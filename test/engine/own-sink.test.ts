import { describe, expect, it } from 'vitest'
import type { EmissionBatch, FeatureFlow, Sink } from '../../src/core/model.ts'
import { openOwnSink } from '../../src/engine/own-sink.ts'
import { VirtualClock } from '../../src/testing/clock.ts'
import { World } from './world.ts'

const limits = { timeout: 200, answer: 30_000 }
const right: Sink = { write: async ({ upto }) => ({ safe: upto }), close: async () => undefined }
const batch = { upto: 7, emissions: [] as EmissionBatch['emissions'] } as EmissionBatch

async function opened(sink: object, within = limits): Promise<{ clock: VirtualClock; sink: Sink }> {
  const clock = new VirtualClock()
  return { clock, sink: await openOwnSink('./slack.ts', () => ({ ...right, ...sink }) as Sink, within, clock) }
}

describe('a sink of one’s own', () => {
  it('answers what it answers, and has only the methods that it has', async () => {
    const { sink } = await opened({ mark: async () => undefined })
    expect(await sink.write(batch)).toEqual({ safe: 7 })
    expect(await sink.mark?.('t')).toBeUndefined()
    expect(sink.flush).toBeUndefined()
    expect(sink.caughtUp).toBeUndefined()
    await sink.close()
  })

  it('is asked all that it can answer, as itself', async () => {
    const counting = {
      told: 0,
      async caughtUp() {
        this.told++
      },
      async flush() {
        return { safe: this.told }
      },
    }
    const { sink } = await opened(counting)
    await sink.caughtUp?.('t', { generation: 1, epoch: 1, step: 1 }, [])
    expect(await sink.flush?.('t')).toEqual({ safe: 1 })
  })

  it('is closed, and its silence is told', async () => {
    let isClosed = false
    const { sink } = await opened({
      close: async () => {
        isClosed = true
      },
    })
    await sink.close()
    expect(isClosed).toBe(true)
    const { clock, sink: silent } = await opened({ close: () => new Promise(() => undefined) })
    const closing = silent.close().catch((error: unknown) => error)
    await clock.advance(30_000)
    expect(await closing).toMatchObject({
      code: 'part-timeout',
      message: 'close() of ./slack.ts gave no answer within 30000 ms',
    })
  })

  it('that has answered leaves nothing behind that waits for it, and its error is kept as the cause', async () => {
    const error = new TypeError('no channel')
    const { clock, sink } = await opened({ write: () => Promise.reject(error) })
    await expect(sink.write(batch)).rejects.toMatchObject({ cause: error })
    await clock.advance(1)
    expect(clock.untilNext).toBe(Number.POSITIVE_INFINITY)
  })

  it('may refuse any emission that it was given', async () => {
    const refused = [0, 1].map((index) => ({ index, code: 'no', reason: 'no' }))
    const { sink } = await opened({ write: async () => ({ safe: 7, refused }) })
    const given = { ...batch, emissions: [{ key: 'a' }, { key: 'b' }] } as unknown as EmissionBatch
    expect(await sink.write(given)).toEqual({ safe: 7, refused })
  })

  it.each([-1, 2, 0.5, undefined])('that refuses an emission it was not given (%s) has failed', async (index) => {
    const given = { ...batch, emissions: [{ key: 'a' }, { key: 'b' }] } as unknown as EmissionBatch
    const write = async () => ({ safe: 7, refused: [{ index: 1 }, { index, code: 'no', reason: 'no' }] })
    const { sink } = await opened({ write })
    await expect(sink.write(given)).rejects.toMatchObject({
      code: 'part-failed',
      message: `write() of ./slack.ts refuses emission ${index} of 2`,
    })
  })

  it('that throws no error at all says what it threw', async () => {
    const { sink } = await opened({ write: () => Promise.reject('no channel') }, { ...limits, timeout: 10_000 })
    await expect(sink.write(batch)).rejects.toMatchObject({
      code: 'part-failed',
      message: 'write() of ./slack.ts: no channel',
    })
  })

  it('that is none is refused, and named', async () => {
    const open = (made: unknown) => openOwnSink('./slack.ts', () => made as Sink, limits, new VirtualClock())
    await expect(open({ write: 1 })).rejects.toThrow('what ./slack.ts opens has no write, close')
    await expect(open(undefined)).rejects.toThrow('open() of ./slack.ts gives a undefined')
  })

  it.each([
    [
      'throws',
      () => {
        throw new TypeError('no channel')
      },
      'write() of ./slack.ts: no channel',
      'part-failed',
    ],
    ['rejects', () => Promise.reject(new Error('refused')), 'write() of ./slack.ts: refused', 'part-failed'],
    [
      'loops',
      () => {
        for (;;);
      },
      'no answer within 200 ms',
      'part-timeout',
    ],
    ['answers nothing', async () => undefined, 'answered no position, expected { safe: batch.upto }', 'part-failed'],
  ])('whose call %s rejects with the reason', async (_, write, message, code) => {
    const { sink } = await opened({ write })
    await expect(sink.write(batch)).rejects.toMatchObject({ code, message: expect.stringContaining(message) })
  })

  it('that holds results back makes its task wait and say so, and is asked again; once all is durable, it goes on', async () => {
    const world = await World.create({ shuffle: undefined, topics: { events: 1 } })
    let held = 1
    const write = async ({ upto }: EmissionBatch) => ({ safe: upto - held })
    const sink = await openOwnSink('./slack.ts', () => ({ ...right, write }), limits, world.clock)
    await world.send('events', 0, { key: 'a', at: world.clock.now(), value: 1 })
    const worker = world.worker(undefined, { ...world.flow, sinks: [sink] })
    await worker.start()
    await world.clock.advance(3_000)
    expect(worker.status()).toMatchObject([
      {
        condition: 'waiting',
        reason: 'writing results: write() of ./slack.ts answered { safe: 0 }, expected 1: it may hold nothing back',
      },
    ])
    expect(await world.metrics.reopened.get()).toMatchObject({ values: [] })
    held = 0
    await world.clock.advance(30_000)
    expect(worker.status()).toMatchObject([{ condition: 'running' }])
    await worker.stop()
    expect((await world.state.open('reduce/load@g1/0')).position).toBe(1)
  })

  it('that rejects or opens long after its time was over ends nothing', async () => {
    const unheard: unknown[] = []
    const hear = (reason: unknown) => unheard.push(reason)
    process.on('unhandledRejection', hear)
    try {
      const late = Promise.withResolvers<never>()
      const { clock, sink } = await opened({ write: () => late.promise, mark: () => late.promise })
      const asked = [
        expect(sink.write(batch)).rejects.toThrow('no answer'),
        expect(sink.mark?.('t')).rejects.toThrow('no answer'),
      ]
      await clock.advance(40_000)
      await Promise.all(asked)
      late.reject(new Error('at last'))
      await new Promise((resolve) => setTimeout(resolve, 5))
      expect(unheard).toEqual([])
    } finally {
      process.off('unhandledRejection', hear)
    }
  })

  it('that never answers makes its task wait and say so, while neighbours go on; when it answers, nothing is missing', async () => {
    const world = await World.create({ topics: { events: 1 } })
    let answers = false
    const taken = new Map<string, unknown>()
    const write = async ({ emissions, upto }: EmissionBatch) => {
      if (!answers) await new Promise(() => undefined)
      for (const { key, values } of emissions) taken.set(key, values)
      return { safe: upto }
    }
    const sink = await openOwnSink('./slack.ts', () => ({ ...right, write }), limits, world.clock)
    const stuck: FeatureFlow = { ...(await world.topology('stuck', { generation: 's1' })), sinks: [sink] }
    const worker = world.worker(undefined, world.flow, stuck)
    await worker.start()
    for (const value of [1, 2]) await world.send('events', 0, { key: 'a', at: world.clock.now(), value })
    await world.clock.advance(40_000)
    const waiting = worker.status().filter(({ condition }) => condition === 'waiting')
    expect(waiting.map(({ topology }) => topology)).toEqual(['stuck'])
    expect(waiting[0]?.reason).toBe('writing results: write() of ./slack.ts gave no answer within 30000 ms')
    expect((await world.features('a'))?.values).toMatchObject({ sum: 3, total: 2 })
    answers = true
    await world.clock.advance(60_000)
    expect(worker.status().every(({ condition }) => condition === 'running')).toBe(true)
    expect(taken.get('a')).toEqual([0, 0, 2])
    await worker.stop()
  })
})
