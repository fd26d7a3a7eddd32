import { expect, it } from 'vitest'
import { operatorNamed } from '../aggregations/declared.ts'

it('a rate is what came, over the whole span, per unit of time', async () => {
  for (const [settings, expected] of [
    [{}, 0.05],
    [{ rate: '1m' }, 3],
    [{ rate: '1h' }, 180],
  ] as const) {
    const rate = await operatorNamed('rate', settings)
    const acc = rate.create()
    for (const value of [1, 1, 28]) rate.add(acc, value, 0, 0)
    expect(rate.result(acc, 600_000)).toBeCloseTo(expected, 12)
  }
})
