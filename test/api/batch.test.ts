import { afterEach, describe, expect, it } from 'vitest'
import type { EntityCatalog, TopologyEntry } from '../../src/api/catalog.ts'
import { fetch } from './described.ts'
import { type Answer, type BatchAnswer, CATALOG, json, mapStore, record, servers } from './fixture.ts'

const { start, stopAll } = servers()
afterEach(stopAll)

describe('reading many entities', () => {
  const post = (url: string, body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) =>
    fetch(`${url}/v1/features/store`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json', ...headers },
    })

  it('answers in the order asked with one store read per topology', async () => {
    const store = mapStore({ 'store-load@1': { b: record({ orders_10m: 5 }) } })
    const { url } = await start({ store })
    const answer = await json<BatchAnswer>(post(url, JSON.stringify({ ids: ['a', 'b', 'a'] })))
    expect(answer.entity).toBe('store')
    expect(answer.results.map((result) => [result.id, result.found])).toEqual([
      ['a', false],
      ['b', true],
      ['a', false],
    ])
    expect(store.reads.map((read) => read.namespace)).toEqual(['store-load@1', 'store-open@1'])
  })

  it('gives the same shape as the single read', async () => {
    const { url } = await start()
    const single = await json<Answer>(fetch(`${url}/v1/features/store/store-1?features=unpicked`))
    const batch = await json<BatchAnswer>(post(url, JSON.stringify({ ids: ['store-1'], features: ['unpicked'] })))
    const ageless = JSON.parse(JSON.stringify([batch.results, [single]], (key, value) => (key === 'age' ? 0 : value)))
    expect(ageless[0]).toEqual(ageless[1])
  })

  it.each([
    ['not JSON', '{"ids": [', 'body-invalid'],
    ['no ids', '{}', 'body-invalid'],
    ['a bare list', '["a"]', 'body-invalid'],
    ['null', 'null', 'body-invalid'],
    ['nothing', '', 'body-invalid'],
    ['a number as id', '{"ids": [1]}', 'body-invalid'],
    ['an unknown key', '{"ids": ["a"], "feature": ["x"]}', 'body-invalid'],
    ['a __proto__ key', '{"ids": ["a"], "__proto__": {"x": 1}}', 'body-invalid'],
    ['an empty id', '{"ids": [""]}', 'id-invalid'],
    ['half a surrogate pair', '{"ids": ["\\ud800"]}', 'id-invalid'],
    ['an id over 1,024 bytes', JSON.stringify({ ids: ['ü'.repeat(513)] }), 'id-invalid'],
    ['an id with a NUL character', '{"ids": ["a\\u0000b"]}', 'id-invalid'],
    ['1,001 ids', JSON.stringify({ ids: Array(1001).fill('a') }), 'body-invalid'],
    ['1,001 features', JSON.stringify({ ids: ['a'], features: Array(1001).fill('x') }), 'body-invalid'],
    ['an unknown feature', '{"ids": ["a"], "features": ["nope"]}', 'feature-unknown'],
  ])('refuses %s with 400', async (_what, body, problem) => {
    const { url } = await start()
    const response = await post(url, body)
    expect([response.status, (await json<{ type: string }>(response)).type]).toEqual([
      400,
      `urn:millrace:problem:${problem}`,
    ])
  })

  it('does not say back all of a body that is wrong', async () => {
    const { url } = await start()
    const keys = Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`key-${i}`, 1]))
    const answer = await post(url, JSON.stringify({ ids: [], ...keys }))
    expect(answer.status).toBe(400)
    expect((await answer.text()).length).toBeLessThan(1000)
  })

  it('takes 1,000 ids and none', async () => {
    const { url } = await start()
    const full = await post(url, JSON.stringify({ ids: Array.from({ length: 1000 }, (_, i) => `s-${i}`) }))
    expect((await json<BatchAnswer>(full)).results).toHaveLength(1000)
    expect(await json<BatchAnswer>(post(url, '{"ids": []}'))).toEqual({ entity: 'store', results: [] })
  })

  it('refuses a body over the limit, a wrong type, a wrong encoding, an unknown entity', async () => {
    const { url } = await start()
    const big = await post(url, JSON.stringify({ ids: ['a'], pad: 'x'.repeat(1024 * 1024) }))
    expect([big.status, (await json<{ type: string }>(big)).type]).toEqual([413, 'urn:millrace:problem:body-too-large'])
    const types = [
      { 'content-type': 'text/plain' },
      { 'content-encoding': 'rot13' },
      { 'content-type': 'application/json; charset=koi8-r' },
    ]
    for (const headers of types) {
      const response = await post(url, '{"ids": []}', headers)
      expect([response.status, response.headers.get('content-type')]).toEqual([415, 'application/problem+json'])
    }
    const unknown = await fetch(`${url}/v1/features/nope`, {
      method: 'POST',
      body: '{"ids": []}',
      headers: { 'content-type': 'application/json' },
    })
    expect(unknown.status).toBe(404)
  })

  it('is not harmed by JSON nested deeply', async () => {
    const { url } = await start()
    const deep = `{"ids": ${'['.repeat(200_000)}${']'.repeat(200_000)}}`
    expect((await post(url, deep)).status).toBe(400)
    expect((await fetch(`${url}/health/live`)).status).toBe(200)
  })

  it('counts a compressed body as what it unpacks to', async () => {
    const { gzipSync } = await import('node:zlib')
    const { url } = await start()
    const bomb = gzipSync(JSON.stringify({ ids: ['a'], pad: 'x'.repeat(5_000_000) }))
    expect((await post(url, new Uint8Array(bomb), { 'content-encoding': 'gzip' })).status).toBe(413)
    const fine = gzipSync('{"ids": ["a"]}')
    expect((await post(url, new Uint8Array(fine), { 'content-encoding': 'gzip' })).status).toBe(200)
  })
})

describe('reading entities of several kinds', () => {
  const post = (url: string, body: object) =>
    fetch(`${url}/v1/features`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    })

  it('answers in the order asked, with one store read per topology whatever is asked twice', async () => {
    const store = mapStore({
      'store-load@1': { a: record({ orders_10m: 5 }) },
      'store-open@1': { b: record({ unpicked: 3 }) },
      'waits@1': { c: record({ wait: 9 }) },
    })
    const [stores, customers] = CATALOG
    const catalog = [
      stores as EntityCatalog,
      {
        entity: 'customer',
        topologies: [{ ...(customers?.topologies[0] as TopologyEntry), namespace: () => 'waits@1' }],
      },
    ]
    const { url } = await start({ store, catalog: () => catalog })
    const answer = await json<{ results: readonly Answer[] }>(
      post(url, {
        reads: [
          { entity: 'store', ids: ['a', 'b'], features: ['orders_10m'] },
          { entity: 'customer', ids: ['c'] },
          { entity: 'store', ids: ['b', 'a', 'b'], features: ['orders_10m', 'unpicked'] },
          { entity: 'store', ids: [] },
        ],
      }),
    )
    const values = ({ entity, id, features }: Answer) => [
      entity,
      id,
      ...Object.entries(features).map(([name, { value }]) => `${name}=${value}`),
    ]
    expect(answer.results.map(values)).toEqual([
      ['store', 'a', 'orders_10m=5'],
      ['store', 'b', 'orders_10m=0'],
      ['customer', 'c', 'wait=9'],
      ['store', 'b', 'orders_10m=0', 'unpicked=3'],
      ['store', 'a', 'orders_10m=5', 'unpicked=0'],
      ['store', 'b', 'orders_10m=0', 'unpicked=3'],
    ])
    expect(store.reads).toEqual([
      { namespace: 'store-load@1', ids: ['a', 'b'] },
      { namespace: 'waits@1', ids: ['c'] },
      { namespace: 'store-open@1', ids: ['b', 'a'] },
    ])
  })

  it('answers nothing known with found: false and what is too old with defaults', async () => {
    const { url } = await start()
    const reads = [{ entity: 'store', ids: ['store-1', 'nobody'], features: ['unpicked'] }]
    const answer = await json<{ results: readonly Answer[] }>(post(url, { reads, maxAge: '1d' }))
    expect(answer.results).toMatchObject([
      { found: true, features: { unpicked: { value: 0, stale: true } } },
      { found: false, features: { unpicked: { value: 0, asOf: null } } },
    ])
  })

  it.each([
    ['an unknown entity', { reads: [{ entity: 'stor', ids: ['a'] }] }, 404, { nearest: 'store' }],
    [
      'an unknown feature',
      { reads: [{ entity: 'store', ids: [], features: ['unpikced'] }] },
      400,
      { nearest: 'unpicked', features: ['orders_10m', 'prep_mean', 'unpicked'] },
    ],
    ['no reads', {}, 400, {}],
    ['an empty id', { reads: [{ entity: 'store', ids: [''] }] }, 400, {}],
    ['a duration that is none', { reads: [], maxAge: 60 }, 400, {}],
    ['101 reads', { reads: Array(101).fill({ entity: 'store', ids: [] }) }, 400, {}],
    ['1,001 ids over all', { reads: [1, 1000].map((n) => ({ entity: 'store', ids: Array(n).fill('a') })) }, 400, {}],
  ])('refuses %s, saying what there is', async (_what, body, status, members) => {
    const { url } = await start()
    const response = await post(url, body)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    expect([response.status, await response.json()]).toEqual([status, expect.objectContaining(members)])
  })
})
