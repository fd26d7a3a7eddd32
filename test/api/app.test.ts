import { createServer as createHttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readiness } from '../../src/api/health.ts'
import { fetch } from './described.ts'
import { type Discovered, json, servers } from './fixture.ts'

const { start, stopAll } = servers()
afterEach(stopAll)

describe('everything else served', () => {
  let url: string
  beforeEach(async () => {
    url = (await start()).url
  })

  it('lists entities and their features', async () => {
    const answer = await json<Discovered>(fetch(`${url}/v1/features`))
    expect(answer.entities.map((e) => e.entity)).toEqual(['store', 'customer'])
    expect(answer.entities[0]?.features[0]).toEqual({
      name: 'orders_10m',
      type: 'long',
      default: 0,
      description: 'Orders in the last ten minutes',
      topology: 'store-load',
    })
  })

  it('shows people what is here, with names escaped', async () => {
    expect(await (await fetch(`${url}/`)).text()).toContain('href="/v1/features"')
    const odd = await start({ catalog: () => [{ entity: '<script>', topologies: [] }] })
    expect(await (await fetch(odd.url)).text()).not.toContain('<script>')
  })

  it('gives the metrics with their content type', async () => {
    const response = await fetch(`${url}/metrics`)
    expect([response.headers.get('content-type'), await response.text()]).toEqual([
      'text/plain; version=0.0.4',
      'millrace_up 1\n',
    ])
  })

  it('says which part is not ready', async () => {
    expect((await fetch(`${url}/health/ready`)).status).toBe(200)
    expect(await json<Discovered>(fetch(`${url}/health/live`))).toEqual({ status: 'live' })
    const parts = [
      { part: 'transport', ok: true },
      { part: 'state', ok: false, reason: 'connection refused' },
    ]
    const broken = await start({ health: { ready: () => parts, live: () => false } })
    const ready = await fetch(`${broken.url}/health/ready`)
    expect([ready.status, await ready.json()]).toEqual([503, { status: 'not ready', parts }])
    expect((await fetch(`${broken.url}/health/live`)).status).toBe(503)
  })

  it('is not ready while it drains', async () => {
    const server = createHttpServer((_request, response) =>
      readiness({ ready: () => [], live: () => true }, () => true)({ response }),
    )
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const answer = await globalThis.fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    const answered = { status: answer.status, body: await answer.text() }
    server.close()
    expect(answered.status).toBe(503)
    expect(answered.body).toContain('shutting down')
  })

  it.each([
    ['DELETE', '/v1/features/store/store-1', 'GET, HEAD'],
    ['GET', '/v1/features/store', 'POST'],
    ['PATCH', '/v1/features', 'GET, HEAD, POST'],
    ['POST', '/v1/features/store/store-1/watch', 'GET, HEAD'],
    ['POST', '/metrics', 'GET, HEAD'],
    ['PUT', '/health/ready', 'GET, HEAD'],
    ['POST', '/', 'GET, HEAD'],
  ])('answers %s %s with 405 and the methods it takes', async (method, path, allow) => {
    const response = await fetch(url + path, { method })
    expect([response.status, response.headers.get('allow')]).toEqual([405, allow])
    expect(response.headers.get('content-type')).toBe('application/problem+json')
  })

  it('tells the methods on OPTIONS', async () => {
    const response = await fetch(`${url}/v1/features/store`, { method: 'OPTIONS' })
    expect([response.status, response.headers.get('allow')]).toEqual([204, 'POST, OPTIONS'])
  })

  it('answers other paths with a problem, and never names its framework', async () => {
    for (const path of [
      '/nope',
      '/v1',
      '/v1/features/store/',
      '/v1/features/store/a/b',
      '/v1/features//x',
      '/metrics/',
      '/%',
      '/HEALTH/live',
    ]) {
      const response = await fetch(url + path)
      expect([400, 404], path).toContain(response.status)
      expect(response.headers.get('content-type'), path).toBe('application/problem+json')
      expect(response.headers.get('x-powered-by')).toBeNull()
      expect(response.headers.get('x-content-type-options')).toBe('nosniff')
    }
  })
})
