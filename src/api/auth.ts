/** Who may do what: bearers of tokens, and what their scopes open. */
import { hash } from 'node:crypto'
import type { Millis } from '../core/model.ts'
import { Problem } from './problem.ts'

/** What a route asks of a token, by what it is of and what is done with it. */
export type Scope = 'features:read' | 'catalog:read' | 'records:read'

/** What the sender of a request may do. */
export interface Grant {
  readonly scopes: { has(scope: string): boolean }
  /** Wall time at which it ends. */
  readonly until: Millis
}

/** For whoever is asked for no token. */
export const EVERYTHING: Grant = { scopes: { has: () => true }, until: Number.POSITIVE_INFINITY }

/** What the bearer of a token may do. Rejects with `Problem`: `token-invalid`, `keys-unavailable`. */
export type Verify = (token: string) => Promise<Grant>

/** What a request's header `authorization` opens: at once for a token that was seen before. Throws and rejects with `Problem`. */
export type Authenticate = (authorization: string | undefined) => Grant | Promise<Grant>

/** Tokens that are remembered, and for how long at most: a key that the issuer takes back is taken no longer than that. */
const REMEMBERED = 10_000
const REMEMBERED_MS = 300_000

/** Verifies a token once, and remembers it by its digest until it ends. */
export function remembering(verify: Verify, now: () => Millis = Date.now): Authenticate {
  const known = new Map<string, { readonly grant: Grant; readonly until: Millis }>()
  return (authorization) => {
    const token = tokenIn(authorization)
    const digest = hash('sha256', token, 'base64')
    const found = known.get(digest)
    if (found && now() < found.until) return found.grant
    known.delete(digest)
    return verify(token).then((grant) => {
      // the oldest goes
      if (known.size >= REMEMBERED) known.delete(known.keys().next().value as string)
      known.set(digest, { grant, until: Math.min(grant.until, now() + REMEMBERED_MS) })
      return grant
    })
  }
}

function tokenIn(authorization: string | undefined): string {
  const [, token] = /^Bearer +([\w.~+/=-]+)$/i.exec(authorization ?? '') ?? []
  if (token !== undefined) return token
  // RFC 6750 §3.1: whoever sent nothing of the kind is told no error
  throw new Problem('token-missing', "Send a token: 'authorization: Bearer …'.", {
    headers: { 'www-authenticate': 'Bearer realm="millrace"' },
  })
}

/** `why` is said to the caller: never anything of the token itself. */
export function invalidToken(why: string): Problem {
  return new Problem('token-invalid', why, {
    headers: { 'www-authenticate': `Bearer realm="millrace", error="invalid_token", error_description="${why}"` },
  })
}

/** Throws `scope-missing` where it opens no such route. */
export function permit({ scopes }: Grant, scope: Scope): void {
  if (scopes.has(scope)) return
  throw new Problem('scope-missing', `The token has not the scope '${scope}'.`, {
    members: { scope },
    headers: { 'www-authenticate': `Bearer realm="millrace", error="insufficient_scope", scope="${scope}"` },
  })
}
