import { expect, it } from 'vitest'
import { didYouMean, nearest, nearestOrBegun } from '../../src/core/suggest.ts'

it('what is near is suggested in words, and nothing is said where nothing is', () => {
  expect(didYouMean(nearest('oders', ['orders', 'couriers']))).toBe(" Did you mean 'orders'?")
  expect(didYouMean(nearest('invoices', ['orders', 'couriers']))).toBe('')
})

it('what one candidate begins with is meant, where it has three letters', () => {
  expect(nearestOrBegun('speed', ['speedKmh', 'weight'])).toBe('speedKmh')
  expect(nearestOrBegun('speed', ['speedKmh', 'speedMax'])).toBeUndefined()
  expect(nearestOrBegun('sp', ['speedKmh'])).toBeUndefined()
})
