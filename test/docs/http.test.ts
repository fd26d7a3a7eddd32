/** docs/http.md is written by hand; what it says of routes and limits is held to the server. */
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { LIMITS } from '../../src/api/server.ts'
import { makeServer } from '../api/fixture.ts'

const page = readFileSync(new URL('../../docs/http.md', import.meta.url), 'utf8')

it('names every route with its scope, and no other', () => {
  const lines = async function* () {
    yield ''
  }
  const { routes } = makeServer({ tail: { lines: async () => lines() } })
  const served = routes.map(({ method, path }) => `${method.toUpperCase()} ${path}`)
  const [table = ''] = /\| route \|[\s\S]*?\n\n/.exec(page) ?? []
  const named = [...table.matchAll(/`((?:GET|POST) [^`]+)`/g)].map(([, route = '']) => route)
  expect(named.sort()).toEqual(served.sort())
  for (const { method, path, scope } of routes) {
    const line = table.split('\n').find((each) => each.includes(`\`${method.toUpperCase()} ${path}\``))
    expect(line, path).toMatch(new RegExp(`\\| (${scope}|\`${scope}\`) \\|$`))
  }
})

it('tells the limits as they are', () => {
  const [table = ''] = /\| what \|[\s\S]*?\n\n/.exec(page) ?? []
  const limits = new Map([...table.matchAll(/^\| (.*?) \| (.*?) \|/gm)].map(([, what = '', most = '']) => [what, most]))
  const number = (n: number) => n.toLocaleString('en')
  expect(limits.get('ids in one request')).toBe(number(LIMITS.batchIds))
  expect(limits.get('body, unpacked')).toBe(`${LIMITS.bodyBytes / 1024 ** 2} MiB`)
  expect(limits.get('header')).toBe(`${LIMITS.headerBytes / 1024} KiB`)
  expect(limits.get('time until the header has arrived')).toBe(`${LIMITS.headersMs / 1000} s`)
  expect(limits.get('time until the request has arrived')).toBe(`${LIMITS.requestMs / 1000} s`)
  expect(limits.get('time that the feature store may take')).toBe(`${LIMITS.storeMs / 1000} s`)
  expect(limits.get('time that a client may leave an answer unread')).toBe(`${LIMITS.stalledMs / 1000} s`)
  expect(limits.get('open connections')).toBe(number(LIMITS.connections))
  expect(limits.get('streams of changes')).toBe(number(LIMITS.watchers))
  expect(page).toContain(`every ${LIMITS.watchMs / 1000} s`)
  expect(page).toContain(`comes every ${LIMITS.heartbeatMs / 1000} s`)
  expect(page).toContain(`is kept for ${LIMITS.keepAliveMs / 1000} s`)
})
