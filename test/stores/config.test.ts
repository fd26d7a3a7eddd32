import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import stateOnDisk from '../../src/state/embedded.ts'
import stateInRedis from '../../src/state/redis.ts'
import storeOnDisk from '../../src/stores/embedded.ts'
import storeInRedis from '../../src/stores/redis.ts'

const settings = (example: string) => {
  const [section] = Object.values(parse(example) as Record<string, Record<string, unknown>>)
  const { kind, ...rest } = section!
  return rest
}

describe('the configuration of the stores', () => {
  it.each([
    ['state/embedded', stateOnDisk],
    ['state/redis', stateInRedis],
    ['stores/embedded', storeOnDisk],
    ['stores/redis', storeInRedis],
  ])('of %s takes its own example, and no unknown key', (_, part) => {
    const example = settings(part.example)
    expect(part.config.parse(example)).toMatchObject(example)
    expect(part.config.safeParse({ ...example, unknown: 1 }).success).toBe(false)
  })

  it('gives a folder for each where nothing is said', () => {
    expect(stateOnDisk.config.parse({})).toEqual({ path: '.millrace/state' })
    expect(storeOnDisk.config.parse({})).toEqual({ path: '.millrace/features' })
  })

  it('reads durations, and refuses a URL, a prefix or a time that cannot serve', () => {
    const url = 'redis://h:1'
    expect(stateInRedis.config.parse({ url, timeout: '2s' })).toEqual({ url, timeout: 2000 })
    for (const wrong of [{}, { url: 'http://h' }, { url, prefix: 'a{b}' }, { url, timeout: '1ms' }])
      expect(stateInRedis.config.safeParse(wrong).success).toBe(false)
  })
})
