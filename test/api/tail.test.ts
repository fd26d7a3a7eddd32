import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, it } from 'vitest'
import type { TailOptions } from '../../src/api/tail.ts'
import { MillraceError } from '../../src/core/errors.ts'
import { ExpressionError } from '../../src/core/expression/index.ts'
import { fetch } from './described.ts'
import { json, servers } from './fixture.ts'

const { start, stopAll } = servers()
afterEach(stopAll)

/** Says what it was asked, then `count` lines; notes whether it was told to stop. */
function said(count: number) {
  const noted = { stopped: false, lines: 0 }
  const tail: TailOptions = {
    lines: async (topic, question, signal) => {
      signal.addEventListener('abort', () => {
        noted.stopped = true
      })
      return (async function* () {
        yield JSON.stringify({ topic, ...question })
        for (; noted.lines < count && !signal.aborted; noted.lines++) {
          yield JSON.stringify({ line: 'x'.repeat(1000) })
          await sleep(0)
        }
      })()
    },
  }
  return { tail, noted }
}

it('streams one record a line, as it was asked', async () => {
  const { url } = await start({ tail: said(2).tail })
  const response = await fetch(
    `${url}/v1/topics/orders/records?from=2026-01-31T00:00:00Z&limit=5&follow=true&where=${encodeURIComponent('a > 1')}`,
  )
  expect(response.headers.get('content-type')).toBe('application/x-ndjson')
  const lines = (await response.text()).trimEnd().split('\n')
  expect(JSON.parse(lines[0] as string)).toEqual({
    topic: 'orders',
    from: Date.UTC(2026, 0, 31),
    limit: 5,
    follow: true,
    where: 'a > 1',
  })
  expect(lines).toHaveLength(3)
})

it('is not there unless the server is given it: records hold what events hold', async () => {
  const { url } = await start()
  expect((await fetch(`${url}/v1/topics/orders/records`)).status).toBe(404)
})

it('stops reading when the client has gone', async () => {
  const { tail, noted } = said(Number.POSITIVE_INFINITY)
  const { url } = await start({ tail })
  const leave = new AbortController()
  const response = await globalThis.fetch(`${url}/v1/topics/orders/records?follow=true`, { signal: leave.signal })
  await response.body?.getReader().read()
  leave.abort()
  while (!noted.stopped) await sleep(5)
  const { lines } = noted
  await sleep(30)
  expect(noted.lines - lines).toBeLessThanOrEqual(1)
})

it.each([
  [
    'a missing topic',
    new MillraceError('topic-missing', "there is no topic 'ordrs'"),
    404,
    "There is no topic 'ordrs'.",
  ],
  [
    'an expression that is wrong',
    new ExpressionError(4, 'no field siez', { suggestion: 'event.size' }),
    400,
    "'where', at character 5: no field siez. Did you mean event.size?",
  ],
  ['a log that does not answer', new MillraceError('transport-failed', 'secret'), 503, 'did not answer'],
])('answers %s with a problem', async (_what, error, status, detail) => {
  const { url } = await start({ tail: { lines: () => Promise.reject(error) } })
  const response = await fetch(`${url}/v1/topics/ordrs/records`)
  expect(response.status).toBe(status)
  expect((await json<{ detail: string }>(response)).detail.toLowerCase()).toContain(detail.toLowerCase())
})

it.each(['from=yesterday', 'limit=-1', 'limit=x', 'follow=maybe', 'since=1'])('refuses %s', async (query) => {
  const { url } = await start({ tail: said(0).tail })
  expect((await fetch(`${url}/v1/topics/orders/records?${query}`)).status).toBe(400)
})
