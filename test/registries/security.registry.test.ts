/**
 * TLS against a real registry. It asks neither for a password nor for a certificate (the first takes it an identity provider, the second
 * a build of its own), so a proxy in front of it does.
 */
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { type Certificates, makeCertificates } from '../services/certificates.ts'
import { describeWith, uniqueName } from '../services/index.ts'
import { type RegistryService, start } from '../services/registry.ts'
import { open } from './fixture.ts'

const SCHEMA = { type: 'record', name: 'Order', fields: [{ name: 'id', type: 'string' }] }

describeWith(['registry'], 'a registry that asks who comes', () => {
  let certificates: Certificates
  let service: RegistryService
  beforeAll(async () => {
    certificates = makeCertificates()
    service = await start(certificates)
  })
  afterAll(async () => {
    await service?.stop()
    certificates?.remove()
  })

  const tried = async (url: string, settings: object) => {
    const registry = await open(url, settings)
    onTestFinished(() => registry.close())
    const subject = `${uniqueName('orders')}-value`
    const id = await registry.register(subject, SCHEMA)
    expect(await registry.latest(subject)).toMatchObject({ id })
    expect(await registry.schema(id)).toMatchObject({ name: 'Order' })
  }

  it('is asked over TLS', () => tried(service.secureUrl as string, { tls: { ca: certificates.ca } }))

  it.each([
    ['that is not trusted', () => true],
    ['of somebody else', () => ({ ca: certificates.stranger.ca })],
  ])('is not reached with an authority %s', async (_what, tls) => {
    const registry = await open(service.secureUrl as string, { tls: tls(), retries: 0 })
    onTestFinished(() => registry.close())
    await expect(registry.latest('orders-value')).rejects.toMatchObject({
      code: 'registry-failed',
      message: expect.stringMatching(/CERT|SIGNATURE/),
    })
  })

  it('is asked with a user, a password and a certificate of the client; no error tells of them', async () => {
    const password = 'c4nary:€ of the registry'
    const right = `Basic ${Buffer.from(`me:${password}`).toString('base64')}`
    const { ca, server, client, stranger } = certificates
    const files = { ca: readFileSync(ca), cert: readFileSync(server.cert), key: readFileSync(server.key) }
    const proxy = createServer({ ...files, requestCert: true, rejectUnauthorized: true }, (incoming, outgoing) => {
      if (incoming.headers.authorization !== right) {
        outgoing.writeHead(401).end(`you said ${incoming.headers.authorization}`)
        return
      }
      const { authorization: _, host: __, ...headers } = incoming.headers
      const target = `${new URL(service.url).origin}${incoming.url}`
      const onwards = request(target, { method: incoming.method ?? 'GET', headers })
      onwards.on('response', (answer) => answer.pipe(outgoing.writeHead(answer.statusCode ?? 502)))
      incoming.pipe(onwards)
    })
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void proxy.close().closeAllConnections())
    const url = `https://127.0.0.1:${(proxy.address() as AddressInfo).port}${new URL(service.url).pathname}`
    const known = { tls: { ca, ...client }, username: 'me', password }
    await tried(url, known)
    for (const [more, why] of [
      [{ password: `${password}!` }, /401/],
      [{ tls: { ca } }, /./],
      [{ tls: { ca, cert: stranger.cert, key: stranger.key } }, /./],
    ] as const) {
      const wrong = await open(url, { ...known, ...more, retries: 0 })
      onTestFinished(() => wrong.close())
      const failure = await wrong.latest('orders-value').catch((error: unknown) => error)
      expect(failure).toMatchObject({ code: 'registry-failed', message: expect.stringMatching(why) })
      expect(String(failure)).not.toContain('c4nary')
      expect(String(failure)).not.toContain(Buffer.from(`me:${password}!`).toString('base64'))
    }
  })
})
