import { afterEach, describe, expect, it } from 'vitest'
import { createFeatures } from '../../src/api/features.ts'
import { fetch } from './described.ts'
import { CATALOG, mapStore, quiet, record, servers } from './fixture.ts'

const { start, stopAll } = servers()
afterEach(stopAll)

describe('when the feature store fails', () => {
  const secret = 'redis://user:hunter2@10.0.0.1'

  it('answers 503 with Retry-After and nothing of the inside', async () => {
    const lines: object[] = []
    const { url } = await start({
      store: { readJson: () => Promise.reject(new Error(`cannot reach ${secret}`)) },
      log: { ...quiet, warn: (fields, message) => lines.push({ ...fields, message }) },
    })
    const response = await fetch(`${url}/v1/features/store/store-1`)
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1'])
    expect(await response.text()).not.toContain('hunter2')
    expect(lines).toHaveLength(1)
    expect(JSON.stringify(lines)).not.toContain('hunter2')
  })

  it('answers 503 when the store or the alias never answers, and when it throws at once', async () => {
    const never = () => new Promise<never>(() => undefined)
    const thrown = () => {
      throw new Error('closed')
    }
    const [store] = CATALOG
    const catalogs = [never, thrown].map((namespace) => [
      { entity: 'store', topologies: [{ ...(store as (typeof CATALOG)[number]).topologies[0]!, namespace }] },
    ])
    const cases = [
      { store: { readJson: never } },
      { store: { readJson: thrown } },
      ...catalogs.map((c) => ({ catalog: () => c })),
    ]
    for (const overrides of cases) {
      const { url } = await start({ ...overrides, limits: { storeMs: 20 } })
      expect((await fetch(`${url}/v1/features/store/store-1`)).status).toBe(503)
    }
  })

  it('asks the alias again at once after a failed lookup', async () => {
    let calls = 0
    const namespace = async () => {
      calls++
      if (calls === 1) throw new Error('down')
      return 'n'
    }
    const features = createFeatures({
      catalog: () => [{ entity: 'e', topologies: [{ topology: 't', namespace, features: [] }] }],
      store: mapStore({ n: { x: record({}) } }),
      log: quiet,
      storeMs: 1000,
      now: () => 0,
    })
    await expect(features.one('e', 'x', undefined)).rejects.toThrow('did not answer')
    expect(JSON.parse(await features.one('e', 'x', undefined)).found).toBe(true)
  })

  it('keeps an alias for a second, then sees it moved', async () => {
    let now = 0
    let serving = 'old'
    const features = createFeatures({
      catalog: () => [
        {
          entity: 'e',
          topologies: [
            { topology: 't', namespace: async () => serving, features: [{ name: 'f', type: 'long', default: 0 }] },
          ],
        },
      ],
      store: mapStore({ old: { x: record({ f: 1 }) }, new: { x: record({ f: 2 }) } }),
      log: quiet,
      storeMs: 1000,
      now: () => now,
    })
    const value = async () => JSON.parse(await features.one('e', 'x', undefined)).features.f.value
    expect(await value()).toBe(1)
    serving = 'new'
    now = 999
    expect(await value()).toBe(1)
    now = 1000
    expect(await value()).toBe(2)
  })

  it('says nothing of an unexpected error but 500', async () => {
    const { url } = await start({
      metrics: { contentType: 'text/plain', text: () => Promise.reject(new Error(secret)) },
    })
    const response = await fetch(`${url}/metrics`)
    expect(response.status).toBe(500)
    expect(await response.text()).not.toContain('hunter2')
  })
})
