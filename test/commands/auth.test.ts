import { createHmac } from 'node:crypto'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, onTestFinished } from 'vitest'
import { call, exampleProject, start } from './cli.ts'

let folder: string
beforeEach(() => {
  folder = exampleProject()
})
afterEach(() => rmSync(folder, { recursive: true }))

const SECRET = 'a secret that is known to both sides alone'

function edit(http: string): void {
  const path = join(folder, 'millrace.yaml')
  writeFileSync(path, readFileSync(path, 'utf8').replace(/^http: .*$/m, http))
}

/** For the time of a test, so that processes started in it have them. */
function environment(variables: Readonly<Record<string, string>>): void {
  Object.assign(process.env, variables)
  onTestFinished(() => {
    for (const name of Object.keys(variables)) delete process.env[name]
  })
}

function token(scope: string): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const claims = { iss: 'me', aud: 'millrace', exp: Math.floor(Date.now() / 1000) + 600, scope }
  const signed = `${part({ alg: 'HS256' })}.${part(claims)}`
  return `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`
}

it('run does not start while nothing says who may read, and says what to write', async () => {
  edit('')
  for (const more of [[], ['--workers', '2']]) {
    const { code, out, error } = await call('run', '-d', folder, '--port', '0', ...more)
    expect(code).toBe(1)
    expect(error).toContain('millrace.yaml does not say who may read over HTTP')
    expect(error).toContain('http: { auth: none }')
    expect(error).toContain('jwks: https://')
    expect(out).not.toContain('serving')
  }
})

it('run says aloud that it answers anybody', async () => {
  const run = start('run', '-d', folder, '--port', '0')
  const [line] = await run.says(/.*http\.auth is none.*/)
  expect(JSON.parse(line)).toMatchObject({ level: 'warn' })
  run.signal('SIGTERM')
  await run.exit
})

it('run asks for tokens, and commands send that of the environment', { timeout: 60_000 }, async () => {
  edit(`http: { auth: { secret: '\${JWT_SECRET}', issuer: me, audience: millrace } }`)
  environment({ JWT_SECRET: SECRET })
  const run = start('run', '-d', folder, '--port', '0')
  const [, url = ''] = await run.says(/"url":"([^"]+)".*"msg":"serving"/)
  expect((await fetch(`${url}/health/live`)).status).toBe(200)
  expect((await fetch(`${url}/v1/topologies`)).status).toBe(401)

  const get = ['features', 'get', 'store', 'store-1', '--url', url]
  const nobody = await call(...get)
  expect(nobody.code).toBe(1)
  expect(nobody.error).toContain('A token is needed')
  expect(nobody.error).toContain('MILLRACE_TOKEN')

  environment({ MILLRACE_TOKEN: token('catalog:read') })
  expect(await call(...get)).toMatchObject({ code: 1, error: expect.stringContaining("scope 'features:read'") })
  expect(await call('topologies', '--url', url)).toMatchObject({ code: 0 })

  environment({ MILLRACE_TOKEN: token('features:read') })
  expect(await call(...get)).toMatchObject({ code: 0, out: expect.stringMatching(/^store store-1/) })
  expect(await call('topics', '--url', url)).toMatchObject({ code: 1, error: expect.stringContaining('catalog:read') })
  run.signal('SIGTERM')
  const { code, out } = await run.exit
  expect(code).toBe(0)
  expect(out).not.toContain(SECRET)
})

it('metrics may have a port of their own, and are then not at the other', async () => {
  edit('http: { auth: none, metrics: { port: 0 } }')
  const run = start('run', '-d', folder, '--port', '0')
  const [, metrics = ''] = await run.says(/"url":"([^"]+)","msg":"serving metrics"/)
  const [, url = ''] = await run.says(/"url":"([^"]+)".*"msg":"serving"/)
  expect(metrics).toMatch(/\/metrics$/)
  expect(await (await fetch(metrics)).text()).toContain('millrace_build_info')
  expect((await fetch(metrics, { method: 'POST' })).status).toBe(405)
  expect((await fetch(metrics.replace('/metrics', '/v1/features'))).status).toBe(404)
  expect((await fetch(`${url}/metrics`)).status).toBe(404)
  expect(await (await fetch(`${url}/openapi.json`)).json()).not.toHaveProperty(['paths', '/metrics'])
  run.signal('SIGTERM')
  expect((await run.exit).code).toBe(0)
})

it('a port for metrics that is taken is told', async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const { port } = server.address() as { port: number }
  edit(`http: { auth: none, metrics: { port: ${port} } }`)
  const { code, error } = await call('run', '-d', folder, '--port', '0')
  expect({ code, error }).toMatchObject({ code: 1, error: expect.stringContaining(`:${port}: EADDRINUSE`) })
})

it('dev asks nobody for a token', async () => {
  edit(`http: { auth: { secret: ${SECRET}, issuer: me, audience: millrace } }`)
  const dev = start('dev', '-d', folder, '--port', '0', '--rate', '5')
  const [, url = ''] = await dev.says(/at (http:\S+)/)
  expect((await fetch(`${url}/v1/topologies`)).status).toBe(200)
  dev.signal('SIGTERM')
  expect((await dev.exit).code).toBe(0)
})
