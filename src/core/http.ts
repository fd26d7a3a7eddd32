/** `http` of `millrace.yaml`: where the API listens, and whose tokens it takes. */
import { z } from 'zod'
import { duration } from './duration.ts'
import { file } from './tls.ts'

const host = z.string().min(1)
const port = z.int().min(0).max(65_535)

/** Signatures by a private key, of which only the issuer has it. */
const BY_KEY = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'] as const
/** Signatures by a secret that both sides have. Never taken where a public key is given: that is no secret. */
const BY_SECRET = ['HS256', 'HS384', 'HS512'] as const

const KEYS = ['jwks', 'publicKey', 'secret'] as const

const tokens = z
  .strictObject({
    jwks: z
      .string()
      .refine(isKeySet, 'expected an https address, or the path of a file')
      .optional()
      .describe('Public keys of the issuer, as a JSON Web Key Set: an `https://` address, or the path of a file.'),
    publicKey: file('One public key instead', 'PEM file, also of a certificate'),
    secret: z
      .string()
      .min(32)
      .optional()
      .describe('A secret shared with the issuer instead, at least 32 characters. Never shown.'),
    issuer: z.string().min(1).describe('What a token must have as `iss`.'),
    audience: z.string().min(1).describe('What a token must have as, or among, its `aud`.'),
    algorithms: z
      .array(z.enum([...BY_KEY, ...BY_SECRET]))
      .min(1)
      .optional()
      .describe('Signatures that are taken: by default all that are made with such a key, never `none`.'),
    tolerance: duration.default(30_000).describe('How far the clocks of issuer and worker may be apart.'),
  })
  .refine((given) => KEYS.filter((key) => given[key] !== undefined).length === 1, {
    message: 'http.auth says not one way to know a right token',
    params: { expected: `one of ${KEYS.join(', ')}` },
  })
  .refine(({ algorithms = [], secret }) => algorithms.every((name) => taken(secret).includes(name)), {
    path: ['algorithms'],
    message: 'a signature that cannot be made with such a key',
    params: { expected: `of ${BY_SECRET.join(', ')} with secret, of ${BY_KEY.join(', ')} otherwise` },
  })
  .transform(({ algorithms, ...given }) => ({ ...given, algorithms: algorithms ?? taken(given.secret) }))

const taken = (secret: string | undefined): readonly string[] => (secret === undefined ? BY_KEY : BY_SECRET)

function isKeySet(text: string): boolean {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return text !== ''
  const url = URL.parse(text)
  if (url === null || url.username !== '' || url.password !== '') return false
  return (
    url.protocol === 'https:' ||
    (url.protocol === 'http:' && /^(127\.\d+\.\d+\.\d+|localhost|\[::1\])$/.test(url.hostname))
  )
}

export const http = z.strictObject({
  host: host.default('127.0.0.1').describe('Address to listen at.'),
  port: port.default(8080).describe('Port; 0 takes a free one.'),
  auth: z
    .union([z.literal('none'), tokens], '`none`, or a mapping that says which tokens are taken')
    .optional()
    .describe(
      'Who may read: bearers of a JWT with the scope of the route, or with `none` anybody. `millrace run` needs it; `millrace dev` answers anybody.',
    ),
  metrics: z
    .strictObject({
      host: host.optional().describe('Address to listen at; `http.host` when left out.'),
      port: port.describe('Port; 0 takes a free one.'),
    })
    .optional()
    .describe('Serves `/metrics` here, and no longer at `http.port`.'),
  drain: z
    .union([z.literal(0), duration])
    .default(0)
    .describe(
      'At a stop: for how long requests are still taken once `/health/ready` says no. Longer than the load balancer takes to notice.',
    ),
})

/** Which tokens are taken. */
export type TokenConfig = z.output<typeof tokens>
