/** The keys of an issuer, from its address. */
import type * as Jose from 'jose'
import type { JWTVerifyGetKey } from 'jose'
import type { Millis } from '../core/model.ts'
import type { Log } from '../core/part.ts'
import { Problem } from './problem.ts'

/** Keys are asked for again after so long, so that those the issuer takes back are forgotten. */
const FRESH_MS: Millis = 600_000
/** A key that is not known makes them be asked for at most so often: whoever makes names of keys up costs the issuer nothing. */
const COOL_DOWN_MS: Millis = 30_000
/** After a failure nobody asks for so long. */
const PAUSE_MS: Millis = 5_000
const TIMEOUT_MS: Millis = 5_000
const MAX_BYTES = 1 << 20

/**
 * Known keys go on being taken while the issuer does not answer. Rejects with jose's own errors for a key that it has not, with
 * `keys-unavailable` where it never answered.
 */
export function remoteKeys(jose: typeof Jose, address: URL, log: Log): JWTVerifyGetKey {
  let failedAt = Number.NEGATIVE_INFINITY
  let knownAt = Number.NEGATIVE_INFINITY
  const keys = jose.createRemoteJWKSet(address, {
    cacheMaxAge: Number.POSITIVE_INFINITY,
    cooldownDuration: COOL_DOWN_MS,
    timeoutDuration: TIMEOUT_MS,
    [jose.customFetch]: async (url: string, init: RequestInit) => {
      if (performance.now() - failedAt < PAUSE_MS) throw new Error('it did not answer a moment ago')
      try {
        const text = await textOf(await fetch(url, init))
        jose.createLocalJWKSet(JSON.parse(text))
        knownAt = performance.now()
        return new Response(text)
      } catch (error) {
        failedAt = performance.now()
        const { code, message } = ((error as Error).cause ?? error) as NodeJS.ErrnoException
        log.warn({ reason: code ?? message }, 'the keys of http.auth cannot be had')
        throw error
      }
    },
  })
  return async (header, token) => {
    const isOld = performance.now() - knownAt > FRESH_MS
    // what is known is taken meanwhile; what fails has been said
    if (isOld && keys.jwks() !== undefined) keys.reload().catch(() => undefined)
    try {
      return await keys(header, token)
    } catch (error) {
      if (error instanceof jose.errors.JWKSNoMatchingKey || error instanceof jose.errors.JWKSMultipleMatchingKeys)
        throw error
      throw new Problem(
        'keys-unavailable',
        'The keys that tokens are verified with cannot be had. Try again shortly.',
        {
          headers: { 'retry-after': '5' },
        },
      )
    }
  }
}

/** The body of an answer, no more of it than may be. */
async function textOf(response: Response): Promise<string> {
  if (response.status !== 200) throw new Error(`it answered ${response.status}`)
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    if (bytes > MAX_BYTES) throw new Error(`it answered more than ${MAX_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}
