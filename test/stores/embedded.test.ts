import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { FeatureStore, FeatureWrite } from '../../src/core/model.ts'
import type { PartContext } from '../../src/core/part.ts'
import stateOnDisk from '../../src/state/embedded.ts'
import embedded from '../../src/stores/embedded.ts'
import { featureStoreSuite } from '../../src/testing/store.ts'

const ignore = () => undefined
const log = { debug: ignore, info: ignore, warn: ignore, error: ignore }
const newContext = async (): Promise<PartContext> => ({
  directory: await mkdtemp(join(tmpdir(), 'millrace-store-')),
  deployment: 'test',
  log,
})
const open = async (context: PartContext): Promise<FeatureStore> => embedded.open({ path: 'data' }, context)

featureStoreSuite({
  name: 'embedded',
  async open() {
    const context = await newContext()
    const store = await open(context)
    return {
      store,
      another: () => open(context),
      async close() {
        await store.close()
        await rm(context.directory, { recursive: true })
      },
    }
  },
})

const write = (key: string, step: number, epoch: number, values: number[] | null): FeatureWrite => ({
  namespace: 'x@1',
  names: ['count'],
  batch: {
    task: 't',
    version: { generation: 1, epoch, step },
    upto: 1,
    said: undefined,
    emissions: [{ key, at: 1, values, cause: '1' }],
  },
})

describe('the embedded feature store', () => {
  afterEach(() => {
    vi.useRealTimers()
  })

  it('keeps what was written when it is closed and opened again', async () => {
    const context = await newContext()
    const first = await open(context)
    await first.write(write('a', 1, 1, [7]))
    await first.close()
    const second = await open(context)
    expect((await second.read('x@1', ['a']))[0]?.values).toEqual({ count: 7 })
    expect(await second.mark('x@1', 't')).toEqual({ generation: 1, epoch: 1, step: 1 })
    await second.close()
    await rm(context.directory, { recursive: true })
  })

  it('keeps the version of a forgotten entity for a day, and longer when it was said again since', async () => {
    const context = await newContext()
    const store = await open(context)
    const hour = 3_600_000
    vi.useFakeTimers({ toFake: ['Date'], now: 1_000 * hour })
    await store.write(write('gone', 1, 5, null))
    await store.write(write('back', 1, 5, null))
    await store.write(write('back', 2, 5, [1]))
    await store.write(write('twice', 1, 5, null))
    vi.setSystemTime(1_012 * hour)
    await store.write(write('twice', 2, 5, null))
    vi.setSystemTime(1_023 * hour)
    const zombie = async (key: string) => {
      await store.write(write(key, 9, 4, [666]))
      return (await store.read('x@1', [key]))[0]?.values
    }
    expect(await zombie('gone')).toBeUndefined()
    vi.setSystemTime(1_025 * hour)
    await store.write(write('other', 1, 6, [0]))
    expect(await zombie('back')).toEqual({ count: 1 })
    expect(await zombie('twice')).toBeUndefined()
    // a day later nothing is known of it any more: what is written then stands
    expect(await zombie('gone')).toEqual({ count: 666 })
    await store.close()
    await rm(context.directory, { recursive: true })
  })

  it('may share its folder with the embedded state', async () => {
    const context = await newContext()
    const store = await open(context)
    const state = await stateOnDisk.open({ path: 'data' }, context)
    const claim = await state.open('t')
    await Promise.all([
      store.write(write('a', 1, 1, [7])),
      state.commit(claim, { position: 1, meta: Buffer.from('m'), keys: new Map([['a', Buffer.from('x')]]) }),
    ])
    await store.close()
    expect((await state.read(claim, ['a'])).map((one) => String(one))).toEqual(['x'])
    await state.close()
    await rm(context.directory, { recursive: true })
  })
})
