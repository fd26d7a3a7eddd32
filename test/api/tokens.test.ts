import { createHmac, type KeyObject } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exportJWK } from 'jose'
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { quiet } from './fixture.ts'
import { authenticator, bearer, ec, ISSUER, keyServer, rsa, SECRET, seconds, token, type Written } from './issuer.ts'

afterEach(() => void vi.useRealTimers())

const key = rsa()
const other = rsa()
const PEM = key.publicKey.export({ type: 'spki', format: 'pem' }) as string

function folder(files: Readonly<Record<string, string>>): string {
  const path = mkdtempSync(join(tmpdir(), 'millrace-keys-'))
  onTestFinished(() => rmSync(path, { recursive: true }))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text)
  return path
}

const byKey = () => authenticator({ publicKey: 'key.pem' }, undefined, folder({ 'key.pem': PEM }))

/** What becomes of a token: what it opens, or the name of the problem and what is said. */
async function outcome(authenticate: Awaited<ReturnType<typeof authenticator>>, text: string): Promise<unknown> {
  try {
    const { scopes } = await authenticate(bearer(text).authorization)
    return [...(scopes as Set<string>)]
  } catch (error) {
    const { problem, message, headers } = error as { problem: string; message: string; headers: Record<string, string> }
    if (problem === 'token-invalid')
      expect(headers['www-authenticate']).toBe(
        `Bearer realm="millrace", error="invalid_token", error_description="${message}"`,
      )
    for (const part of text.split('.')) if (part.length > 8) expect(message).not.toContain(part)
    return `${problem}: ${message}`
  }
}

const part = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
const claims = () => ({ iss: ISSUER, aud: 'millrace', exp: seconds(600), scope: 'features:read' })

describe('a token by a public key', () => {
  it('is taken when all of it is right', async () => {
    const text = await token({
      key: key.privateKey,
      alg: 'RS256',
      claims: { scope: 'features:read', aud: ['x', 'millrace'] },
    })
    expect(await outcome(await byKey(), text)).toEqual(['features:read'])
  })

  it('may also be by a key in a file of a set, found by its kid', async () => {
    const curve = ec()
    const keys = [
      { ...(await exportJWK(key.publicKey)), kid: 'a' },
      { ...(await exportJWK(curve.publicKey)), kid: 'b' },
    ]
    const authenticate = await authenticator(
      { jwks: 'set.json' },
      undefined,
      folder({ 'set.json': JSON.stringify({ keys }) }),
    )
    const right = { claims: { scope: 'x' } }
    expect(await outcome(authenticate, await token({ ...right, key: key.privateKey, alg: 'RS256', kid: 'a' }))).toEqual(
      ['x'],
    )
    expect(
      await outcome(authenticate, await token({ ...right, key: curve.privateKey, alg: 'ES256', kid: 'b' })),
    ).toEqual(['x'])
    expect(
      await outcome(authenticate, await token({ ...right, key: other.privateKey, alg: 'RS256', kid: 'a' })),
    ).toMatch(/signature/)
    expect(
      await outcome(authenticate, await token({ ...right, key: curve.privateKey, alg: 'ES256', kid: 'a' })),
    ).toMatch(/^token-invalid/)
  })

  it.each<[string, Written, RegExp]>([
    ['that has expired', { claims: { exp: seconds(-60) } }, /expired/],
    ['that begins later', { claims: { nbf: seconds(60) } }, /another nbf/],
    ['that never ends', { claims: { exp: undefined as never } }, /has no exp/],
    ['for somebody else', { claims: { aud: 'payments' } }, /another aud/],
    ['for nobody', { claims: { aud: undefined as never } }, /has no aud/],
    ['of another issuer', { claims: { iss: 'https://evil.example.com/' } }, /another iss/],
    ['of an issuer whose name only begins so', { claims: { iss: `${ISSUER}x` } }, /another iss/],
    ['of no issuer', { claims: { iss: undefined as never } }, /has no iss/],
    ['signed with another key', { key: other.privateKey }, /signature/],
    ['with a header that must be understood', { header: { crit: ['x'], x: 1 } }, /no signed JSON Web Token/],
  ])('is refused %s', async (_what, written, why) => {
    const text = await token({ key: key.privateKey, alg: 'RS256', ...written }).catch(() => '')
    const made = text || `${part({ alg: 'RS256', ...written.header })}.${part(claims())}.${part('x')}`
    expect(await outcome(await byKey(), made)).toMatch(why)
  })

  it('is refused without a signature, whatever it calls that', async () => {
    const authenticate = await byKey()
    for (const alg of ['none', 'None', 'NONE', '', undefined])
      for (const signature of ['', 'x'])
        expect(await outcome(authenticate, `${part({ alg })}.${part(claims())}.${signature}`)).toMatch(/^token-invalid/)
  })

  it('is refused when the public key was taken for a secret', async () => {
    const authenticate = await byKey()
    const der = key.publicKey.export({ type: 'spki', format: 'der' })
    for (const secret of [PEM, PEM.trim(), der, JSON.stringify(await exportJWK(key.publicKey))]) {
      const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims())}`
      const text = `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
      expect(await outcome(authenticate, text)).toMatch(/signed in a way that is not taken/)
    }
  })

  it('is refused when it was changed', async () => {
    const authenticate = await byKey()
    const [head, , signature] = (await token({ key: key.privateKey, alg: 'RS256' })).split('.')
    expect(await outcome(authenticate, `${head}.${part({ ...claims(), scope: 'records:read' })}.${signature}`)).toMatch(
      /signature/,
    )
  })

  it('is refused when it brings its own key, or says where it is; nobody looks there', async () => {
    const evil = await keyServer(new Map([['evil', other.publicKey]]))
    const jwk = await exportJWK(other.publicKey)
    const authenticate = await byKey()
    for (const header of [{ jwk }, { jku: evil.address }, { x5u: evil.address }, { jku: evil.address, kid: 'evil' }]) {
      const text = await token({ key: other.privateKey, alg: 'RS256', header })
      expect(await outcome(authenticate, text)).toMatch(/signature/)
    }
    expect(evil.asked).toBe(0)
  })

  it.each([
    '../../../etc/passwd',
    '/dev/null',
    "x' OR '1'='1",
    'http://127.0.0.1:1/',
    '__proto__',
    'constructor',
    '',
    '\u0000',
    'x'.repeat(5000),
  ])('a kid %j names no key of the set', async (kid) => {
    const keys = [{ ...(await exportJWK(key.publicKey)), kid: 'a' }]
    const authenticate = await authenticator(
      { jwks: 'set.json' },
      undefined,
      folder({ 'set.json': JSON.stringify({ keys }) }),
    )
    const text = await token({ key: other.privateKey, alg: 'RS256', kid })
    expect(await outcome(authenticate, text)).toMatch(/^token-invalid: The (token is signed with a key|signature)/)
  })

  it.each(['x', 'a.b', 'a.b.c', '..', `${part({ alg: 'RS256' })}.${part('[]')}.x`, part('x'.repeat(10_000)), 'é'])(
    'is refused when it is none: %.40s',
    async (text) => expect(await outcome(await byKey(), text)).toMatch(/^token-(invalid|missing)/),
  )

  it('may be as old as clocks are allowed to be apart, and no older', async () => {
    const authenticate = await byKey()
    const of = (exp: number) => token({ key: key.privateKey, alg: 'RS256', claims: { exp: seconds(exp) } })
    expect(await outcome(authenticate, await of(-15))).toEqual(['features:read', 'catalog:read'])
    expect(await outcome(authenticate, await of(-45))).toMatch(/expired/)
  })
})

describe('a token by a secret', () => {
  it('is taken, and refused when another made it', async () => {
    const authenticate = await authenticator()
    expect(await outcome(authenticate, await token({ alg: 'HS512' }))).toEqual(['features:read', 'catalog:read'])
    const forged = await token({ key: new TextEncoder().encode(`${SECRET}!`) })
    expect(await outcome(authenticate, forged)).toMatch(/signature/)
    expect(await outcome(authenticate, await token({ key: key.privateKey, alg: 'RS256' }))).toMatch(/not taken/)
  })
})

it.each([
  [
    'a file that is not there',
    { publicKey: 'none.pem' },
    /http\.auth\.publicKey is none\.pem, which cannot be read: ENOENT/,
  ],
  ['a file that is no key', { publicKey: 'text' }, /holds no public key/],
  ['a set that is no JSON', { jwks: 'text' }, /http\.auth\.jwks is text, which is no JSON Web Key Set/],
  ['a set that is none', { jwks: 'json' }, /no JSON Web Key Set/],
])('%s is told at the start, and nothing of what is in it', async (_what, config, message) => {
  const files = { text: 'canary-in-a-file', json: '{"canary":1}' }
  const made = authenticator(config, undefined, folder(files))
  await expect(made).rejects.toThrow(message)
  await expect(made).rejects.not.toThrow('canary')
})

describe('the keys of an issuer', () => {
  const by = (kid: string, { privateKey }: { privateKey: KeyObject }, scope = kid) =>
    token({ key: privateKey, alg: 'RS256', kid, claims: { scope } })

  it('are asked for once, however many come', async () => {
    const issuer = await keyServer(new Map([['a', key.publicKey]]))
    const authenticate = await authenticator({ jwks: issuer.address })
    expect(issuer.asked).toBe(0)
    const texts = await Promise.all(Array.from({ length: 20 }, (_, i) => by('a', key, `s${i}`)))
    expect(await Promise.all(texts.map((text) => outcome(authenticate, text)))).toEqual(texts.map((_, i) => [`s${i}`]))
    expect(issuer.asked).toBe(1)
  })

  it('are asked for again for a key that is not known, but not again and again', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    const keys = new Map([['a', key.publicKey]])
    const issuer = await keyServer(keys)
    const authenticate = await authenticator({ jwks: issuer.address })
    await outcome(authenticate, await by('a', key))
    keys.set('b', other.publicKey)
    for (let i = 0; i < 10; i++) expect(await outcome(authenticate, await by('b', other))).toMatch(/not known/)
    expect(issuer.asked).toBe(1)
    vi.setSystemTime(Date.now() + 31_000)
    expect(await outcome(authenticate, await by('b', other))).toEqual(['b'])
    for (let i = 0; i < 10; i++) expect(await outcome(authenticate, await by(`c${i}`, other))).toMatch(/not known/)
    expect(issuer.asked).toBe(2)
  })

  it('that it takes back are forgotten after ten minutes, and taken while it does not answer', async () => {
    vi.useFakeTimers({ toFake: ['Date', 'performance'] })
    const keys = new Map([
      ['a', key.publicKey],
      ['b', other.publicKey],
    ])
    const issuer = await keyServer(keys)
    const said: string[] = []
    const log = { ...quiet, warn: (_: object, message: string) => void said.push(message) }
    const authenticate = await authenticator({ jwks: issuer.address }, log)
    expect(await outcome(authenticate, await by('a', key))).toEqual(['a'])
    issuer.fails = (response) => void response.socket?.destroy()
    vi.advanceTimersByTime(601_000)
    expect(await outcome(authenticate, await by('a', key, 'again'))).toEqual(['again'])
    await vi.waitFor(() => expect(said).toEqual(['the keys of http.auth cannot be had']))
    issuer.fails = undefined
    keys.delete('a')
    vi.advanceTimersByTime(6_000)
    await outcome(authenticate, await by('b', other))
    await vi.waitFor(async () => expect(await outcome(authenticate, await by('a', key, 'later'))).toMatch(/not known/))
  })

  it.each([
    ['fails', (response: import('node:http').ServerResponse) => response.writeHead(500).end()],
    ['breaks off', (response: import('node:http').ServerResponse) => response.socket?.destroy()],
    [
      'sends elsewhere',
      (response: import('node:http').ServerResponse) => response.writeHead(302, { location: '/x' }).end(),
    ],
    ['answers what is no set', (response: import('node:http').ServerResponse) => response.end('[]')],
    [
      'answers without end',
      (response: import('node:http').ServerResponse) => response.end(`{"keys":[${'1,'.repeat(1e6)}1]}`),
    ],
  ])('are no verdict over a token where the issuer %s: that is a 503', async (_what, fails) => {
    const issuer = await keyServer(new Map([['a', key.publicKey]]))
    issuer.fails = (response) => void fails(response)
    const authenticate = await authenticator({ jwks: issuer.address })
    for (let i = 0; i < 5; i++) expect(await outcome(authenticate, await by('a', key))).toMatch(/^keys-unavailable/)
    // it is left alone for a while
    expect(issuer.asked).toBeLessThan(4)
  })
})
