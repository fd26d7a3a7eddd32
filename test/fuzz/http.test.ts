import { expect, it } from 'vitest'
import { Missing } from '../services/recipe.ts'
import { schemathesis, tryHttp } from './http.ts'

/** Undefined where it is here. */
const missing = await schemathesis().then(
  () => undefined,
  (error: unknown) => {
    if (error instanceof Missing) return error.message
    throw error
  },
)
if (missing && process.env.CI === 'true') throw new Error(missing)
if (missing) console.warn(missing)

// where Python, or the network to fetch it by, is missing: with CI=true nothing may be
it.skipIf(missing).each([
  ['by dev', {}],
  ['behind tokens', { tokens: true }],
])(
  'what schemathesis makes of the OpenAPI served %s is answered as that says: no 5xx, no status or body that it does not name',
  async (_where, how) => {
    const { passed, said } = await tryHttp({ examples: 2, seed: 1, phases: 'fuzzing', ...how })
    expect(passed, said).toBe(true)
    expect(said).toMatch(/\d+ generated, \d+ passed/)
  },
  240_000,
)
