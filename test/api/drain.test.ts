/** A stop under load: whoever goes where readiness sends them sees nothing of it. */
import { Agent, request } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { servers } from './fixture.ts'

const { start, stopAll } = servers()
afterEach(stopAll)

interface Got {
  readonly status: number | undefined
  readonly connection: string | undefined
}

function get(url: string, agent: Agent): Promise<Got> {
  return new Promise((resolve, reject) => {
    request(url, { agent }, (response) => {
      const got = { status: response.statusCode, connection: response.headers.connection }
      response.resume().on('end', () => resolve(got))
    })
      .on('error', reject)
      .end()
  })
}

describe('draining under load', () => {
  it('fails no request: readiness says no first, connections are told to close, what is in flight ends', async () => {
    const { api, url } = await start()
    const agents = Array.from({ length: 8 }, () => new Agent({ keepAlive: true, maxSockets: 2 }))
    let sent = true
    const failed: unknown[] = []
    const before: Got[] = []
    const after: Got[] = []
    let draining = false
    const clients = agents.flatMap((agent) =>
      [0, 1].map(async () => {
        while (sent) {
          const into = draining ? after : before
          await get(`${url}/v1/features/store/store-1`, agent).then(
            (got) => into.push(got),
            (error) => failed.push(error),
          )
        }
      }),
    )
    const reached = (list: Got[], count: number) =>
      expect.poll(() => list.length, { timeout: 20_000 }).toBeGreaterThan(count)
    await reached(before, 500)
    draining = true
    api.drain()
    // new connections are still taken, by whom readiness has not reached yet
    await reached(after, 500)
    expect((await fetch(`${url}/health/ready`)).status).toBe(503)
    expect((await fetch(`${url}/health/live`)).status).toBe(200)
    sent = false
    const closed = api.close(60_000)
    await Promise.all(clients)
    await closed
    expect(failed).toEqual([])
    expect(new Set([...before, ...after].map(({ status }) => status))).toEqual(new Set([200]))
    expect(new Set(after.map(({ connection }) => connection))).toEqual(new Set(['close']))
    for (const agent of agents) agent.destroy()
  })
})
