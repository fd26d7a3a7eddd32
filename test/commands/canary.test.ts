/**
 * Secrets are planted in every setting that takes one, with services that say back what they are sent: whatever Millrace prints,
 * logs, answers or writes holds none of them.
 */
import { createHmac } from 'node:crypto'
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import embedded from '../../src/transports/embedded/index.ts'
import { type Certificates, makeCertificates } from '../services/certificates.ts'
import { call, exampleProject, start } from './cli.ts'

/** Each with what stands for it in a file; the words are found in none of the project's own. */
const SECRETS = {
  KAFKA_PASSWORD: 'canary-one-of-kafka',
  REGISTRY_PASSWORD: 'canary-two/of:the registry',
  REDIS_PASSWORD: 'canary-three@of/redis',
  STORE_PASSWORD: 'canary-four-beside-the-address',
  SENTINEL_PASSWORD: 'canary-five-of-the-sentinel',
  JWT_SECRET: 'canary-six of tokens that are signed by it',
} as const
const variable = (name: keyof typeof SECRETS) => `'\${${name}}'`

/** In every form in which one may slip out: as it is, encoded for a URL or as JSON, in base64 alone or behind a user. */
function forms(secret: string): string[] {
  const base64 = ['', 'me:', 'millrace:', '\0me\0'].map((before) => Buffer.from(before + secret).toString('base64'))
  return [secret, encodeURIComponent(secret), encodeURI(secret), JSON.stringify(secret).slice(1, -1), ...base64]
}

function expectNone(text: string, more: readonly string[] = []): void {
  for (const secret of [...Object.values(SECRETS), ...more])
    for (const form of forms(secret)) expect(text.includes(form), `${form} in ${text.slice(0, 2000)}`).toBe(false)
  expect(text).not.toMatch(/canary-/)
}

let folder: string
let certificates: Certificates
/** A line of the private key. */
let key: string
beforeEach(() => {
  folder = exampleProject()
  Object.assign(process.env, SECRETS, { LOG_LEVEL: 'debug' })
  certificates = makeCertificates()
  key = readFileSync(certificates.client.key, 'utf8').split('\n')[1] as string
})
afterEach(() => {
  rmSync(folder, { recursive: true })
  certificates.remove()
  for (const name of [...Object.keys(SECRETS), 'LOG_LEVEL', 'MILLRACE_TOKEN']) delete process.env[name]
})

function project(sections: string): void {
  const topics = 'topics: { orders: { time: occurredAt }, acceptances: { time: occurredAt } }'
  writeFileSync(join(folder, 'millrace.yaml'), `deployment: city\n${topics}\n${sections}\n`)
}

const AUTH = `http: { auth: { secret: ${variable('JWT_SECRET')}, issuer: me, audience: millrace } }`

/** A record of `orders` that nobody can read: it becomes a dead letter, under `.millrace/` as all else. */
async function writePoison(): Promise<void> {
  const ignore = () => undefined
  const log = { debug: ignore, info: ignore, warn: ignore, error: ignore }
  const transport = await embedded.open(embedded.config.parse({}), { directory: folder, deployment: 'city', log })
  await transport.create({ name: 'orders', partitions: 1, retentionMs: -1 })
  await transport.write([
    { topic: 'orders', key: null, value: Buffer.from('poison'), timestamp: Date.now(), partition: 0 },
  ])
  await transport.close()
}

async function lettersIn(url: string): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text()
  return [...metrics.matchAll(/^millrace_dead_letters_total\{.*\} (\d+)/gm)].reduce(
    (sum, [, count]) => sum + Number(count),
    0,
  )
}

/** Services that answer with what they were sent. */
async function parrots() {
  const listen = async (server: Server) => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    return (server.address() as AddressInfo).port
  }
  const redis = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', (bytes) => socket.write(`-ERR you said ${bytes.toString().replace(/\r\n/g, ' ')}\r\n`))
  })
  const kafka = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', (bytes) => socket.write(bytes))
  })
  const registry = createHttpServer((request, response) => {
    const { authorization = '' } = request.headers
    const [, said = ''] = authorization.split(' ')
    response.writeHead(400).end(`you said ${authorization}, which is ${Buffer.from(said, 'base64')}`)
  })
  return { redis: await listen(redis), kafka: await listen(kafka), registry: await listen(registry) }
}

function services(ports: { redis: number; kafka: number; registry: number }, tls: string): string {
  const user = 'username: me'
  return [
    `transport: { kind: kafka, brokers: ['127.0.0.1:${ports.kafka}'], retryFor: 100ms, requestTimeout: 300ms, ${tls}sasl: { mechanism: plain, ${user}, password: ${variable('KAFKA_PASSWORD')} } }`,
    `registry: { kind: confluent, url: 'http://127.0.0.1:${ports.registry}', retries: 0, ${user}, password: ${variable('REGISTRY_PASSWORD')} }`,
    `state: { kind: redis, timeout: 300ms, url: 'redis://me:${encodeURIComponent(SECRETS.REDIS_PASSWORD)}@127.0.0.1:${ports.redis}' }`,
    `store: { kind: redis, timeout: 300ms, ${tls}sentinel: { nodes: ['127.0.0.1:${ports.redis}'], name: shop, password: ${variable('SENTINEL_PASSWORD')} }, password: ${variable('STORE_PASSWORD')} }`,
  ].join('\n')
}

const ALL = [
  ['run', '--port', '0'],
  ['plan'],
  ['topics'],
  ['rebuild', 'store-load'],
  ['tail', 'orders', '--limit', '1'],
  ['check', '--json'],
]

describe('no secret is told', () => {
  it.each([
    ['by services that say back what they are sent', []],
    ['where TLS is not understood', ['client.pem', 'client.key']],
    ['where files of TLS were mixed up', ['client.key', 'client.pem']],
  ])('when commands fail %s', { timeout: 120_000 }, async (_where, files) => {
    const [cert, own] = files.map((name) => join(certificates.directory, name))
    const tls = cert === undefined ? '' : `tls: { ca: ${cert}, cert: ${cert}, key: ${own} }, `
    project(`${services(await parrots(), tls)}\n${AUTH}`)
    const commands = tls === '' ? ALL : ALL.slice(0, 1)
    const ends = await Promise.all(commands.map((command) => call(...command, '-d', folder)))
    for (const [i, { code, out, error }] of ends.entries()) {
      expect(code, `${commands[i]}`).toBe(commands[i]?.[0] === 'check' ? 0 : 1)
      expectNone(out + error, [key])
    }
    // the services were heard, and what they said is told
    if (tls === '') expect(ends[0]?.error).toMatch(/you said Basic \*\*\*[\s\S]*you said .*\*\*\*/)
  })

  it('when a setting with one is wrong', { timeout: 60_000 }, async () => {
    const wrong = [
      `registry: { kind: confluent, url: 'http://me:canary-in-a-url@h', password: [canary-in-a-list] }`,
      `state: redis://me:canary-for-a-kind@h`,
      `store: { kind: redis, url: 'redis://me:canary-in/a url@h', password: { canary-as-a-key: 1 } }`,
      `transport: { kind: kafka, brokers: ['me:canary-among-brokers@h:1'], sasl: { mechanism: canary-as-a-mechanism, username: me, password: 5 } }`,
      `http: { auth: { secret: canary-short, jwks: 'https://me:canary-in-jwks@h/', issuer: me, audience: 7, algorithms: [canary-alg] } }`,
    ]
    project(wrong.join('\n'))
    for (const command of ['check', 'run']) {
      const { code, out, error } = await call(command, '-d', folder, ...(command === 'run' ? ['--port', '0'] : []))
      expect(code).toBe(1)
      // a key is no value: of what is unknown, its name is told
      expectNone((out + error).replaceAll('canary-as-a-key', ''))
    }
  })

  it('by what runs: logs, pages, metrics, answers to right and wrong tokens, and what it leaves on disk', {
    timeout: 90_000,
  }, async () => {
    project(AUTH)
    await writePoison()
    const run = start('run', '-d', folder, '--port', '0')
    const [, url = ''] = await run.says(/"url":"([^"]+)".*"msg":"serving"/)
    await expect.poll(() => lettersIn(url), { timeout: 30_000 }).toBeGreaterThan(0)
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const claims = {
      iss: 'me',
      aud: 'millrace',
      exp: Math.floor(Date.now() / 1000) + 600,
      sub: 'canary-seven-in-a-token',
    }
    const sign = (scope: string, secret: string) => {
      const signed = `${part({ alg: 'HS256' })}.${part({ ...claims, scope })}`
      return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
    }
    const right = sign('features:read catalog:read', SECRETS.JWT_SECRET)
    const tokens = [
      right,
      sign('', SECRETS.JWT_SECRET),
      sign('features:read', 'another'),
      'canary-eight-as-a-token',
      '',
    ]
    const paths = [
      '/',
      '/openapi.json',
      '/v1/features',
      '/v1/features/store/s',
      '/v1/topologies',
      '/v1/topics',
      '/health/ready',
      '/health/live',
      '/metrics',
      '/nothing',
    ]
    let said = ''
    for (const token of tokens)
      for (const path of paths) {
        const response = await fetch(url + path, { headers: { authorization: `Bearer ${token}` } })
        said += JSON.stringify([...response.headers]) + (await response.text())
      }
    expect(said).toContain('"openapi"')
    process.env.MILLRACE_TOKEN = tokens[2]
    const refused = await call('features', 'get', 'store', 's', '--url', url)
    expect(refused.code).toBe(1)
    run.signal('SIGTERM')
    const { out, error } = await run.exit
    const left = readdirSync(join(folder, '.millrace'), { recursive: true, encoding: 'utf8' })
      .map((name) => join(folder, '.millrace', name))
      .filter((path) => statSync(path).isFile())
      .map((path) => readFileSync(path, 'latin1'))
    const all = [said, refused.out, refused.error, out, error, ...left].join('\n')
    expectNone(
      all,
      tokens.filter((token) => token.length > 10),
    )
    for (const token of tokens)
      for (const piece of token.split('.')) if (piece.length > 20) expect(all).not.toContain(piece)
  })
})
