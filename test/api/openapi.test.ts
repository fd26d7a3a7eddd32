import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { documentOf, fetch } from './described.ts'
import { servers } from './fixture.ts'

const { start, stopAll } = servers()
afterEach(stopAll)

describe('the OpenAPI document', () => {
  it('describes every route that is served, and no other', async () => {
    const { api, url } = await start()
    const { openapi, paths } = await documentOf(url)
    expect(openapi).toBe('3.1.1')
    const described = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    )
    expect(described.sort()).toEqual(api.routes.map(({ method, path }) => `${method} ${path}`).sort())
    expect(described.length).toBeGreaterThan(12)
    for (const route of described) {
      const [method = '', path = ''] = route.split(' ')
      const { status } = await fetch(url + path.replaceAll(/\{\w+\}/g, 'nobody'), { method })
      expect([404, 405].includes(status) && !path.includes('{'), route).toBe(false)
    }
  })

  it('names every operation, parameter and setting once, and says what it means', async () => {
    const { url } = await start()
    const { paths } = await documentOf(url)
    const operations = Object.values(paths).flatMap((methods) => Object.values(methods))
    expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length)
    for (const operation of operations) {
      expect(operation).toMatchObject({ summary: expect.stringMatching(/\w/) })
      const { parameters } = operation as unknown as { parameters: readonly { description?: string }[] }
      for (const parameter of parameters) expect(parameter.description, JSON.stringify(parameter)).toMatch(/\w/)
    }
  })

  it('lets bodies through that the server takes, and those only', async () => {
    const { url } = await start()
    const { paths } = await documentOf(url)
    const schema = z.fromJSONSchema(
      paths['/v1/features']?.post?.requestBody?.content['application/json']?.schema ?? false,
    )
    const right = { reads: [{ entity: 'store', ids: ['a'], features: ['unpicked'] }], maxAge: '10m' }
    for (const body of [
      right,
      { reads: [] },
      {},
      { reads: [], more: 1 },
      { reads: [{ ids: [] }] },
      { reads: [], maxAge: 5 },
    ]) {
      const headers = { 'content-type': 'application/json' }
      const { status } = await fetch(`${url}/v1/features`, { method: 'POST', headers, body: JSON.stringify(body) })
      expect(schema.safeParse(body).success, JSON.stringify(body)).toBe(status === 200)
    }
  })

  it('notices an answer that it does not describe', async () => {
    const { url } = await start({ topologies: async () => [{ name: 'half' }] as never })
    await expect(fetch(`${url}/v1/topologies`)).rejects.toThrow('get /v1/topologies: 200')
  })

  it('has the version of the program', async () => {
    const { url } = await start()
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
    expect(await documentOf(url)).toMatchObject({ info: { version } })
  })
})
