/** Verifies JSON Web Tokens by the keys that `http.auth` names. */
import { createPublicKey, type KeyObject } from 'node:crypto'
import type * as Jose from 'jose'
import type { JWTPayload, JWTVerifyGetKey } from 'jose'
import { MillraceError } from '../core/errors.ts'
import type { TokenConfig } from '../core/http.ts'
import type { Millis } from '../core/model.ts'
import type { Log } from '../core/part.ts'
import { readNamed } from '../core/tls.ts'
import { type Grant, invalidToken, type Verify } from './auth.ts'
import { remoteKeys } from './key-set.ts'
import { Problem } from './problem.ts'

/** Reads the key, or the file of keys; those of an address are asked for by the first token. Throws `config-invalid`. */
export async function verifier(config: TokenConfig, directory: string, log: Log): Promise<Verify> {
  const jose = await import('jose')
  const keys = await keysOf(jose, config, directory, log)
  const { issuer, audience, tolerance } = config
  const options = {
    issuer,
    audience,
    algorithms: [...config.algorithms],
    clockTolerance: tolerance / 1000,
    requiredClaims: ['exp'],
  }
  return async (token) => {
    try {
      const grant = grantOf((await jose.jwtVerify(token, keys, options)).payload, tolerance)
      // jose counts whole seconds
      if (grant.until <= Date.now()) throw new jose.errors.JWTExpired('', {})
      return grant
    } catch (error) {
      throw error instanceof Problem ? error : invalidToken(reasonOf(error))
    }
  }
}

async function keysOf(
  jose: typeof Jose,
  { jwks, publicKey, secret }: TokenConfig,
  directory: string,
  log: Log,
): Promise<JWTVerifyGetKey> {
  if (secret !== undefined) return always(new TextEncoder().encode(secret))
  if (publicKey !== undefined)
    return always(pem(await readNamed(publicKey, directory, 'http.auth.publicKey'), publicKey))
  const from = jwks as string
  if (/^https?:\/\//i.test(from)) return remoteKeys(jose, new URL(from), log)
  const text = (await readNamed(from, directory, 'http.auth.jwks')).toString()
  try {
    return jose.createLocalJWKSet(JSON.parse(text))
  } catch (error) {
    throw new MillraceError('config-invalid', `http.auth.jwks is ${from}, which is no JSON Web Key Set`, {
      cause: error,
    })
  }
}

const always = (key: KeyObject | Uint8Array): JWTVerifyGetKey => (async () => key) as unknown as JWTVerifyGetKey

function pem(text: Buffer, path: string): KeyObject {
  try {
    return createPublicKey(text)
  } catch {
    // the cause may hold what the file does, which may be a private key
    throw new MillraceError('config-invalid', `http.auth.publicKey is ${path}, which holds no public key as PEM`)
  }
}

/** Scopes as RFC 9068 has them, in `scope`; or in `scp`, as some issuers do. */
function grantOf({ scope, scp, exp }: JWTPayload, tolerance: Millis): Grant {
  const texts = [scope, scp].flat().filter((text) => typeof text === 'string')
  const scopes = new Set(texts.flatMap((text) => text.split(' ')))
  return { scopes, until: (exp as number) * 1000 + tolerance }
}

/** Says what is wrong with a token, and nothing that it holds. */
function reasonOf(error: unknown): string {
  const { code, claim, reason } = (error ?? {}) as { code?: string; claim?: string; reason?: string }
  switch (code) {
    case 'ERR_JWT_EXPIRED':
      return 'The token has expired.'
    case 'ERR_JWT_CLAIM_VALIDATION_FAILED':
      return reason === 'missing' ? `The token has no ${claim}.` : `The token has another ${claim} than is taken here.`
    case 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED':
      return 'The signature of the token is not right.'
    case 'ERR_JOSE_ALG_NOT_ALLOWED':
      return 'The token is signed in a way that is not taken here.'
    case 'ERR_JWKS_NO_MATCHING_KEY':
      return 'The token is signed with a key that is not known here.'
    case 'ERR_JWKS_MULTIPLE_MATCHING_KEYS':
      return 'The token does not say by its kid which key it is signed with.'
    default:
      return 'This is no signed JSON Web Token that can be read here.'
  }
}
