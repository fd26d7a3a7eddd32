import { getHeapSpaceStatistics } from 'node:v8'
import { expect, it } from 'vitest'
import { shrinkYoung } from '../../src/commands/young.ts'

const youngBytes = () => getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')?.space_size ?? 0

it('the young generation that grew while much was loaded is given back', () => {
  const loaded: object[] = []
  while (youngBytes() < 16_000_000 && loaded.length < 10_000_000) loaded.push({ a: loaded.length })
  const before = youngBytes()
  shrinkYoung()
  expect(youngBytes()).toBeLessThan(before / 2)
})
