import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { sampleCurls } from '../../src/dev/curls.ts'

const sh = promisify(execFile)

it('gives commands that work in a shell, whatever the ids hold', async () => {
  const asked: { method: string | undefined; url: string | undefined; body: string }[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    asked.push({ method: request.method, url: request.url, body })
    response.end('ok\n')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    for (const curl of sampleCurls(base, 'store', ['store-1', "it's $HOME; `x`/2"])) await sh('sh', ['-c', curl])
    expect(asked).toEqual([
      { method: 'GET', url: '/v1/features/store/store-1', body: '' },
      { method: 'POST', url: '/v1/features/store', body: JSON.stringify({ ids: ['store-1', "it's $HOME; `x`/2"] }) },
      { method: 'GET', url: '/health/ready', body: '' },
      { method: 'GET', url: '/metrics', body: '' },
    ])
    expect(sampleCurls(base, 'store', ["a'b/c"])[0]).toBe(`curl -s '${base}/v1/features/store/a'\\''b%2Fc'`)
  } finally {
    server.close()
  }
})

it('gives the commands that the README shows', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
  expect(readme).toContain(`\n${sampleCurls('http://127.0.0.1:8080', 'store', ['store-1', 'store-2']).join('\n')}\n`)
})

it('asks for health and metrics so that their answers do not run together', async () => {
  const server = createServer((request, response) => response.end(request.url))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const [, , last = ''] = sampleCurls(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, 'store', ['s'])
    expect((await sh('sh', ['-c', last])).stdout).toBe('/health/ready\n/metrics\n')
  } finally {
    server.close()
  }
})
