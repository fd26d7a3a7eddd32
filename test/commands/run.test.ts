import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it, onTestFinished } from 'vitest'
import { call, exampleProject, start } from './cli.ts'

let folder: string
beforeEach(() => {
  folder = exampleProject()
})
afterEach(() => rmSync(folder, { recursive: true }))

const TOPICS = 'topics: { orders: { time: occurredAt }, acceptances: { time: occurredAt } }\nhttp: { auth: none }\n'

it('serves until SIGTERM, with logs of JSON lines', async () => {
  const run = start('run', '-d', folder, '--port', '0')
  const [, url] = await run.says(/"url":"([^"]+)".*"msg":"serving"/)
  expect((await fetch(`${url}/health/live`)).status).toBe(200)
  await expect.poll(async () => (await fetch(`${url}/health/ready`)).status, { timeout: 10_000 }).toBe(200)
  run.signal('SIGTERM')
  const { code, out, error } = await run.exit
  expect({ code, error }).toEqual({ code: 0, error: '' })
  const messages = out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).msg)
  expect(messages.slice(-2)).toEqual(['stopping', 'stopped'])
})

it('logs levels by their names, and refuses one that is none', async () => {
  const run = start('run', '-d', folder, '--port', '0')
  const [line] = await run.says(/.*"msg":"serving".*/)
  expect(JSON.parse(line)).toMatchObject({ level: 'info', time: expect.stringMatching(/^\d{4}-.*Z$/) })
  expect(JSON.parse(line)).not.toHaveProperty('pid')
  run.signal('SIGTERM')
  await run.exit
  process.env.LOG_LEVEL = 'loud'
  onTestFinished(() => void delete process.env.LOG_LEVEL)
  const { code, error } = await call('run', '-d', folder, '--port', '0')
  expect({ code, error }).toEqual({
    code: 1,
    error: "millrace: LOG_LEVEL is 'loud'; expected one of debug, info, warn, error, silent\n",
  })
})

it('takes two signals at once for one; a later one ends it without waiting', async () => {
  const run = start('run', '-d', folder, '--port', '0')
  const [, url = ''] = await run.says(/"url":"([^"]+)".*"msg":"serving"/)
  const { port } = new URL(url)
  const slow = connect(Number(port), '127.0.0.1')
  slow.on('error', () => undefined)
  const request =
    'POST /v1/features/store HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n'
  await new Promise<void>((sent) => slow.write(request, () => sent()))
  expect((await fetch(`${url}/health/live`)).status).toBe(200)
  run.signal('SIGINT')
  run.signal('SIGTERM')
  await run.says(/"msg":"stopping"/)
  await sleep(600)
  run.signal('SIGINT')
  const { code, out } = await run.exit
  slow.destroy()
  expect(code).toBe(130)
  expect(out).not.toContain('"msg":"stopped"')
})

it('names every service that does not answer, its address and no secret', async () => {
  writeFileSync(
    join(folder, 'millrace.yaml'),
    'transport: { kind: kafka, brokers: ["127.0.0.1:1"], retryFor: 100ms }\n' +
      'registry: { kind: confluent, url: "http://127.0.0.1:2/api", retries: 0 }\n' +
      'state: { kind: redis, url: "redis://me:secret@127.0.0.1:3", timeout: 200ms }\n' +
      `store: { kind: redis, url: "redis://me:secret@127.0.0.1:4/1", timeout: 200ms }\n${TOPICS}`,
  )
  const { code, out, error } = await call('run', '-d', folder, '--port', '0')
  expect(code).toBe(1)
  expect(error).toMatch(/^ {2}transport \(kafka at 127\.0\.0\.1:1\): .*ECONNREFUSED/m)
  expect(error).toMatch(/^ {2}registry \(confluent at http:\/\/127\.0\.0\.1:2\/api\): .*ECONNREFUSED/m)
  expect(error).toMatch(/^ {2}state \(redis at redis:\/\/127\.0\.0\.1:3\): .*ECONNREFUSED/m)
  expect(error).toMatch(/^ {2}store \(redis at redis:\/\/127\.0\.0\.1:4\/1\): .*ECONNREFUSED/m)
  expect(out + error).not.toContain('secret')
})

it('takes a schema that no file holds from the registry', async () => {
  const asked: (string | undefined)[] = []
  const registry = createServer((request, response) => {
    asked.push(request.url)
    const [, topic] = /^\/subjects\/(\w+)-value\/versions/.exec(request.url ?? '') ?? []
    const schema = topic && readFileSync(join(folder, `elsewhere/${topic}.avsc`), 'utf8')
    response.statusCode = schema ? 200 : 404
    response.end(JSON.stringify(schema ? { id: 1, schema } : { error_code: 40401, message: 'no such subject' }))
  })
  renameSync(join(folder, 'schemas'), join(folder, 'elsewhere'))
  // those that write topics would register schemas, which this registry does not take
  for (const name of readdirSync(join(folder, 'topologies')))
    if (!/^courier-deliveries|^store-backlog/.test(name)) rmSync(join(folder, 'topologies', name))
  const port = await listening(registry)
  const yaml = `registry: { kind: confluent, url: "http://127.0.0.1:${port}" }\n${TOPICS}`
  writeFileSync(join(folder, 'millrace.yaml'), yaml)
  const run = start('run', '-d', folder, '--port', '0')
  await run.says(/"msg":"serving"/)
  run.signal('SIGTERM')
  expect(await run.exit).toMatchObject({ code: 0, error: '' })
  expect(asked).toContain('/subjects/orders-value/versions/latest')

  writeFileSync(join(folder, 'millrace.yaml'), yaml.replace(`${port}"`, '2", retries: 0'))
  const { code, error } = await call('run', '-d', folder, '--port', '0')
  expect(code).toBe(1)
  expect(error).toMatch(
    /^millrace run: registry \(confluent at http:\/\/127\.0\.0\.1:2\): .*ECONNREFUSED \[registry-failed\]$/m,
  )
})

it('registers a schema wherever its file stands', async () => {
  mkdirSync(join(folder, 'avro'))
  renameSync(join(folder, 'schemas/orders.avsc'), join(folder, 'avro/order-events.avsc'))
  writeFileSync(join(folder, 'millrace.yaml'), TOPICS.replace('{ time', '{ schema: avro/order-events.avsc, time'))
  const run = start('run', '-d', folder, '--port', '0')
  await run.says(/"msg":"serving"/)
  run.signal('SIGTERM')
  expect(await run.exit).toMatchObject({ code: 0, error: '' })
  const { subjects } = JSON.parse(readFileSync(join(folder, '.millrace/registry.json'), 'utf8'))
  expect(Object.keys(subjects)).toContain('orders-value')
})

it('says what is wrong with a project instead of starting it', async () => {
  writeFileSync(join(folder, 'topologies/wrong.yaml'), 'topology: wrong\nkind: featuers\n')
  const { code, error } = await call('run', '-d', folder)
  expect(code).toBe(1)
  expect(error).toMatch(/^topologies\/wrong\.yaml:2:7: /m)
})

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.close()
  })
  return (server.address() as AddressInfo).port
}
