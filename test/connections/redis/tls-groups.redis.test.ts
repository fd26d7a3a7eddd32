/** State and features on several Redis servers that talk only TLS, with each other too. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { MillraceError } from '../../../src/core/errors.ts'
import type { PartContext } from '../../../src/core/part.ts'
import stateInRedis from '../../../src/state/redis.ts'
import storeInRedis from '../../../src/stores/redis.ts'
import { type Certificates, makeCertificates } from '../../services/certificates.ts'
import { describeWith } from '../../services/index.ts'
import { type RedisCluster, type RedisWatched, startCluster, startWatched } from '../../services/redis-groups.ts'
import { until } from './until.ts'

const TASK = 'reduce/load@1/0'
const IDS = Array.from({ length: 50 }, (_, i) => `store-${i}`)
const ignore = () => undefined

let certificates: Certificates
let cluster: RedisCluster
let watched: RedisWatched

/** Opens, writes and reads state and features; `meanwhile` happens in between. */
async function use(settings: object, meanwhile: () => Promise<void> = async () => undefined): Promise<void> {
  const context: PartContext = {
    directory: certificates.directory,
    deployment: 'shop',
    log: { debug: ignore, info: ignore, warn: ignore, error: ignore },
  }
  const state = await stateInRedis.open(stateInRedis.config.parse(settings), context)
  const store = await storeInRedis.open(storeInRedis.config.parse(settings), context)
  try {
    const claim = await state.open(TASK)
    await state.commit(claim, { position: 1, meta: Buffer.alloc(0), keys: new Map([['a', Buffer.from('1')]]) })
    const emissions = IDS.map((key) => ({ key, at: 1, values: [7], cause: '1' }))
    const version = { generation: 1, epoch: 1, step: 1 }
    const batch = { task: TASK, version, upto: 1, said: undefined, emissions }
    await store.write({ namespace: 'load@1', names: ['n'], batch })
    await meanwhile()
    expect(String((await until(() => state.read(claim, ['a'])))[0])).toBe('1')
    const found = await until(() => store.read('load@1', IDS))
    expect(found.map((each) => each?.values.n)).toEqual(IDS.map(() => 7))
  } finally {
    await state.close()
    await store.close()
  }
}

const own = { ca: 'authority.pem', cert: 'client.pem', key: 'client.key' }
const PASSWORD = 'only-for-tests'

describeWith(['redis'], 'several Redis servers behind TLS', () => {
  beforeAll(async () => {
    certificates = makeCertificates()
    ;[cluster, watched] = await Promise.all([startCluster(3, certificates), startWatched(PASSWORD, certificates)])
  })
  afterAll(async () => {
    await cluster?.stop()
    await watched?.stop()
    certificates?.remove()
  })

  it('are used as a cluster', () => use({ cluster: cluster.nodes.slice(0, 1), tls: own }))

  it('are used as a primary that sentinels name, through a failover', { timeout: 60_000 }, () => {
    const sentinel = { nodes: [watched.sentinel], name: 'shop', password: PASSWORD }
    return use({ sentinel, password: PASSWORD, tls: own, timeout: '1s' }, async () => {
      await watched.replicated()
      await watched.primary.kill9()
    })
  })

  it.each([
    ['no certificate of the client', { ca: 'authority.pem' }],
    ['another authority', { ...own, ca: 'nobody.pem' }],
    ['no TLS', undefined],
  ])('are not used with %s', async (_what, tls) => {
    const both = [
      { cluster: cluster.nodes },
      { sentinel: { nodes: [watched.sentinel], name: 'shop', password: PASSWORD } },
    ]
    for (const where of both) {
      const settings = { ...where, ...(tls && { tls }), timeout: '300ms' }
      await expect(use(settings)).rejects.toThrow(MillraceError)
    }
  })
})
