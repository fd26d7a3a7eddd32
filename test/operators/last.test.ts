import { expect, it } from 'vitest'
import { operatorNamed } from '../aggregations/declared.ts'

it('last goes by time, then tie, then value, whatever came when', async () => {
  const last = await operatorNamed('last')
  const events = [
    ['b', 10, 5],
    ['c', 11, 1],
    ['x', 10, 1],
    ['z', 11, 1],
    ['twice', 11, 1],
  ] as const
  const results = [events, [...events].reverse()].map((given) => {
    const acc = last.create()
    for (const [value, time, tie] of given) last.add(acc, value, time, tie)
    return last.result(acc, Number.NaN)
  })
  expect(results).toEqual(['z', 'z'])
})
