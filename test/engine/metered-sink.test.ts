import { expect, it } from 'vitest'
import type { Emission, EmissionBatch, Sink, SinkResult } from '../../src/core/model.ts'
import { meteredSink } from '../../src/engine/metered-sink.ts'
import { createMetrics } from '../../src/engine/metrics.ts'

const labels = { topology: 'load', to: 'store' }
const batch = {
  emissions: [{ key: 'a' }, { key: 'b' }, { key: 'c' }] as unknown as Emission[],
} as unknown as EmissionBatch
const refused = [{ index: 1, code: 'no', reason: 'no' }]

/** What is counted when a call answers so. */
async function counted(write: () => Promise<SinkResult>) {
  const metrics = createMetrics()
  const sink = meteredSink({ write, close: async () => undefined }, labels, metrics)
  const answer = await sink.write(batch).catch(String)
  const of = async (name: 'recordsOut' | 'sinkRefused' | 'sinkFailures') =>
    (await metrics[name].get()).values.map((each) => [each.labels, each.value])
  const calls = (await metrics.sinkSeconds.get()).values.find(({ metricName }) => metricName?.endsWith('_count'))?.value
  return {
    answer,
    calls,
    out: await of('recordsOut'),
    refused: await of('sinkRefused'),
    failures: await of('sinkFailures'),
  }
}

it('what a sink takes and what it refuses are counted, each under its name', async () => {
  expect(await counted(async () => ({ safe: 7 }))).toEqual({
    answer: { safe: 7 },
    calls: 1,
    out: [[labels, 3]],
    refused: [],
    failures: [],
  })
  expect(await counted(async () => ({ safe: 7, refused }))).toMatchObject({
    out: [[labels, 2]],
    refused: [[labels, 1]],
  })
})

it('of a sink that has to be told everything first, nothing counts as written', async () => {
  expect(await counted(async () => ({ safe: 0, behind: true }))).toMatchObject({ calls: 1, out: [], failures: [] })
})

it('a call that fails is counted, and has no time', async () => {
  expect(await counted(() => Promise.reject(new Error('down')))).toEqual({
    answer: 'Error: down',
    calls: undefined,
    out: [],
    refused: [],
    failures: [[labels, 1]],
  })
})

it('all that the sink can do is asked of itself, and what it cannot is not there', async () => {
  const version = { generation: 1, epoch: 2, step: 3 }
  class Named implements Sink {
    readonly calls: unknown[] = []
    async write({ upto }: EmissionBatch) {
      return { safe: upto }
    }
    async mark(task: string) {
      this.calls.push(['mark', task])
      return version
    }
    async caughtUp(...given: unknown[]) {
      this.calls.push(['caughtUp', ...given])
    }
    async flush(task: string) {
      this.calls.push(['flush', task])
      return { safe: 7 }
    }
    async close() {
      this.calls.push(['close'])
    }
  }
  const named = new Named()
  const sink = meteredSink(named, labels, createMetrics())
  expect(await sink.mark?.('t')).toEqual(version)
  await sink.caughtUp?.('t', version, ['t', 'u'])
  expect(await sink.flush?.('t')).toEqual({ safe: 7 })
  await sink.close()
  expect(named.calls).toEqual([['mark', 't'], ['caughtUp', 't', version, ['t', 'u']], ['flush', 't'], ['close']])
  const bare = meteredSink({ write: named.write, close: async () => undefined }, labels, createMetrics())
  expect(Object.keys(bare).sort()).toEqual(['close', 'write'])
})
