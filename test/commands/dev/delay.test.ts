import { Histogram, Registry } from 'prom-client'
import { beforeEach, expect, it } from 'vitest'
import { RecentDelay } from '../../../src/commands/dev/delay.ts'

let histogram: Histogram<'topology'>
let delay: RecentDelay
beforeEach(() => {
  histogram = new Histogram({
    name: 'delay_seconds',
    help: 'x',
    buckets: [0.01, 0.1, 1],
    labelNames: ['topology'],
    registers: [new Registry()],
  })
  delay = new RecentDelay(histogram)
})

const observe = (times: number, seconds: number, topology = 'a') => {
  for (let i = 0; i < times; i++) histogram.observe({ topology }, seconds)
}

it('knows nothing before anything was observed, nor of what came before the first look', async () => {
  expect(await delay.look(0)).toBeUndefined()
  observe(5, 0.5)
  const later = new RecentDelay(histogram)
  expect(await later.look(0)).toBeUndefined()
  expect(await later.look(500)).toBeUndefined()
})

it('interpolates within the buckets, over all labels', async () => {
  await delay.look(0)
  observe(50, 0.05, 'a')
  observe(50, 0.5, 'b')
  const { p50, p99 } = (await delay.look(500)) ?? {}
  expect(p50).toBeCloseTo(100)
  expect(p99).toBeCloseTo(100 + 900 * (49 / 50))
})

it('forgets what is older than ten seconds', async () => {
  await delay.look(0)
  observe(100, 0.5)
  for (let now = 500; now <= 10_000; now += 500) expect((await delay.look(now))?.p50).toBeGreaterThan(100)
  observe(1, 0.001)
  expect((await delay.look(10_500))?.p50).toBeCloseTo(5)
  for (let now = 11_000; now <= 20_000; now += 500) expect((await delay.look(now))?.p50).toBeCloseTo(5)
  expect(await delay.look(20_500)).toBeUndefined()
})

it('answers the last bound for what lies beyond it', async () => {
  await delay.look(0)
  observe(1, 99)
  expect(await delay.look(500)).toEqual({ p50: 1_000, p99: 1_000 })
})
