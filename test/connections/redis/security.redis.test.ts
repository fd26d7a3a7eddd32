/** TLS with client certificates and users with ACLs against a real Redis; the rights are those that docs/redis-layout.md names. */
import { readFileSync } from 'node:fs'
import { inspect } from 'node:util'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import type { PartContext } from '../../../src/core/part.ts'
import stateInRedis from '../../../src/state/redis.ts'
import storeInRedis from '../../../src/stores/redis.ts'
import { type Certificates, makeCertificates } from '../../services/certificates.ts'
import { describeWith } from '../../services/index.ts'
import { freePort } from '../../services/recipe.ts'
import { type RedisService, start } from '../../services/redis.ts'

const PASSWORD = 'c4nary/of@redis:€'

/** As the page names them. */
const [, commands = '', sweeping = ''] =
  /the commands `([a-z ]+?)`, and `([a-z ]+?)` for `millrace plan/s.exec(
    readFileSync(new URL('../../../docs/redis-layout.md', import.meta.url), 'utf8').replace(/\s+/g, ' '),
  ) ?? []

describeWith(['redis'], 'a Redis that asks who comes', () => {
  let certificates: Certificates
  let server: RedisService
  let address: string
  beforeAll(async () => {
    certificates = makeCertificates()
    const port = await freePort()
    const { ca, server: own } = certificates
    const files = { 'tls-cert-file': own.cert, 'tls-key-file': own.key, 'tls-ca-cert-file': ca }
    server = await start({ settings: { 'tls-port': String(port), 'tls-auth-clients': 'yes', ...files } })
    address = `127.0.0.1:${port}`
    const admin = new Redis(server.url)
    const rights = `${commands} ${sweeping}`.split(' ').map((command) => `+${command}`)
    await admin.call('ACL', 'SETUSER', 'millrace', 'on', `>${PASSWORD}`, '~shop:*', ...rights)
    admin.disconnect()
  })
  afterAll(async () => {
    await server?.stop()
    certificates?.remove()
  })

  async function open(settings: object) {
    const said: unknown[] = []
    const say = (...what: unknown[]) => void said.push(what)
    const context: PartContext = {
      directory: certificates.directory,
      deployment: 'shop',
      log: { debug: say, info: say, warn: say, error: say },
    }
    const given = { url: `rediss://${address}`, timeout: '1s', ...settings }
    const state = await stateInRedis.open(stateInRedis.config.parse(given), context)
    onTestFinished(() => state.close())
    const store = await storeInRedis.open(storeInRedis.config.parse(given), context)
    onTestFinished(() => store.close())
    return { state, store, said }
  }
  const own = () => ({ tls: { ca: 'authority.pem', cert: 'client.pem', key: 'client.key' } })

  it.each([
    ['beside the address', () => ({ username: 'millrace', password: PASSWORD })],
    ['in the address', () => ({ url: `rediss://millrace:${encodeURIComponent(PASSWORD)}@${address}` })],
    [
      'with an address that says nothing of TLS',
      () => ({ url: `redis://${address}`, username: 'millrace', password: PASSWORD }),
    ],
  ])('is used by a user with no more rights than the page says, who stands %s', async (_what, who) => {
    const { state, store, said } = await open({ ...own(), ...who() })
    const claim = await state.open('reduce/a@1/0')
    const keys = new Map([['a', Buffer.from('1')]])
    await state.commit(claim, { position: 1, meta: Buffer.alloc(0), keys, timers: new Map([['a', 5]]) })
    expect((await state.read(claim, ['a'])).map(String)).toEqual(['1'])
    expect(await state.due(claim, 9, 9)).toEqual(['a'])
    for await (const page of state.scan(claim)) expect(page).toHaveLength(1)
    await state.forget('reduce/a@1/0')
    const version = { generation: 1, epoch: 1, step: 1 }
    const emissions = [{ key: 'x', at: 1, values: [1], cause: '1' }]
    const batch = { task: 't', version, upto: 1, said: undefined, emissions }
    expect(await store.write({ namespace: 'a@1', names: ['n'], batch })).toBe('written')
    await store.moveAlias('a', 'a@1', 1)
    expect(await store.alias('a')).toBe('a@1')
    expect((await store.read('a@1', ['x']))[0]?.values).toEqual({ n: 1 })
    await store.forget('a@1')
    expect(inspect(said, { depth: 9 })).not.toMatch(/c4nary|NOPERM/)
  })

  it.each<[string, () => object, RegExp]>([
    ['no certificate of the client', () => ({ tls: { ca: 'authority.pem' } }), /./],
    [
      "a stranger's certificate",
      () => ({ tls: { ca: 'authority.pem', cert: 'stranger.pem', key: 'stranger.key' } }),
      /./,
    ],
    ['another authority', () => ({ tls: { ...own().tls, ca: 'nobody.pem' } }), /certificate/i],
    ['a wrong password', () => ({ ...own(), username: 'millrace', password: `${PASSWORD}!` }), /WRONGPASS/],
    [
      'a prefix that is not its own',
      () => ({ ...own(), username: 'millrace', password: PASSWORD, prefix: 'other' }),
      /NOPERM|permission/,
    ],
  ])('is not used with %s; no password is told', async (_what, settings, why) => {
    const { state, said } = await open({ timeout: '400ms', ...settings() })
    const failure = await state.open('reduce/a@1/0').catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'store-failed', message: expect.stringMatching(why) })
    expect(inspect([failure, said], { depth: 9 })).not.toContain('c4nary')
  })

  it.each([
    ['no place', {}, 'it is not said where Redis is'],
    ['two places', { url: 'redis://a', cluster: ['a:1'] }, 'it is not said where Redis is'],
    ['two users', { url: 'redis://me@a', username: 'you' }, 'user and password stand in'],
    ['half a certificate', { url: 'rediss://a', tls: { cert: 'a' } }, 'stand only together'],
  ])('a configuration with %s is refused', (_what, settings, message) => {
    const { error } = stateInRedis.config.safeParse(settings)
    expect(JSON.stringify(error?.issues)).toContain(message)
  })
})
