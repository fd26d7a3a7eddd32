import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { featureJson } from '../../src/core/feature-json.ts'
import { fetch } from './described.ts'
import { type Answer, CATALOG, json, mapStore, quiet, raw, record, servers } from './fixture.ts'

const { start, stopAll } = servers()
afterEach(stopAll)

/** What a stream has said, block by block. */
async function listen(url: string, headers: Record<string, string> = {}) {
  const leave = new AbortController()
  const response = await globalThis.fetch(url, { headers, signal: leave.signal })
  const blocks: string[] = []
  let ended = false
  let waiting: () => void = () => undefined
  const reading = (async () => {
    const decoder = new TextDecoder()
    let text = ''
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      text += decoder.decode(chunk, { stream: true })
      const whole = text.split('\n\n')
      text = whole.pop() as string
      blocks.push(...whole)
      waiting()
    }
  })()
    .catch(() => undefined)
    .finally(() => {
      ended = true
      waiting()
    })
  return {
    response,
    blocks,
    /** The first block that fits, as soon as it is there; undefined when the stream ends without it. */
    async said(pattern: RegExp): Promise<string | undefined> {
      for (;;) {
        const found = blocks.find((block) => pattern.test(block))
        if (found !== undefined || ended) return found
        await new Promise<void>((resolve) => {
          waiting = resolve
        })
      }
    },
    ended: reading,
    leave: () => leave.abort(),
  }
}

/** Values by the names of features. */
const valuesIn = (block = '') => {
  const { features } = JSON.parse(/^data: (.*)$/m.exec(block)?.[1] ?? '{}') as Answer
  return Object.fromEntries(Object.entries(features).map(([name, { value }]) => [name, value]))
}

const fast = { watchMs: 5, heartbeatMs: 10_000 }
const path = '/v1/features/store/s/watch'

describe('watching an entity', () => {
  it('says the values at once, and again when one of them changes, but not when only the as-of time does', async () => {
    const content = { 'store-open@1': { s: record({ unpicked: 1 }) } }
    const { url } = await start({ store: mapStore(content), limits: fast })
    const stream = await listen(`${url}${path}`)
    expect(stream.response.headers.get('content-type')).toBe('text/event-stream')
    expect(stream.response.headers.get('cache-control')).toBe('no-store')
    expect(valuesIn(await stream.said(/^event: features$/m))).toEqual({ orders_10m: 0, prep_mean: null, unpicked: 1 })
    content['store-open@1'].s = record({ unpicked: 1 }, Date.now())
    await sleep(40)
    content['store-open@1'].s = record({ unpicked: 2 }, Date.now())
    expect(valuesIn(await stream.said(/"value":2/))).toMatchObject({ unpicked: 2 })
    expect(stream.blocks.filter((block) => block.includes('data:'))).toHaveLength(2)
    expect(stream.blocks[0]).toMatch(/^retry: \d+$/)
  })

  it('says only the features chosen', async () => {
    const { url } = await start({ limits: fast })
    const stream = await listen(`${url}/v1/features/store/store-1/watch?features=unpicked`)
    expect(valuesIn(await stream.said(/data:/))).toEqual({ unpicked: 2 })
  })

  it('leaves out the first event for who has seen it, and says what has changed meanwhile', async () => {
    const content = { 'store-open@1': { s: record({ unpicked: 1 }) } }
    const { url } = await start({ store: mapStore(content), limits: fast })
    const first = await listen(`${url}${path}`)
    const id = /^id: (.+)$/m.exec((await first.said(/data:/)) ?? '')?.[1] as string
    first.leave()
    const second = await listen(`${url}${path}`, { 'last-event-id': id })
    content['store-open@1'].s = record({ unpicked: 9 })
    expect(valuesIn(await second.said(/data:/))).toMatchObject({ unpicked: 9 })
    expect(second.blocks.filter((block) => block.includes('data:'))).toHaveLength(1)
    const third = await listen(`${url}${path}`, { 'last-event-id': id })
    expect(valuesIn(await third.said(/data:/))).toMatchObject({ unpicked: 9 })
  })

  it('looks at the store once for all who watch', async () => {
    const store = mapStore({ 'store-open@1': { a: record({ unpicked: 1 }) } })
    const { url } = await start({ store, limits: { watchMs: 30, heartbeatMs: 10_000 } })
    const ids = ['a', 'a', 'b', 'a']
    const streams = await Promise.all(ids.map((id) => listen(`${url}/v1/features/store/${id}/watch`)))
    await Promise.all(streams.map((stream) => stream.said(/data:/)))
    store.reads.length = 0
    await sleep(200)
    const looks = store.reads.filter(({ namespace }) => namespace === 'store-open@1')
    expect(looks.length).toBeGreaterThan(0)
    for (const { ids } of looks) expect([...ids].sort()).toEqual(['a', 'b'])
  })

  it('keeps a quiet stream open with comments, also while the store is down, and goes on after it', async () => {
    let up = true
    const content = { 'store-open@1': { s: record({ unpicked: 1 }) } }
    const store = mapStore(content)
    const read: typeof store.readJson = (...asked) =>
      up ? store.readJson(...asked) : Promise.reject(new Error('down'))
    const { url } = await start({ store: { readJson: read }, limits: { watchMs: 5, heartbeatMs: 10 }, log: quiet })
    const stream = await listen(`${url}${path}`)
    expect(await stream.said(/^: nothing new$/)).toBeDefined()
    up = false
    expect(await stream.said(/^: the feature store does not answer$/)).toBeDefined()
    content['store-open@1'].s = record({ unpicked: 2 })
    up = true
    expect(valuesIn(await stream.said(/"value":2/))).toMatchObject({ unpicked: 2 })
  })

  it('takes no more watchers than its limit, and takes another when one has left', async () => {
    const { api, url } = await start({ limits: { ...fast, watchers: 2 } })
    const streams = [await listen(url + path), await listen(url + path)]
    const refused = await fetch(url + path)
    expect([refused.status, refused.headers.get('retry-after'), (await json<{ type: string }>(refused)).type]).toEqual([
      503,
      '5',
      'urn:millrace:problem:watchers-full',
    ])
    streams[0]?.leave()
    while (api.watchers() > 1) await sleep(5)
    expect((await listen(url + path)).response.status).toBe(200)
  })

  it('ends every stream when the server closes, at once', async () => {
    const { api, url } = await start({ limits: fast })
    const stream = await listen(url + path)
    await stream.said(/data:/)
    const closed = api.close(60_000)
    await stream.ended
    await closed
    expect(api.watchers()).toBe(0)
  })

  it('ends the stream of an entity that is no longer served', async () => {
    let catalog = CATALOG
    const { url } = await start({ catalog: () => catalog, limits: fast })
    const stream = await listen(url + path)
    await stream.said(/data:/)
    catalog = []
    await stream.ended
    expect((await fetch(url + path)).status).toBe(404)
  })

  it('refuses what a read refuses, with the same problems', async () => {
    const down = await start({ store: { readJson: () => Promise.reject(new Error('down')) } })
    const { url } = await start()
    const statuses = [
      `${url}/v1/features/stor/s/watch`,
      `${url}/v1/features/store/${'x'.repeat(1025)}/watch`,
      `${url}${path}?features=unpikced`,
      `${url}${path}?maxAge=1m`,
      `${down.url}${path}`,
    ].map(async (address) => (await fetch(address)).status)
    expect(await Promise.all(statuses)).toEqual([404, 400, 400, 400, 503])
    const head = await raw(url, `HEAD ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`)
    expect(head).toContain('text/event-stream')
    expect(head).not.toContain('retry')
  })

  it('tells a client that reads too slowly the newest values only', async () => {
    const content = { 'store-open@1': { s: record({ unpicked: 0 }) } }
    const store = mapStore(content)
    const { api, url } = await start({ store, limits: { watchMs: 1, heartbeatMs: 10_000 } })
    let answering: { writableNeedDrain: boolean; emit(event: 'drain'): boolean } | undefined
    api.server.once('request', (_request, response) => {
      answering = response
      Object.defineProperty(response, 'writableNeedDrain', { configurable: true, get: () => slow })
    })
    let slow = false
    const stream = await listen(url + path)
    await stream.said(/data:/)
    slow = true
    for (let unpicked = 1; unpicked <= 3; unpicked++) {
      content['store-open@1'].s = record({ unpicked })
      const before = store.reads.length
      while (store.reads.length < before + 3) await sleep(2)
    }
    slow = false
    expect(valuesIn(await stream.said(/"value":3/))).toMatchObject({ unpicked: 3 })
    expect(answering).toBeDefined()
    expect(stream.blocks.filter((block) => block.includes('data:'))).toHaveLength(2)
  })

  it('cuts a client that stops reading, and holds no more than one event for it meanwhile', async () => {
    const names = Array.from({ length: 2_000 }, (_, i) => `a_feature_with_a_long_name_${i}`)
    const features = names.map((name) => ({ name, type: 'long' as const, default: 0 }))
    const catalog = [{ entity: 'store', topologies: [{ topology: 'wide', namespace: () => 'wide@1', features }] }]
    let said = 0
    const readJson = async () => [featureJson(record(Object.fromEntries(names.map((name) => [name, said++]))), names)]
    const { api, url } = await start({
      catalog: () => catalog,
      store: { readJson },
      limits: { watchMs: 1, stalledMs: 500 },
    })
    const answering = once(api.server, 'request') as Promise<[unknown, ServerResponse]>
    const client = connect(Number(new URL(url).port), '127.0.0.1')
    client.on('error', () => undefined).pause()
    client.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`)
    const [, response] = await answering
    let most = 0
    while (!response.destroyed) {
      most = Math.max(most, response.writableLength)
      await sleep(5)
    }
    await expect.poll(() => api.watchers()).toBe(0)
    expect(most).toBeGreaterThan(0)
    expect(most).toBeLessThan(1_000_000)
    client.destroy()
  })
})
