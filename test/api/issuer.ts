/** An issuer of tokens, with keys of its own. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, type JWTPayload, SignJWT } from 'jose'
import { onTestFinished } from 'vitest'
import { type Authenticate, remembering } from '../../src/api/auth.ts'
import { verifier } from '../../src/api/tokens.ts'
import type { TokenConfig } from '../../src/core/http.ts'
import type { Log } from '../../src/core/part.ts'
import { quiet } from './fixture.ts'

export const ISSUER = 'https://login.example.com/'
export const AUDIENCE = 'millrace'
export const SECRET = 'a secret that is known to both sides alone'

export const seconds = (fromNow = 0) => Math.floor(Date.now() / 1000) + fromNow

export const rsa = () => generateKeyPairSync('rsa', { modulusLength: 2048 })
export const ec = () => generateKeyPairSync('ec', { namedCurve: 'P-256' })

export interface Written {
  readonly key?: KeyObject | Uint8Array
  readonly alg?: string
  readonly kid?: string
  /** Further members of the header. */
  readonly header?: Readonly<Record<string, unknown>>
  readonly claims?: JWTPayload
}

/** A right token, but for what is said otherwise; a claim that is undefined is left out. */
export function token({ key, alg = 'HS256', kid, header, claims }: Written = {}): Promise<string> {
  const payload = { iss: ISSUER, aud: AUDIENCE, exp: seconds(600), scope: 'features:read catalog:read', ...claims }
  return new SignJWT(payload)
    .setProtectedHeader({ alg, ...(kid === undefined ? {} : { kid }), ...header })
    .sign(key ?? new TextEncoder().encode(SECRET))
}

export const bearer = (text: string) => ({ authorization: `Bearer ${text}` })

const ASYMMETRIC = ['RS256', 'PS256', 'ES256', 'EdDSA']

/** As `run` makes it of `http.auth`. */
export async function authenticator(
  config: Partial<TokenConfig> = { secret: SECRET },
  log: Log = quiet,
  directory = '.',
): Promise<Authenticate> {
  const algorithms = config.secret === undefined ? ASYMMETRIC : ['HS256', 'HS384', 'HS512']
  return remembering(
    await verifier({ issuer: ISSUER, audience: AUDIENCE, tolerance: 30_000, algorithms, ...config }, directory, log),
  )
}

/** Serves keys by their ids; they may be changed while it runs. */
export async function keyServer(keys: Map<string, KeyObject>) {
  const server = {
    asked: 0,
    /** What it does in the place of answering. */
    fails: undefined as ((response: import('node:http').ServerResponse) => void) | undefined,
    address: '',
  }
  const http = createServer(async (_request, response) => {
    server.asked++
    if (server.fails) return server.fails(response)
    const jwks = [...keys].map(async ([kid, key]) => ({ ...(await exportJWK(key)), kid, use: 'sig' }))
    response.end(JSON.stringify({ keys: await Promise.all(jwks) }))
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void http.close().closeAllConnections())
  server.address = `http://127.0.0.1:${(http.address() as AddressInfo).port}/jwks.json`
  return server
}
