import { expect, test } from 'vitest'
import { compareVersions } from '../../src/core/version.ts'

test('of two versions the generation decides, then the epoch, then the step', () => {
  const version = (generation: number, epoch: number, step: number) => ({ generation, epoch, step })
  const sorted = [version(1, 1, 9), version(1, 2, 0), version(1, 10, 0), version(2, 0, 0), version(2, 0, 1)]
  expect([...sorted].reverse().sort(compareVersions)).toEqual(sorted)
  expect(compareVersions(version(1, 2, 3), version(1, 2, 3))).toBe(0)
})
