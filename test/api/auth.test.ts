import { afterEach, describe, expect, it } from 'vitest'
import { type Grant, remembering } from '../../src/api/auth.ts'
import { documentOf, fetch } from './described.ts'
import { mapStore, servers } from './fixture.ts'
import { authenticator, bearer, seconds, token } from './issuer.ts'

const { start, stopAll } = servers()
afterEach(stopAll)

const OPEN = ['/health/live', '/health/ready', '/metrics']

const tail = {
  lines: async () =>
    (async function* () {
      yield '{}'
    })(),
}

async function guarded(more: Parameters<typeof start>[0] = {}) {
  const started = await start({ authenticate: await authenticator(), tail, ...more })
  await documentOf(started.url, bearer(await token()))
  return started
}

/** The path with something in the place of each parameter. */
const filled = (path: string) => path.replace('{entity}', 'store').replaceAll(/\{\w+\}/g, 'store-1')

describe('with tokens asked for', () => {
  it('no route but health and metrics answers without one, nor a path that is none', async () => {
    const { api, url } = await guarded()
    for (const { method, path } of api.routes) {
      const response = await fetch(url + filled(path), { method })
      if (OPEN.includes(path)) expect(response.status, path).toBe(200)
      else {
        expect(response.status, path).toBe(401)
        expect(response.headers.get('www-authenticate'), path).toBe('Bearer realm="millrace"')
        expect(await response.json()).toMatchObject({ type: 'urn:millrace:problem:token-missing', status: 401 })
      }
    }
    for (const path of ['/nothing', '/metrics/', '/health', '//metrics', '/METRICS', '/health/../v1/topics'])
      expect((await globalThis.fetch(url + path)).status, path).toBe(401)
    for (const method of ['OPTIONS', 'PUT', 'DELETE', 'HEAD'])
      expect((await globalThis.fetch(`${url}/v1/features/store/store-1`, { method })).status, method).toBe(401)
  })

  it('each route opens to its own scope, and to no other', async () => {
    const { api, url } = await guarded()
    const all = [...new Set(api.routes.map(({ scope }) => scope))].filter((scope) => scope !== 'none')
    expect(all.sort()).toEqual(['catalog:read', 'features:read', 'records:read'])
    for (const { method, path, scope } of api.routes) {
      if (scope === 'none') continue
      const others = all.filter((other) => other !== scope).join(' ')
      const without = await fetch(url + filled(path), {
        method,
        headers: bearer(await token({ claims: { scope: others } })),
      })
      expect(without.status, path).toBe(403)
      expect(without.headers.get('www-authenticate')).toBe(
        `Bearer realm="millrace", error="insufficient_scope", scope="${scope}"`,
      )
      expect(await without.json()).toMatchObject({ type: 'urn:millrace:problem:scope-missing', scope })
      const gone = new AbortController()
      const headers = bearer(await token({ claims: { scope } }))
      const withIt = await fetch(url + filled(path), { method: method === 'get' ? 'HEAD' : method, headers })
      expect([401, 403], path).not.toContain(withIt.status)
      gone.abort()
    }
  })

  it.each([
    ['scope', { scope: 'catalog:read features:read' }, 200],
    ['scp as a text', { scope: undefined, scp: 'features:read' }, 200],
    ['scp as a list', { scope: undefined, scp: ['x', 'features:read'] }, 200],
    ['a scope that only begins so', { scope: 'features:read-all' }, 403],
    ['no scope at all', { scope: undefined }, 403],
    ['a scope that is no text', { scope: { 'features:read': true } as unknown as string }, 403],
  ])('reads the scopes of %s', async (_what, claims, status) => {
    const { url } = await guarded()
    const headers = bearer(await token({ claims }))
    expect((await fetch(`${url}/v1/features/store/store-1`, { headers })).status).toBe(status)
  })

  it('reads no body of whoever may not send one', async () => {
    const { url } = await guarded({ limits: { bodyBytes: 10 } })
    const body = JSON.stringify({ ids: ['x'.repeat(1000)] })
    const headers = { 'content-type': 'application/json' }
    const { status } = await fetch(`${url}/v1/features/store`, { method: 'POST', headers, body })
    expect(status).toBe(401)
  })

  it('a stream of changes ends when the token does', async () => {
    const { url } = await guarded({
      limits: { watchMs: 20 },
      authenticate: await authenticator({ secret: SHORT, tolerance: 1 }),
    })
    const key = new TextEncoder().encode(SHORT)
    const headers = bearer(await token({ key, claims: { exp: seconds(2) } }))
    const response = await globalThis.fetch(`${url}/v1/features/store/store-1/watch`, { headers })
    expect(response.status).toBe(200)
    expect(await response.text()).toContain('event: features')
    expect((await globalThis.fetch(`${url}/v1/features/store/store-1/watch`, { headers })).status).toBe(401)
  })

  it('the document says which scope an operation needs, and how tokens are sent', async () => {
    const { api, url } = await guarded()
    const { paths, components } = await documentOf(url)
    expect(components).toMatchObject({ securitySchemes: { token: { type: 'http', scheme: 'bearer' } } })
    for (const { method, path, scope } of api.routes) {
      const operation = paths[path]?.[method]
      expect(operation?.security, path).toEqual(scope === 'none' ? undefined : [{ token: [scope] }])
      for (const status of [401, 403])
        if (scope !== 'none')
          expect(operation?.responses[status]).toMatchObject({ headers: { 'WWW-Authenticate': {} } })
    }
  })
})

const SHORT = 'another secret, of thirty-two characters'

it('without, anybody is answered, and the document asks for nothing', async () => {
  const { url } = await start({ store: mapStore({}) })
  expect((await fetch(`${url}/v1/features/store/store-1`)).status).toBe(200)
  expect(JSON.stringify(await documentOf(url))).not.toMatch(/security|401|403/)
})

describe('a token that was seen before', () => {
  function counting(until: (n: number) => number) {
    let verified = 0
    const state = { now: 0, verified: () => verified }
    const authenticate = remembering(
      async () => ({ scopes: new Set(), until: until(verified++) }),
      () => state.now,
    )
    return { state, see: async (text: string): Promise<Grant> => authenticate(`Bearer ${text}`) }
  }

  it('is not verified again until it ends, nor longer than five minutes', async () => {
    const { state, see } = counting((n) => (n === 0 ? 1_000 : Number.POSITIVE_INFINITY))
    for (const now of [0, 500, 999]) {
      state.now = now
      await see('a')
    }
    expect(state.verified()).toBe(1)
    state.now = 1_000
    await see('a')
    expect(state.verified()).toBe(2)
    state.now = 300_999
    await see('a')
    expect(state.verified()).toBe(2)
    state.now = 301_000
    await see('a')
    expect(state.verified()).toBe(3)
  })

  it('is forgotten before memory grows with their number', async () => {
    const { state, see } = counting(() => Number.POSITIVE_INFINITY)
    for (let i = 0; i <= 10_000; i++) await see(`t${i}`)
    await see('t10000')
    expect(state.verified()).toBe(10_001)
    await see('t0')
    expect(state.verified()).toBe(10_002)
  })

  it('is not remembered when it was refused', async () => {
    let verified = 0
    const authenticate = remembering(async () => {
      verified++
      throw new Error('no')
    })
    for (let i = 0; i < 2; i++) await expect(authenticate('Bearer x')).rejects.toThrow('no')
    expect(verified).toBe(2)
  })
})
