import { describe, expect, it } from 'vitest'
import { http } from '../../src/core/http.ts'

const HEAD = { issuer: 'https://issuer', audience: 'millrace' }
const SECRET = 'x'.repeat(32)
const isTaken = (auth: object) => http.safeParse({ auth: { ...HEAD, ...auth } }).success

describe('tokens', () => {
  it.each([
    'keys/jwks.json',
    'https://issuer.example/keys',
    'http://127.0.0.1:9000/keys',
    'http://127.9.9.9/keys',
    'http://localhost/keys',
    'http://[::1]:9000/keys',
  ])('may be known by the keys at %s', (jwks) => {
    expect(isTaken({ jwks })).toBe(true)
  })

  it.each([
    '',
    'http://issuer.example/keys',
    'http://127.0.0.1.example/keys',
    'ftp://issuer.example/keys',
    'https://me:hunter2@issuer.example/keys',
    'https://me@issuer.example/keys',
    'https://:hunter2@issuer.example/keys',
    'https://[/keys',
  ])('are never known by keys that come over %j', (jwks) => {
    expect(isTaken({ jwks })).toBe(false)
  })

  it('are known in exactly one way', () => {
    expect(isTaken({})).toBe(false)
    expect(isTaken({ publicKey: 'key.pem', secret: SECRET })).toBe(false)
    expect(isTaken({ publicKey: 'key.pem' })).toBe(true)
  })

  it('are signed in a way that goes with what they are known by', () => {
    const algorithmsOf = (auth: object) => {
      const { auth: parsed } = http.parse({ auth: { ...HEAD, ...auth } })
      return typeof parsed === 'object' ? parsed.algorithms : undefined
    }
    expect(algorithmsOf({ secret: SECRET })).toEqual(['HS256', 'HS384', 'HS512'])
    expect(algorithmsOf({ jwks: 'keys.json' })).toContain('ES256')
    expect(algorithmsOf({ jwks: 'keys.json', algorithms: ['ES256'] })).toEqual(['ES256'])
    // a public key is no secret: whoever has it could sign
    expect(isTaken({ publicKey: 'key.pem', algorithms: ['HS256'] })).toBe(false)
    expect(isTaken({ secret: SECRET, algorithms: ['RS256'] })).toBe(false)
    expect(isTaken({ secret: SECRET, algorithms: ['none'] })).toBe(false)
  })
})
