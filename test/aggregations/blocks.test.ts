import { expect, it } from 'vitest'
import type { FeatureSpec } from '../../src/core/model.ts'
import { partNames } from '../../src/core/part.ts'
import { Memory } from '../../src/testing/aggregation.ts'
import { isNear, naiveResult, type OracleEvent } from '../../src/testing/oracle.ts'
import { aggregationNamed, declared, operatorNamed } from './declared.ts'

const SETTINGS: Readonly<Record<string, object>> = {
  percentile: { percentile: 95 },
  top: { top: 5 },
  ewma: { ewma: '700ms' },
  spectral: { spectral: '50ms', points: 16 },
}
const WINDOWS = [{ window: '900ms' }, { window: '3s' }, { window: '3s', resolution: '100ms' }]
const aggregation = await aggregationNamed<unknown>('window')

/** Two or three events a millisecond, one in ten up to a second late. */
function traffic(count: number): OracleEvent[] {
  let state = 7
  const random = (below: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  return Array.from({ length: count }, (_, i) => {
    const late = random(10) === 0 ? random(1_000) : 0
    const values = { v: random(200) - 100, t: `kind ${random(40)}` }
    return { time: Math.floor(i / 2.5) - late, tie: random(2 ** 20) * 8_192 + i, values }
  })
}

for (const as of partNames('operators')) {
  const { takes } = await operatorNamed(as, SETTINGS[as])
  const specs: FeatureSpec[] = []
  for (const [i, settings] of WINDOWS.entries()) {
    specs.push(await declared(`v${i}`, 'window', settings, as, { of: 'v' }, { of: SETTINGS[as] ?? {} }))
    const texts = { values: 'text', of: SETTINGS[as] ?? {} } as const
    if (takes === 'given') specs.push(await declared(`t${i}`, 'window', settings, as, { of: 't' }, texts))
  }

  it(`${as}: over thousands of events, merged from blocks and stretches of time, with the state moved now and then`, {
    timeout: 120_000,
  }, () => {
    let memories = aggregation.slots(specs).map((slot) => new Memory(slot))
    const events: OracleEvent[] = []
    let now = 0
    const check = () => {
      for (const { slot, acc } of memories) slot.expire(acc, now)
      const found = new Map(memories.flatMap((memory) => [...memory.results(now)]))
      for (const spec of specs) {
        const [actual, expected] = [found.get(spec.name) ?? null, naiveResult(spec, events, now)]
        const said = `${spec.name} at ${now}: ${JSON.stringify(actual)}, expected ${JSON.stringify(expected)}`
        expect(isNear(actual, expected, 1e4), said).toBe(true)
      }
    }
    for (const [i, event] of traffic(8_000).entries()) {
      now = Math.max(now, event.time)
      events.push(event)
      for (const memory of memories) memory.add(event, now)
      if (i % 1_999 === 1_998) memories = memories.map((memory) => memory.moved())
      if (i % 997 === 996) check()
    }
    expect(memories.some((memory) => memory.segments.size > 3)).toBe(true)
    now += 1_700
    check()
  })
}
