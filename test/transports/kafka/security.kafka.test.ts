/** TLS, SASL and ACLs against a broker that asks for them. The rights are those that docs/operations.md names. */
import { AclOperationTypes, AclPermissionTypes, AclResourceTypes, Kafka, logLevel, ResourcePatternTypes } from 'kafkajs'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import type { Batch, Transport } from '../../../src/core/model.ts'
import { type Certificates, makeCertificates } from '../../services/certificates.ts'
import { describeWith, uniqueName } from '../../services/index.ts'
import { type KafkaService, start } from '../../services/kafka.ts'
import { openKafka, Said } from './open.ts'

const PASSWORD = 'c4nary-Of-Plain'
const SCRAM = 'c4nary-Of-Scram'

describeWith(['kafka'], 'a broker that asks who comes', () => {
  let certificates: Certificates
  let kafka: KafkaService
  beforeAll(async () => {
    certificates = makeCertificates()
    kafka = await start({ secured: { certificates, plain: { plain: PASSWORD }, scram: { scram: SCRAM } } })
    const admin = new Kafka({ brokers: kafka.brokers, logLevel: logLevel.NOTHING }).admin()
    const topics = ['orders', 'secrets'].map((topic) => ({ topic, numPartitions: 1 }))
    await admin.createTopics({ topics, waitForLeaders: false })
    await admin.createAcls({ acl: ['plain', 'scram', 'client'].flatMap(rightsOf) })
    await admin.disconnect()
  })
  afterAll(async () => {
    await kafka?.stop()
    certificates?.remove()
  })

  const scram = (mechanism: string, password = SCRAM) => ({ sasl: { mechanism, username: 'scram', password } })
  const plain = (password = PASSWORD) => ({ sasl: { mechanism: 'plain', username: 'plain', password } })

  async function open(listener: 'sasl' | 'mutual', settings: object, log = new Said()) {
    const transport = await openKafka([kafka[listener] as string], settings, log)
    onTestFinished(() => transport.close())
    return transport
  }

  it.each(['plain', 'scram-sha-256', 'scram-sha-512'])(
    'is written to and read with SASL %s over TLS',
    async (mechanism) => {
      const who = mechanism === 'plain' ? plain() : scram(mechanism)
      await worksThrough(await open('sasl', { tls: { ca: certificates.ca }, ...who }))
    },
  )

  it('is written to and read with a certificate of the client', async () => {
    const { ca, client } = certificates
    await worksThrough(await open('mutual', { tls: { ca, ...client } }))
  })

  it.each<[string, 'sasl' | 'mutual', () => object, RegExp]>([
    [
      'a wrong password',
      'sasl',
      () => ({ tls: { ca: certificates.ca }, ...plain('wr0ng-Word') }),
      /Authentication|SASL/i,
    ],
    [
      'a wrong password for SCRAM',
      'sasl',
      () => ({ tls: { ca: certificates.ca }, ...scram('scram-sha-512', 'wr0ng-Word') }),
      /SASL|Authentication|credentials/i,
    ],
    ['an authority that is not trusted', 'sasl', () => ({ tls: true, ...plain() }), /certificate/i],
    ['another authority', 'sasl', () => ({ tls: { ca: certificates.stranger.ca }, ...plain() }), /certificate/i],
    ['no certificate of the client', 'mutual', () => ({ tls: { ca: certificates.ca } }), /certificate|closed|alert/i],
    [
      "a stranger's certificate",
      'mutual',
      () => ({ tls: { ca: certificates.ca, cert: certificates.stranger.cert, key: certificates.stranger.key } }),
      /certificate|closed|alert/i,
    ],
    ['no TLS', 'sasl', () => plain(), /./],
  ])('is not reached with %s, in bounded time; no password is told', async (_what, listener, settings, said) => {
    const log = new Said()
    const transport = await open(listener, { retryFor: '200ms', requestTimeout: '1s', ...settings() }, log)
    const failure = await transport.topics(['orders']).catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'transport-failed', message: expect.stringMatching(said) })
    const told = String(failure) + String((failure as Error).stack) + log.lines.join('\n')
    for (const secret of [PASSWORD, SCRAM, 'wr0ng-Word']) {
      expect(told).not.toContain(secret)
      expect(told).not.toContain(Buffer.from(secret).toString('base64'))
    }
  })

  it('refuses what the user has no right to, and that is told', async () => {
    const transport = await open('sasl', { tls: { ca: certificates.ca }, ...plain() })
    const draft = { topic: 'secrets', partition: 0, key: null, value: Buffer.from('x'), timestamp: 1 }
    await expect(transport.write([draft])).rejects.toMatchObject({ message: expect.stringMatching(/authori|secrets/i) })
  })

  it('tells which file of TLS is wrong', async () => {
    const settings = (tls: object) => openKafka([kafka.sasl as string], { tls })
    const { ca, client, server } = certificates
    await expect(settings({ ca: 'nowhere.pem' })).rejects.toMatchObject({
      code: 'config-invalid',
      message: 'tls.ca is nowhere.pem, which cannot be read: ENOENT',
    })
    await expect(settings({ ca, cert: client.cert, key: server.key })).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringMatching(/files of tls .* do not fit: .*MISMATCH/),
    })
    await expect(settings({ ca, cert: client.key, key: client.key })).rejects.toMatchObject({ code: 'config-invalid' })
  })
})

/** Everything that a worker does. */
async function worksThrough(transport: Transport): Promise<void> {
  const name = uniqueName('shop')
  await transport.create({ name, partitions: 2, retentionMs: -1 })
  expect((await transport.topics([name, 'orders'])).size).toBe(2)
  await transport.write([{ topic: name, partition: 1, key: null, value: Buffer.from('x'), timestamp: 5 }])
  const partition = { topic: name, partition: 1 }
  expect(await transport.positionAt(partition, 4)).toBe(0)
  expect((await transport.read(partition, 0)).records).toHaveLength(1)
  const { promise, resolve } = Promise.withResolvers<Batch>()
  const membership = await transport.join(uniqueName('shop'), [name], {
    opened: async () => 0,
    closed: () => undefined,
    batch: async (batch) => resolve(batch),
  } as Parameters<Transport['join']>[2])
  expect((await promise).records).toHaveLength(1)
  await membership.leave()
  await transport.deleteTopic(name)
}

/** What docs/operations.md says that a worker of the deployment `shop` needs, and to delete its topics. */
function rightsOf(user: string) {
  const acl = (
    resourceType: AclResourceTypes,
    resourceName: string,
    resourcePatternType: ResourcePatternTypes,
    operation: AclOperationTypes,
  ) => ({
    resourceType,
    resourceName,
    resourcePatternType,
    operation,
    principal: `User:${user}`,
    host: '*',
    permissionType: AclPermissionTypes.ALLOW,
  })
  const { READ, WRITE, CREATE, DELETE, DESCRIBE } = AclOperationTypes
  const { LITERAL, PREFIXED } = ResourcePatternTypes
  return [
    ...[READ, DESCRIBE].map((operation) => acl(AclResourceTypes.TOPIC, 'orders', LITERAL, operation)),
    ...[READ, WRITE, CREATE, DELETE, DESCRIBE].map((operation) =>
      acl(AclResourceTypes.TOPIC, 'shop', PREFIXED, operation),
    ),
    acl(AclResourceTypes.GROUP, 'shop', PREFIXED, READ),
  ]
}
