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
    const states = new Map<string, unknown>()
    await keys.load(['k'], states)
    expect(states.get('k')).toEqual({ name: 's', is: 'whole' })
  })

  it('is read again by a new claim when the state went back in between, as if somebody had taken it over', async () => {
    const keys = await keysWhere(async (_, goBack) => goBack())
    await expect(keys.load(['k'], new Map())).rejects.toThrow(Fenced)
  })

  it('is a clear stop when a segment is missing in a state that is what it was', async () => {
    const keys = await keysWhere(async (state) => {
      const { keys } = state.stored(TASK) as StoredTask
      ;(keys as Map<string, Uint8Array>).delete(segmentKey('k', 's'))
    })
    const load = keys.load(['k'], new Map())
    await expect(load).rejects.toThrow(ClearStop)
    await expect(load).rejects.toMatchObject({ code: 'state-unreadable' })
  })

  it('is not taken for a smaller one when its bytes are asked for, to take its rows one by one', async () => {
    const keys = await keysWhere(async (_, goBack) => goBack())
    await expect(keys.images(['k'])).rejects.toThrow(Fenced)
  })
})
