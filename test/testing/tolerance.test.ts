import { expect, it } from 'vitest'
import { isAbout, isTolerance, toleranceFault, toleranceHint } from '../../src/testing/tolerance.ts'

it.each([
  [50, 50.4, false],
  [50, 50 + 1e-9, true],
  [{ about: 50, within: '1%' }, 50.4, true],
  [{ about: 50, within: '1%' }, 49.5, true],
  [{ about: -50, within: '1 %' }, -50.4, true],
  [{ about: 50, within: '0.5%' }, 50.4, false],
  [{ about: 50, within: 0.5 }, 50.4, true],
  [{ about: 50, within: 0.3 }, 50.4, false],
])('%j takes %d: %j', (written, actual, takes) => {
  expect(isAbout(written, actual)).toBe(takes)
})

it('refuses what is no tolerance, and leaves other mappings alone', () => {
  expect(toleranceFault({ about: 50, within: '1%' })).toBeUndefined()
  expect(toleranceFault({ about: 50, within: -1 })?.message).toBe('within is -1')
  expect(toleranceFault({ about: 50 })?.expected).toContain('{ about: 50, within: 1% }')
  expect(toleranceFault({ about: 'x', within: 1 })?.message).toBe('about is no number')
  expect(isTolerance({ about: 50, of: 1 })).toBe(false)
})

it('hints at it where an estimate is nearly what is expected', () => {
  expect(toleranceHint('percentile', 50, 50.4)).toBe('percentile is an estimate: { about: 50, within: 1% }')
  expect(toleranceHint('percentile', 50, 70)).toBeUndefined()
  expect(toleranceHint('mean', 50, 50.4)).toBeUndefined()
})
