import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { exampleProject, start } from './cli.ts'

let folder: string
beforeEach(() => {
  folder = exampleProject()
})
afterEach(() => rmSync(folder, { recursive: true }))

const PATIENCE = { timeout: 40_000 }
const ADDED = `topology: city-load
kind: features
entity: city
from: orders
by: city
features:
  city_orders_10m: { window: 10m, as: count }
to: [store]
`
const add = (text = ADDED) => writeFileSync(join(folder, 'topologies/city-load.yaml'), text)

async function serving(...options: readonly string[]) {
  const run = start('run', '-d', folder, '--port', '0', ...options)
  const [, url = ''] = await run.says(/"url":"([^"]+)".*"msg":"serving"/)
  const topologies = async () => {
    const answer = (await (await fetch(`${url}/v1/topologies`)).json()) as { topologies: { name: string }[] }
    return answer.topologies.map(({ name }) => name).sort()
  }
  const takenUp = async () => / ?millrace_files_taken_up (\d)/.exec(await (await fetch(`${url}/metrics`)).text())?.[1]
  return { run, url, topologies, takenUp }
}

it('takes up a topology that is added, refuses a wrong edit, and gives up one that is removed', PATIENCE, async () => {
  const { run, url, topologies, takenUp } = await serving()
  const before = await topologies()
  add()
  await run.says(/"topology":"city-load".*"msg":"added"/)
  expect(await topologies()).toEqual([...before, 'city-load'].sort())
  expect(await takenUp()).toBe('1')
  add(ADDED.replace('by: city', 'by: citty'))
  await run.says(/topologies\/city-load\.yaml:5:5.*citty.*"msg":"wrong file; what ran before goes on"/)
  await expect.poll(takenUp).toBe('0')
  expect(await topologies()).toContain('city-load')
  const ready = await (await fetch(`${url}/health/ready`)).json()
  expect(JSON.stringify(ready)).toContain('1 fault at topologies/city-load.yaml:5:5; what ran before goes on')
  rmSync(join(folder, 'topologies/city-load.yaml'))
  await run.says(/"topology":"city-load".*"msg":"removed; its state stays"/)
  await expect.poll(takenUp).toBe('1')
  expect(await topologies()).toEqual(before)
  run.signal('SIGTERM')
  expect((await run.exit).code).toBe(0)
})

it('looks at SIGHUP only when told not to watch', PATIENCE, async () => {
  const { run, topologies } = await serving('--no-watch')
  add()
  expect(await topologies()).not.toContain('city-load')
  run.signal('SIGHUP')
  await run.says(/"msg":"files taken up"/)
  expect(await topologies()).toContain('city-load')
  run.signal('SIGTERM')
  expect((await run.exit).code).toBe(0)
})

it('takes up no other settings than topics while it runs', PATIENCE, async () => {
  const { run, takenUp } = await serving()
  const path = join(folder, 'millrace.yaml')
  const text = readFileSync(path, 'utf8')
  writeFileSync(path, text.replace('start: earliest', 'idle: 5s'))
  await run.says(/millrace\.yaml has changed in more than topics/)
  await expect.poll(takenUp).toBe('0')
  writeFileSync(path, text)
  await run.says(/"msg":"files taken up"/)
  await expect.poll(takenUp).toBe('1')
  run.signal('SIGTERM')
  expect((await run.exit).code).toBe(0)
})

it('computes only the topologies with a tag, and says which tags there are', PATIENCE, async () => {
  add(`${ADDED}tags: [cities]\n`)
  const { run, topologies } = await serving('--only', 'cities')
  expect(await topologies()).toContain('store-load')
  const [line] = await run.says(/.*"msg":"serving".*/)
  expect(JSON.parse(line).topologies).toEqual(['city-load'])
  run.signal('SIGTERM')
  expect((await run.exit).code).toBe(0)
  const wrong = await start('run', '-d', folder, '--only', 'towns').exit
  expect(wrong).toMatchObject({
    code: 1,
    error: expect.stringContaining("no topology has the tag 'towns'. There are: cities"),
  })
})

it('serves nothing but health and metrics as a worker, and computes nothing as the API', PATIENCE, async () => {
  const features = async (url: string) => (await fetch(`${url}/v1/features`)).text()
  const worker = await serving('--role', 'worker')
  expect(await features(worker.url)).not.toContain('orders_10m')
  worker.run.signal('SIGTERM')
  expect((await worker.run.exit).code).toBe(0)
  const api = await serving('--role', 'api')
  expect(await features(api.url)).toContain('orders_10m')
  const [line] = await api.run.says(/.*"msg":"serving".*/)
  expect(JSON.parse(line).topologies).toEqual([])
  api.run.signal('SIGTERM')
  expect((await api.run.exit).code).toBe(0)
})

it('refuses several processes where one has everything', PATIENCE, async () => {
  const { code, error } = await start('run', '-d', folder, '--workers', '2').exit
  expect(code).toBe(1)
  expect(error).toMatch(/--workers needs services that processes share, and transport, state, store are embedded/)
})
