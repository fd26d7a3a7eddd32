import { once } from 'node:events'
import { Agent, request as httpRequest } from 'node:http'
import { connect, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { fetch } from './described.ts'
import { type Answer, json, makeServer, raw, servers } from './fixture.ts'

const { start, stopAll } = servers()
afterEach(stopAll)

describe('the connection', () => {
  it('answers pipelined requests in order', async () => {
    const { url } = await start()
    const get = (id: string, more = '') => `GET /v1/features/store/${id} HTTP/1.1\r\nhost: x\r\n${more}\r\n`
    const answer = await raw(url, get('p-1') + get('p-2') + get('p-3', 'connection: close\r\n'))
    expect([...answer.matchAll(/"id":"(p-\d)"/g)].map((match) => match[1])).toEqual(['p-1', 'p-2', 'p-3'])
  })

  it('answers many at once, each with its own', async () => {
    const { url } = await start()
    const ids = Array.from({ length: 200 }, (_, i) => `c-${i}`)
    const answers = await Promise.all(ids.map((id) => json<Answer>(fetch(`${url}/v1/features/store/${id}`))))
    expect(answers.map((answer) => answer.id)).toEqual(ids)
  })

  it('answers bytes that are no HTTP, a path that is none and headers beyond the limit with problems', async () => {
    const { url } = await start()
    const request = (more: string) => `GET / HTTP/1.1\r\nhost: x\r\n${more}\r\n\r\n`
    const answers = {
      'request-invalid': await raw(url, '\u0000\u0001garbage\r\n\r\n'),
      'path-unknown': await raw(url, 'GET /nope HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n'),
      'header-too-large': await raw(url, request(`x: ${'y'.repeat(20_000)}`)),
      'expectation-failed': await raw(url, request('expect: tea\r\nconnection: close')),
    }
    expect(await raw(url, 'GET /v1/features/store/ü HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')).toMatch(
      /^HTTP\/1.1 400 /,
    )
    for (const [name, answer] of Object.entries(answers)) {
      const [head = '', body = ''] = answer.split('\r\n\r\n')
      expect(head, name).toMatch(/^content-type: application\/problem\+json\r?$/im)
      const problem = JSON.parse(body)
      expect(problem.type).toBe(`urn:millrace:problem:${name}`)
      expect(head.startsWith(`HTTP/1.1 ${problem.status} `), head).toBe(true)
    }
    expect((await fetch(`${url}/health/live`)).status).toBe(200)
  })

  it.each([
    ['a header', 'GET / HTTP/1.1\r\nhost: x\r\nx-slow: '],
    [
      'a body',
      'POST /v1/features HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"reads',
    ],
  ])('gives up on %s that does not arrive', async (_what, begun) => {
    const { url } = await start({ limits: { headersMs: 100, requestMs: 200 } })
    const answer = await raw(url, begun)
    expect(answer).toMatch(/^HTTP\/1.1 408 /)
    expect(answer).toContain('urn:millrace:problem:request-slow')
    expect((await fetch(`${url}/health/live`)).status).toBe(200)
  })

  it('closes a connection that says nothing, and one that says it byte by byte', async () => {
    const { api, url } = await start({ limits: { headersMs: 100, requestMs: 200 } })
    expect(await raw(url, '')).toMatch(/^(HTTP\/1.1 408 |$)/)
    const drip = connect(Number(new URL(url).port), '127.0.0.1').setEncoding('utf8')
    let answer = ''
    drip.on('data', (text) => {
      answer += text
    })
    drip.on('error', () => undefined)
    const dripping = setInterval(() => drip.write('x'), 20)
    drip.write('GET / HTTP/1.1\r\nhost: x\r\nx-slow: ')
    await once(drip, 'close')
    clearInterval(dripping)
    expect(answer).toMatch(/^HTTP\/1.1 408 /)
    expect(await connections(api)).toBe(0)
  })

  it('closes a kept connection that is not used, and no sooner than it was told', async () => {
    const { api, url } = await start({ limits: { keepAliveMs: 100 } })
    const answer = await raw(url, 'GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n')
    expect(answer).toMatch(/^HTTP\/1.1 200 /)
    expect(answer).toMatch(/connection: keep-alive/i)
    await expect.poll(() => connections(api)).toBe(0)
  })

  it('cuts a client that leaves its answer unread, and keeps nothing of it', async () => {
    const { api, url } = await start({ limits: { stalledMs: 200 } })
    const body = JSON.stringify({ ids: Array.from({ length: 1000 }, (_, i) => `${'x'.repeat(900)}-${i}`) })
    const post = `POST /v1/features/store HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`
    const accepted = once(api.server, 'connection')
    const client = connect(Number(new URL(url).port), '127.0.0.1')
    client.on('error', () => undefined).pause()
    client.write(post.repeat(8))
    const [socket] = (await accepted) as [Socket]
    await once(socket, 'close')
    expect(socket.bytesWritten).toBeGreaterThan(0)
    expect(socket.writableFinished).toBe(false)
    client.destroy()
  })

  it('keeps no more connections than its limit', async () => {
    const { url } = await start({ limits: { connections: 1 } })
    const agent = new Agent({ keepAlive: true })
    const first = await new Promise<number | undefined>((resolve, reject) =>
      httpRequest(`${url}/health/live`, { agent }, (response) => {
        response.resume().on('end', () => resolve(response.statusCode))
      })
        .on('error', reject)
        .end(),
    )
    expect(first).toBe(200)
    const second = await raw(url, 'GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n').catch(() => '')
    expect(second).toBe('')
    agent.destroy()
  })

  it('refuses a port that is taken with a clear error', async () => {
    const { api, url } = await start()
    const other = makeServer()
    await expect(other.listen('127.0.0.1', Number(new URL(url).port))).rejects.toMatchObject({
      code: 'port-unavailable',
    })
    expect(api.server.listening).toBe(true)
    await other.close(0)
  })
})

const connections = ({ server }: ReturnType<typeof makeServer>) =>
  new Promise<number>((resolve, reject) =>
    server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
  )

describe('closing', () => {
  function heldStore() {
    const held: (() => void)[] = []
    let entered: () => void = () => undefined
    const inside = new Promise<void>((resolve) => {
      entered = resolve
    })
    return {
      inside,
      release: () => {
        for (const go of held) go()
      },
      readJson: (_namespace: string, ids: readonly string[]) =>
        new Promise<undefined[]>((resolve) => {
          held.push(() => resolve(ids.map(() => undefined)))
          if (held.length === 2) entered()
        }),
    }
  }

  it('finishes what is in flight, tells it to close, and drops idle connections', async () => {
    const store = heldStore()
    const { api, url } = await start({ store })
    const agent = new Agent({ keepAlive: true, maxSockets: 4 })
    const get = (path: string) =>
      new Promise<{ status: number | undefined; connection: string | undefined }>((resolve, reject) =>
        httpRequest(url + path, { agent }, (response) => {
          const answer = { status: response.statusCode, connection: response.headers.connection }
          response.resume().on('end', () => resolve(answer))
        })
          .on('error', reject)
          .end(),
      )
    expect((await get('/health/live')).connection).toBe('keep-alive')
    const inFlight = get('/v1/features/store/store-1')
    await store.inside
    const closed = api.close(60_000)
    store.release()
    expect(await inFlight).toEqual({ status: 200, connection: 'close' })
    await closed
    await expect(get('/health/live')).rejects.toThrow()
    agent.destroy()
  })

  it('cuts what has not finished after the grace', async () => {
    const store = heldStore()
    const { api, url } = await start({ store })
    const hanging = raw(url, 'GET /v1/features/store/store-1 HTTP/1.1\r\nhost: x\r\n\r\n').catch(() => '')
    await store.inside
    await api.close(20)
    expect(await hanging).toBe('')
  })

  it('may be closed twice, and before it ever listened', async () => {
    const { api } = await start()
    await api.close(100)
    await api.close(100)
    await makeServer().close(100)
  })
})
