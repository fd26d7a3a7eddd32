/** How the client takes a server that misbehaves; what a good one does is tried on a real one. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import { afterEach, expect, it } from 'vitest'
import type { Registry } from '../../src/core/model.ts'
import part from '../../src/registries/confluent.ts'
import { open } from './fixture.ts'

type Handle = (request: IncomingMessage, response: ServerResponse, count: number) => void
const cleanups: (() => void | Promise<void>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

async function against(handle: Handle, settings: object = {}) {
  const requests: IncomingMessage[] = []
  const server = createServer((request, response) => handle(request, response, requests.push(request)))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const registry = await open(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, settings)
  cleanups.push(() => registry.close())
  cleanups.push(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(() => resolve()))
  })
  return { registry, requests, server }
}

const say = (status: number, body: unknown): Handle => {
  return (_, response) => {
    response.statusCode = status
    response.end(typeof body === 'string' ? body : JSON.stringify(body))
  }
}
const schema = { type: 'record', name: 'R', fields: [] }
const good = say(200, { schema: JSON.stringify(schema) })

async function failure(call: Promise<unknown>): Promise<Error & { code: string }> {
  return call.then(
    () => expect.unreachable(),
    (error) => error,
  )
}

it('asks for a schema once', async () => {
  const { registry, requests } = await against(good)
  expect([await registry.schema(7), await registry.schema(7)]).toEqual([schema, schema])
  expect(requests.map(({ url }) => url)).toEqual(['/schemas/ids/7'])
})

it.each([500, 503, 429, 408])('repeats a request that is answered %i', async (status) => {
  const { registry, requests } = await against((request, response, count) =>
    (count < 3 ? say(status, 'busy') : good)(request, response, count),
  )
  expect(await registry.schema(1)).toEqual(schema)
  expect(requests.length).toBe(3)
})

it('gives up after the retries, and says what was answered', async () => {
  const { registry, requests } = await against(say(503, 'busy'), { retries: 1 })
  expect(await failure(registry.schema(1))).toMatchObject({
    code: 'registry-failed',
    message: 'the registry answered 503: busy',
  })
  expect(requests.length).toBe(2)
})

it('does not wait for a server that never answers, nor for one that stops midway', async () => {
  const silent = await against(() => undefined, { retries: 0, timeout: '50ms' })
  expect((await failure(silent.registry.schema(1))).message).toBe('the registry did not answer in 50 ms')
  const stuck = await against((_, response) => response.write('{"schema":'), { retries: 0, timeout: '50ms' })
  expect((await failure(stuck.registry.schema(1))).message).toBe('the registry did not answer in 50 ms')
})

it('is registry-failed, and never schema-unknown, for anything but its own "schema not found"', async () => {
  const outcomes = [
    say(404, '<html>no such page</html>'),
    say(404, { error_code: 404, message: 'HTTP 404 Not Found' }),
    say(401, { error_code: 401, message: 'Unauthorized' }),
    say(403, 'no'),
    say(200, 'hello'),
    say(200, 'null'),
    ((_, response) => response.destroy()) satisfies Handle,
  ]
  for (const handle of outcomes) {
    const { registry } = await against(handle, { retries: 0 })
    expect((await failure(registry.schema(1))).code).toBe('registry-failed')
    expect((await failure(registry.latest('orders-value'))).code).toBe('registry-failed')
    expect((await failure(registry.register('orders-value', schema))).code).toBe('registry-failed')
  }
})

it('is registry-failed when nobody listens', async () => {
  const { registry, server } = await against(good, { retries: 0 })
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  expect(await failure(registry.schema(1))).toMatchObject({
    code: 'registry-failed',
    message: 'the registry cannot be reached: ECONNREFUSED',
  })
})

it.each([
  ['of more than 2 MiB', { schema: ' '.repeat(10_000_000) }],
  ['in another language', { schema: 'syntax = "proto3";', schemaType: 'PROTOBUF' }],
  ['with references', { schema: '"string"', references: [{ name: 'X', subject: 's', version: 1 }] }],
  ['that is no JSON', { schema: '{' }],
  ['that is none', {}],
])('calls a schema unfit %s', async (_, body) => {
  const { registry } = await against(say(200, body), { retries: 0 })
  expect((await failure(registry.schema(1))).code).toBe('schema-unfit')
})

it('proves who it is, and never says the password', async () => {
  const { registry, requests } = await against(say(401, 'who are you?'), { username: 'me', password: 'hunter2' })
  const error = await failure(registry.schema(1))
  const sent = requests[0]?.headers.authorization
  expect(sent).toBe(`Basic ${Buffer.from('me:hunter2').toString('base64')}`)
  expect(requests.length).toBe(1)
  const shown = inspect(error, { depth: 10 }) + JSON.stringify(error)
  expect(shown).not.toContain('hunter2')
  expect(shown).not.toContain(sent?.slice(6))
})

it('refuses an address that holds a password, without repeating it', () => {
  for (const url of ['http://me:hunter2@localhost:8081', 'ftp://localhost', 'localhost:8081']) {
    const parsed = part.config.safeParse({ url })
    expect(parsed.success).toBe(false)
    expect(String(parsed.error)).not.toContain('hunter2')
  }
})

it('names subjects safely', async () => {
  const { registry, requests } = await against(say(404, { error_code: 40401, message: 'no subject' }))
  expect(await registry.latest('a/b?c-value')).toBe(undefined)
  expect(requests[0]?.url).toBe('/subjects/a%2Fb%3Fc-value/versions/latest')
})

it('ends what is under way when it is closed', async () => {
  const { registry } = await against(() => undefined)
  const asking: Promise<unknown> = (registry as Registry).schema(1)
  const outcome = failure(asking)
  await registry.close()
  expect((await outcome).code).toBe('registry-failed')
})

it('does not repeat its credentials when a server says them back', async () => {
  const echo: Handle = ({ headers }, response) =>
    say(400, `${headers.authorization} me:hunter2`)({} as never, response, 1)
  const { registry } = await against(echo, { username: 'me', password: 'hunter2' })
  const { code, message } = await failure(registry.schema(1))
  expect([code, message]).toEqual(['registry-failed', 'the registry answered 400: Basic *** me:***'])
})
