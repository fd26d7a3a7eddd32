import { expect, it } from 'vitest'
import { operatorNamed } from '../aggregations/declared.ts'

it('first goes by time, then tie, then value, whatever came when', async () => {
  const first = await operatorNamed('first')
  const events = [
    ['b', 10, 5],
    ['a', 9, 1],
    ['x', 10, 1],
    ['wrong', 9, 2],
    ['twice', 9, 1],
  ] as const
  const results = [events, [...events].reverse()].map((given) => {
    const acc = first.create()
    for (const [value, time, tie] of given) first.add(acc, value, time, tie)
    return first.result(acc, Number.NaN)
  })
  expect(results).toEqual(['a', 'a'])
})
