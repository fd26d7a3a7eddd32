/** `topologies` and `topics`: from files and from what runs. */
import { rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { call, exampleProject } from './cli.ts'

let folder: string
beforeEach(() => {
  folder = exampleProject()
})
afterEach(() => rmSync(folder, { recursive: true }))

/** An API that answers one path. */
async function api(path: string, answer: object): Promise<string> {
  const server = createServer((request, response) => {
    response.statusCode = request.url === path ? 200 : 404
    response.end(JSON.stringify(request.url === path ? answer : { title: 'Nothing', detail: 'Not here.' }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return String((server.address() as AddressInfo).port)
}

const TOPOLOGY = {
  name: 'store-load',
  kind: 'features',
  sources: ['orders'],
  outputs: ['store'],
  tags: [],
  generation: 'abc',
  serving: null,
  live: {
    tasks: { running: 3, blocked: 1 },
    reasons: ['reduce/x: no room'],
    lag: 42,
    clock: '2026-01-31T00:00:00.000Z',
  },
}

describe('millrace topologies', () => {
  it('lists what the files say', async () => {
    const { code, out } = await call('topologies', '-d', folder)
    expect(code).toBe(0)
    const [head, ...rows] = out.trimEnd().split('\n')
    expect(head).toMatch(/^TOPOLOGY +KIND +SOURCES +ENTITY +FEATURES +TO +OWNER +TAGS$/)
    expect(rows).toContainEqual(
      expect.stringMatching(
        /^store-backlog +features +orders, acceptances +store +2 +store +logistics\/store-load\/eta +-$/,
      ),
    )
    const { topologies } = JSON.parse((await call('topologies', '-d', folder, '--json')).out)
    expect(topologies).toHaveLength(rows.length)
    expect(topologies.find(({ name }: { name: string }) => name === 'store-load')).toMatchObject({
      generation: expect.any(String),
      features: expect.any(Array),
    })
    expect((await call('topologies', '-d', folder, '--tag', 'nobody')).out).toBe('no topologies\n')
  })

  it('says what is wrong with the files', async () => {
    writeFileSync(join(folder, 'topologies/bad.yaml'), 'topology: bad\n')
    const { code, error } = await call('topologies', '-d', folder)
    expect(code).toBe(1)
    expect(error).toContain('topologies/bad.yaml:1:1')
  })

  it('lists what runs, and why tasks do not', async () => {
    const port = await api('/v1/topologies', { topologies: [TOPOLOGY] })
    const { code, out } = await call('topologies', '-d', folder, '--port', port)
    expect(code).toBe(0)
    expect(out).toMatch(/^TOPOLOGY +KIND +GENERATION +SERVING +TASKS +LAG +CLOCK\n/)
    expect(out).toMatch(/^store-load +features +abc +- +3 running, 1 blocked +42 +2026-01-31T00:00:00.000Z$/m)
    expect(out).toContain('\n\n  reduce/x: no room\n')
  })

  it('says that nothing answers', async () => {
    const { code, error } = await call('topologies', '-d', folder, '--url', '127.0.0.1:1')
    expect(code).toBe(1)
    expect(error).toMatch(/^millrace topologies: nothing answers at http:\/\/127\.0\.0\.1:1\. Is `millrace dev`/)
  })
})

describe('millrace topics', () => {
  it('reads an embedded log that nobody holds', async () => {
    writeFileSync(join(folder, 'millrace.yaml'), 'http: { port: 1 }\n')
    const { code, out, error } = await call('topics', '-d', folder)
    expect({ code, error }).toEqual({ code: 0, error: '' })
    expect(out).toMatch(/^TOPIC +PARTITIONS +RECORDS +SCHEMA +READ BY +WRITTEN BY\n/)
    expect(out).toMatch(/^acceptances +- +missing +acceptances-value \(\d+\) +courier-acceptance, store-backlog +-$/m)
    expect(out).toMatch(/^store-features +- +missing +- +- +store-load$/m)
    const { topics } = JSON.parse((await call('topics', '-d', folder, '--json')).out)
    expect(topics.map(({ name }: { name: string }) => name)).toContain('millrace-dead-letters')
  })

  it('asks what runs', async () => {
    const orders = { name: 'orders', subject: 'orders-value', schema: 7, reads: ['a', 'b'], writes: [] }
    const partitions = [
      { start: 2, end: 5 },
      { start: 0, end: 4 },
    ]
    const port = await api('/v1/topics', { topics: [{ ...orders, partitions }] })
    const { out } = await call('topics', '--port', port)
    expect(out).toMatch(/^orders +2 +7 +orders-value \(7\) +a, b +-$/m)
  })
})

describe('millrace tail', () => {
  it('says what to do where `millrace run` answers, which shows no records', async () => {
    const server = createServer((_request, response) => {
      response.statusCode = 404
      response.end(JSON.stringify({ title: 'There is nothing at this path' }))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const { code, error } = await call('tail', 'orders', '--port', String((server.address() as AddressInfo).port))
    expect(code).toBe(1)
    expect(error).toContain('only `millrace dev` does')
  })

  it('takes no time that is none', async () => {
    const { code, error } = await call('tail', 'orders', '--from', 'yesterday')
    expect(code).toBe(2)
    expect(error).toContain('expected earliest, latest or a time such as')
  })
})
