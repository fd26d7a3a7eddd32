import { createServer as createHttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { createApp, failure } from '../../src/api/app.ts'
import { EVERYTHING } from '../../src/api/auth.ts'
import { createFeatures } from '../../src/api/features.ts'
import { createRead } from '../../src/api/read.ts'
import { LIMITS } from '../../src/api/server.ts'
import { fetch } from './described.ts'
import { type Answer, CATALOG, type Discovered, json, mapStore, quiet, raw, record, servers } from './fixture.ts'

const { start, stopAll } = servers()
afterEach(stopAll)

describe('reading one entity', () => {
  it('answers each value with its as-of time and topology', async () => {
    const { url } = await start()
    const response = await fetch(`${url}/v1/features/store/store-1`)
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('application/json')
    const age = expect.any(Number)
    expect(await response.json()).toEqual({
      entity: 'store',
      id: 'store-1',
      found: true,
      features: {
        orders_10m: { value: 7, asOf: '2026-05-01T12:00:00.000Z', age, topology: 'store-load' },
        prep_mean: { value: 321.5, asOf: '2026-05-01T12:00:00.000Z', age, topology: 'store-load' },
        unpicked: { value: 2, asOf: '2026-05-01T12:00:01.000Z', age, topology: 'store-open' },
      },
    })
  })

  it('answers an unknown id, the empty prototype names too, with defaults and found: false', async () => {
    const { url } = await start()
    for (const id of ['store-999', '__proto__', 'constructor', 'toString']) {
      const response = await fetch(`${url}/v1/features/store/${id}`)
      expect(response.status).toBe(200)
      expect(await response.json()).toEqual({
        entity: 'store',
        id,
        found: false,
        features: {
          orders_10m: { value: 0, asOf: null, age: null, topology: 'store-load' },
          prep_mean: { value: null, asOf: null, age: null, topology: 'store-load' },
          unpicked: { value: 0, asOf: null, age: null, topology: 'store-open' },
        },
      })
    }
  })

  it('decodes percent-encoded ids', async () => {
    const { url } = await start()
    const answer = await json<Answer>(fetch(`${url}/v1/features/store/${encodeURIComponent('a b/ü')}`))
    expect(answer).toMatchObject({ id: 'a b/ü', found: true, features: { orders_10m: { value: 1 } } })
  })

  it('refuses ids that are not text or too long', async () => {
    const { url } = await start()
    for (const id of ['%', '%zz', '%c3', '%ff%fe', 'x'.repeat(1025), '%C3%BC'.repeat(513)]) {
      const response = await fetch(`${url}/v1/features/store/${id}`)
      expect(response.status, id).toBe(400)
      expect(await response.json()).toMatchObject({ type: 'urn:millrace:problem:id-invalid', status: 400 })
    }
    expect((await fetch(`${url}/v1/features/store/${'x'.repeat(1024)}`)).status).toBe(200)
  })

  it('names the nearest entity and all entities when it knows none of that name', async () => {
    const { url } = await start()
    const response = await fetch(`${url}/v1/features/stor/store-1`)
    expect(response.status).toBe(404)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    expect(await response.json()).toMatchObject({
      type: 'urn:millrace:problem:entity-unknown',
      nearest: 'store',
      entities: ['store', 'customer'],
    })
    expect((await fetch(`${url}/v1/features/__proto__/x`)).status).toBe(404)
  })

  it('gives only the features chosen, and asks only the topologies that have them', async () => {
    const store = mapStore({ 'store-open@1': { 'store-1': record({ unpicked: 2 }) } })
    const { url } = await start({ store })
    const answer = await json<Answer>(fetch(`${url}/v1/features/store/store-1?features=unpicked`))
    expect(Object.keys(answer.features)).toEqual(['unpicked'])
    expect(store.reads).toEqual([{ namespace: 'store-open@1', ids: ['store-1'] }])
  })

  it('says how old each value is, and answers what is older than maxAge by its default', async () => {
    const now = Date.now()
    const { url } = await start({
      store: mapStore({
        'store-load@1': { 'store-1': record({ orders_10m: 7 }, now - 90_000) },
        'store-open@1': { 'store-1': record({ unpicked: 2 }, now - 1_000) },
      }),
    })
    const read = (query: string) => json<Answer>(fetch(`${url}/v1/features/store/store-1${query}`))
    const { orders_10m, unpicked } = (await read('')).features
    expect([orders_10m?.value, unpicked?.value]).toEqual([7, 2])
    expect(orders_10m?.age).toBeGreaterThanOrEqual(90)
    expect(unpicked?.age).toBeLessThan(80)
    const fresh = await read('?maxAge=1m&features=orders_10m,unpicked')
    expect(fresh).toMatchObject({
      found: true,
      features: { orders_10m: { value: 0, stale: true }, unpicked: { value: 2 } },
    })
    expect(fresh.features.unpicked).not.toHaveProperty('stale')
    expect((await read('?maxAge=2h')).features.orders_10m?.value).toBe(7)
  })

  it('gives an as-of time in the future no negative age', async () => {
    const store = mapStore({ 'store-open@1': { 'store-1': record({ unpicked: 2 }, Date.now() + 3_600_000) } })
    const { url } = await start({ store })
    expect((await json<Answer>(fetch(`${url}/v1/features/store/store-1`))).features.unpicked?.age).toBe(0)
  })

  it('refuses unknown features and parameters, naming the nearest', async () => {
    const { url } = await start()
    const feature = await fetch(`${url}/v1/features/store/store-1?features=orders_10m,unpikced`)
    expect(feature.status).toBe(400)
    expect(await feature.json()).toMatchObject({
      nearest: 'unpicked',
      features: ['orders_10m', 'prep_mean', 'unpicked'],
    })
    for (const query of [
      'feature=unpicked',
      'features=',
      'features=unpicked,',
      'features=%zz',
      'maxAge=5',
      'maxAge=1m&maxAge=2m',
    ])
      expect((await fetch(`${url}/v1/features/store/store-1?${query}`)).status, query).toBe(400)
  })

  it('answers the same before Express and inside it', async () => {
    const { url } = await start()
    const { api } = await start()
    const features = createFeatures({
      catalog: () => CATALOG,
      store: mapStore({ 'store-load@1': { 'store-1': record({ orders_10m: 7 }) } }),
      log: quiet,
      storeMs: 1000,
      now: () => 0,
    })
    const failed = failure(quiet)
    const read = createRead(features, failed)
    const app = createApp({
      routes: api.routes,
      read,
      failed,
      met: () => undefined,
      grantOf: () => EVERYTHING,
      bodyBytes: LIMITS.bodyBytes,
    })
    const plain = createHttpServer(app)
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve))
    const inside = `http://127.0.0.1:${(plain.address() as AddressInfo).port}`
    try {
      const paths = ['customer/c-1', 'customer/%', 'customer/', 'customer', 'customer/a/b', 'Customer/c-1', 'none/x']
      for (const path of [...paths, 'customer/c-1/', 'customer/c-1?features=wait', 'customer/c-1?features=wiat', '/x'])
        for (const method of ['GET', 'HEAD', 'PUT']) {
          const [a, b] = await Promise.all(
            [url, inside].map(async (base) => {
              const response = await fetch(`${base}/v1/features/${path}`, { method })
              const names = ['content-type', 'content-length', 'cache-control', 'allow', 'x-powered-by', 'etag']
              return [response.status, await response.text(), names.map((name) => response.headers.get(name))]
            }),
          )
          expect(a, `${method} ${path}`).toEqual(b)
        }
    } finally {
      plain.close()
    }
  })

  it('answers HEAD with the headers of GET and no body', async () => {
    const { url } = await start()
    const got = await fetch(`${url}/v1/features/store/store-9`)
    const head = await fetch(`${url}/v1/features/store/store-9`, { method: 'HEAD' })
    expect(head.headers.get('content-length')).toBe(String((await got.text()).length))
    expect(await head.text()).toBe('')
    const many = await raw(url, 'HEAD /v1/features/store/store-1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
    expect(many).toMatch(/^HTTP\/1.1 200 OK\r\n[\s\S]*\r\n\r\n$/)
  })

  it('takes a request in absolute form', async () => {
    const { url } = await start()
    const answer = await raw(
      url,
      'GET http://x/v1/features/store/store-1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n',
    )
    expect(answer).toContain('"found":true')
  })

  it('gives a feature name that two topologies share to the first, and qualifies the other', async () => {
    const entry = (topology: string) => ({
      topology,
      namespace: () => topology,
      features: [{ name: 'total', type: 'long' as const, default: 0 }],
    })
    const { url } = await start({
      catalog: () => [{ entity: 'store', topologies: [entry('a'), entry('b')] }],
      store: mapStore({ a: { s: record({ total: 1 }) }, b: { s: record({ total: 2 }) } }),
    })
    const answer = await json<Answer>(fetch(`${url}/v1/features/store/s`))
    expect(answer.features).toMatchObject({ total: { value: 1 }, 'b.total': { value: 2 } })
    const discovered = await json<Discovered>(fetch(`${url}/v1/features`))
    expect(discovered.entities[0]?.features.map((f) => f.name)).toEqual(['total', 'b.total'])
  })
})
