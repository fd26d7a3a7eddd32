import { expect, it } from 'vitest'
import { KeyCache } from '../../src/engine/keys.ts'

const cacheOf = (limit: number, ...keys: string[]) => {
  const cache = new KeyCache<string>(limit)
  for (const key of keys) cache.set(key, `${key}!`)
  return cache
}
const kept = (cache: KeyCache<string>) => [...'abcdefgh'].filter((key) => cache.get(key) === `${key}!`).join('')

it('the least recently used keys go first, once there are more than the limit', () => {
  const cache = cacheOf(3, 'a', 'b', 'c')
  cache.settle(['a'])
  expect(kept(cache)).toBe('abc')
  cache.set('d', 'd!')
  cache.settle(['d', 'not here'])
  expect([kept(cache), cache.size]).toEqual(['acd', 3])
})

it('keys go only when all are committed: until then there may be more', () => {
  const cache = cacheOf(2, 'a', 'b', 'c', 'd')
  expect(kept(cache)).toBe('abcd')
  cache.settle(['a'])
  expect(kept(cache)).toBe('ad')
})

it('of a cache that is more than half full is known what was used last', () => {
  const cache = cacheOf(4, 'a', 'b', 'c')
  cache.settle(['a'])
  cache.set('d', 'd!')
  cache.set('e', 'e!')
  cache.settle([])
  expect(kept(cache)).toBe('acde')
})

it('a key that is deleted, and all when it is cleared, are gone', () => {
  const cache = cacheOf(4, 'a', 'b', 'c')
  cache.delete('b')
  expect([kept(cache), cache.size]).toEqual(['ac', 2])
  cache.clear()
  expect([kept(cache), cache.size]).toEqual(['', 0])
})
