import { z } from 'zod'
import { duration } from '../../core/duration.ts'
import { tlsSettings } from '../../core/tls.ts'

const addresses = (of: string) =>
  z
    .array(z.string().regex(/^([^\s:@/]+|\[[0-9a-fA-F:]+\]):\d{1,5}$/, 'expected host:port'))
    .min(1)
    .describe(`Addresses of some ${of}, \`host:port\` each; the others are found from there.`)

const WAYS = ['url', 'cluster', 'sentinel'] as const
const username = z.string().min(1).optional()
const password = z.string().min(1).optional()

export const redisConfig = z
  .strictObject({
    url: z
      .string()
      .refine(
        isAddress,
        'expected redis://[user:password@]host:port[/database], percent-encoded, with nothing after it',
      )
      .optional()
      .describe(
        'One server: `redis://[user:password@]host:port[/database]`; `rediss://` for TLS. Never shown in logs or errors.',
      ),
    cluster: addresses('nodes of a Redis Cluster').optional(),
    sentinel: z
      .strictObject({
        nodes: addresses('sentinels'),
        name: z.string().min(1).describe('By which they know the primary.'),
        username: username.describe('User that the sentinels ask for.'),
        password: password.describe('Password that the sentinels ask for. Never shown.'),
      })
      .optional()
      .describe('The primary that Redis Sentinel names, database 0.'),
    username: username.describe('User of the servers, where it does not stand in `url`.'),
    password: password.describe('Password of the servers, where it does not stand in `url`. Never shown.'),
    prefix: z
      .string()
      .regex(/^[\w.-]+$/, 'may hold letters, digits, _ . and -')
      .optional()
      .describe('What every key begins with. Without it, the name of the deployment.'),
    tls: tlsSettings,
    timeout: duration
      .refine((ms) => ms >= 100, 'at least 100ms')
      .default(5000)
      .describe(
        'How long one call may wait for the connection, and again as long for its answer; then it is given up.',
      ),
  })
  .refine((given) => WAYS.filter((way) => given[way] !== undefined).length === 1, {
    message: 'it is not said where Redis is, or more than once',
    params: { expected: `one of ${WAYS.join(', ')}` },
  })
  .refine(({ url, username, password }) => !(url?.includes('@') && (username ?? password) !== undefined), {
    message: 'user and password stand in `url` and beside it',
    params: { expected: 'one of them' },
  })
export type RedisConfig = z.infer<typeof redisConfig>

/** The client takes any setting from a query, a password too; and its error for what is no URL holds all of it. */
function isAddress(text: string): boolean {
  const url = URL.parse(text)
  if (url === null || !/^rediss?:$/.test(url.protocol) || url.search !== '' || url.hash !== '') return false
  try {
    decodeURIComponent(`${url.username}${url.password}${url.pathname}`)
    return true
  } catch (error) {
    if (error instanceof URIError) return false
    throw error
  }
}

/** Some servers repeat a refused command, and with it the password; a lone user name may be a token. */
export function redactor({ url, password, sentinel }: RedisConfig): (text: string) => string {
  const inUrl = url === undefined ? undefined : new URL(url)
  const secrets = [inUrl?.password || inUrl?.username, password, sentinel?.password].flatMap((secret) =>
    secret ? [decoded(secret), secret] : [],
  )
  return (text) => secrets.reduce((said, secret) => said.replaceAll(secret, '***'), text)
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    // a password beside the address is not encoded
    return text
  }
}

/** `host:port`, with an IPv6 address in brackets. */
export function hostAndPort(address: string): { host: string; port: number } {
  const at = address.lastIndexOf(':')
  return { host: address.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(address.slice(at + 1)) }
}
