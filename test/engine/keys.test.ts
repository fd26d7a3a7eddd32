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

/** Of so many keys, one after the other and again and again: how many the cache admits of those that it has not. */
function admitted(cache: KeyCache<string>, keys: number, turns: number): number {
  let count = 0
  for (let i = 0; i < keys * turns; i++) {
    const key = `key-${i % keys}`
    if (cache.get(key) !== undefined || !cache.admits(key)) continue
    count++
    cache.set(key, key)
  }
  return count
}

it('every key is worth its place until the cache is half full, then those that are met again', () => {
  const cache = cacheOf(8)
  expect(admitted(cache, 4, 1)).toBe(4)
  expect([...'abab'].map((key) => cache.admits(key))).toEqual([false, false, true, true])
})

it('of many more keys than it holds, those that come again after all the others have no place', () => {
  expect(admitted(cacheOf(64), 10_000, 3)).toBe(32)
})

it('how many keys were met since is what tells whether one is met again', () => {
  const after = (others: number) => {
    const cache = cacheOf(64)
    admitted(cache, 32, 1)
    cache.admits('a')
    for (let i = 0; i < others; i++) cache.admits(`other-${i}`)
    return cache.admits('a')
  }
  expect([0, 32, 62, 63, 1_000].map(after)).toEqual([true, true, true, false, false])
})
