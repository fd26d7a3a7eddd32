import { describe, expect, it } from 'vitest'
import { ClearStop, Fenced } from '../../src/core/errors.ts'
import type { FeatureFlow } from '../../src/core/model.ts'
import { segmentKey } from '../../src/engine/compute.ts'
import { KeyStates } from '../../src/engine/key-states.ts'
import { createMetrics } from '../../src/engine/metrics.ts'
import { MemoryState, type StoredTask } from '../../src/testing/memory-state.ts'
import { SETTINGS } from './settings.ts'

const TASK = 'reduce/a@1/0'

/** A key's memory is one segment, named by its main bytes. */
const flow = {
  name: 'a',
  reducer: () => ({
    create: () => ({}),
    decode: (main: Uint8Array) => ({ name: Buffer.from(main).toString() }),
    isWhole: () => false,
    missing: ({ name }: { name: string }) => [name],
    attach: (state: { is?: string }, _: string, bytes: Uint8Array) => {
      state.is = Buffer.from(bytes).toString()
    },
  }),
} as unknown as FeatureFlow

/** A task's keys over a state in which `k` stands; `between` happens between its two reads. */
async function keysWhere(between: (state: MemoryState, goBack: () => void) => Promise<void>) {
  const state = new MemoryState()
  const claim = await state.open(TASK)
  const before = state.snapshot()
  const stored = new Map([
    ['k', Buffer.from('s')],
    [segmentKey('k', 's'), Buffer.from('whole')],
  ])
  await state.commit(claim, { position: 1, meta: new Uint8Array(0), keys: stored })
  let reads = 0
  const read: MemoryState['read'] = async (open, keys) => {
    if (reads++ === 1) await between(state, before)
    return state.read(open, keys)
  }
  const context = {
    state: { read, check: (open: typeof claim) => state.check(open) } as MemoryState,
    metrics: createMetrics(),
    settings: SETTINGS,
  }
  const keys = new KeyStates({ id: TASK, flow }, undefined, context)
  keys.open((_, call) => call(), claim, [])
  return keys
}

describe('a key whose segments are read after its main bytes', () => {
  it('is whole when nothing happens in between', async () => {
    const keys = await keysWhere(async () => undefined)
    expect([...(await keys.load(['k']))]).toEqual([['k', { name: 's', is: 'whole' }]])
  })

  it('is read again by a new claim when the state went back in between, as if somebody had taken it over', async () => {
    const keys = await keysWhere(async (_, goBack) => goBack())
    await expect(keys.load(['k'])).rejects.toThrow(Fenced)
  })

  it('is a clear stop when a segment is missing in a state that is what it was', async () => {
    const keys = await keysWhere(async (state) => {
      const { keys } = state.stored(TASK) as StoredTask
      ;(keys as Map<string, Uint8Array>).delete(segmentKey('k', 's'))
    })
    const load = keys.load(['k'])
    await expect(load).rejects.toThrow(ClearStop)
    await expect(load).rejects.toMatchObject({ code: 'state-unreadable' })
  })

  it('is a clear stop for who asks for its bytes, too, when a segment is missing in a state that is what it was', async () => {
    const keys = await keysWhere(async (state) => {
      const { keys } = state.stored(TASK) as StoredTask
      ;(keys as Map<string, Uint8Array>).delete(segmentKey('k', 's'))
    })
    await expect(keys.images(['k'])).rejects.toMatchObject({ code: 'state-unreadable' })
  })

  it('is not taken for a smaller one when its bytes are asked for, to take its rows one by one', async () => {
    const keys = await keysWhere(async (_, goBack) => goBack())
    await expect(keys.images(['k'])).rejects.toThrow(Fenced)
  })
})

/** A task's keys over a state that is asked `reads` times and holds so many keys, each the text of its name. */
async function keysOf(count: number, cacheKeys = 10_000) {
  const state = new MemoryState()
  const claim = await state.open(TASK)
  const names = Array.from({ length: count }, (_, i) => `k${i}`)
  const stored = new Map(names.map((name) => [name, Buffer.from(name)]))
  stored.set(segmentKey('k0', 'part'), Buffer.from('more'))
  await state.commit(claim, { position: 1, meta: new Uint8Array(0), keys: stored })
  const reads: number[] = []
  const read: MemoryState['read'] = (open, keys) => {
    reads.push(keys.length)
    return state.read(open, keys)
  }
  const made: (readonly string[])[] = []
  const plain = {
    name: 'a',
    reducer: (slots: readonly string[]) => {
      made.push(slots)
      return {
        slots: ['one', ...slots],
        create: () => ({ is: 'new' }),
        isWhole: (main: Uint8Array) => Buffer.from(main).toString() !== 'k0',
        decode: (main: Uint8Array) => ({ is: Buffer.from(main).toString() }),
        missing: ({ is }: { is: string }) => (is === 'k0' ? ['part'] : []),
        attach: (state: { is: string }, name: string, bytes: Uint8Array) => {
          state.is += ` ${name} ${Buffer.from(bytes).toString()}`
        },
      }
    },
  } as unknown as FeatureFlow
  const metrics = createMetrics()
  const context = {
    state: { read, scan: (open: typeof claim) => state.scan(open) } as MemoryState,
    metrics,
    settings: { ...SETTINGS, cacheKeys },
  }
  const keys = new KeyStates<{ is: string }>({ id: TASK, flow: plain }, undefined, context)
  keys.open((_, call) => call(), claim, ['old'])
  const load = async (...wanted: string[]) => {
    return Object.fromEntries([...(await keys.load(wanted))].map(([key, { is }]) => [key, is]))
  }
  return { keys, load, names, reads, made, metrics }
}

describe('the keys of a task', () => {
  it('are read once, all that are missing in one round trip and their segments in another, and created where there are none', async () => {
    const { load, reads, metrics } = await keysOf(3)
    expect(await load('k0', 'k1', 'none')).toEqual({ k0: 'k0 part more', k1: 'k1', none: 'new' })
    expect(reads).toEqual([3, 1])
    expect(await load('k1', 'k2', 'none')).toEqual({ k1: 'k1', k2: 'k2', none: 'new' })
    expect(reads).toEqual([3, 1, 1])
    const labels = { topology: 'a' }
    expect((await metrics.cacheHits.get()).values).toEqual([{ labels, value: 2 }])
    expect((await metrics.cacheMisses.get()).values).toEqual([{ labels, value: 4 }])
  })

  it('are read in calls of bounded size', async () => {
    const { load, names, reads } = await keysOf(4_001)
    expect(Object.keys(await load(...names)).length).toBe(4_001)
    expect(reads).toEqual([2_000, 2_000, 1, 1])
  })

  it('are forgotten with what failing code has had in its hands, and made by a reducer of the same slots', async () => {
    const { keys, load, reads, made } = await keysOf(2)
    await load('k1')
    expect(keys.renew()).toBe(keys.reducer)
    await load('k1')
    expect([reads, made]).toEqual([
      [1, 1],
      [['old'], ['one', 'old']],
    ])
  })

  it('can all be had as they were committed, past what is in memory', async () => {
    const { keys, load } = await keysOf(250)
    await load('k1')
    ;(keys.cache.get('k1') as { is: string }).is = 'ahead'
    const found = new Map<string, string>()
    for await (const page of keys.committed()) for (const [key, { is }] of page) found.set(key, is)
    expect([found.size, found.get('k0'), found.get('k1')]).toEqual([250, 'k0 part more', 'k1'])
  })

  it('have their bytes, with all segments', async () => {
    const { keys } = await keysOf(2)
    const images = await keys.images(['k0', 'k1', 'none'])
    const texts = [...images].map(([key, { main, segments }]) => [
      key,
      main && Buffer.from(main).toString(),
      [...segments].map(([name, bytes]) => `${name} ${Buffer.from(bytes).toString()}`),
    ])
    expect(texts).toEqual([
      ['k0', 'k0', ['part more']],
      ['k1', 'k1', []],
      ['none', undefined, []],
    ])
  })
})
