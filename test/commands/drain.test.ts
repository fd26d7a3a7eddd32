/** A stop of a real worker under load, behind something that goes by readiness. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it, onTestFinished } from 'vitest'
import { exampleProject, start } from './cli.ts'

function get(url: string, agent: Agent): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request(url, { agent }, (response) => response.resume().on('end', () => resolve(response.statusCode)))
      .on('error', reject)
      .end()
  })
}

it('fails no request while requests are sent as long as it is ready', { timeout: 60_000 }, async () => {
  const folder = exampleProject()
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'millrace.yaml')
  const yaml = readFileSync(path, 'utf8').replace(/^http: .*$/m, 'http: { auth: none, drain: 2s }')
  writeFileSync(path, yaml)
  const run = start('run', '-d', folder, '--port', '0')
  const [, url = ''] = await run.says(/"url":"([^"]+)".*"msg":"serving"/)
  const agent = new Agent({ keepAlive: true })
  const ready = () => get(`${url}/health/ready`, agent)
  await expect.poll(ready, { timeout: 20_000 }).toBe(200)
  let isReady = true
  const outcomes: unknown[] = []
  const clients = Array.from({ length: 8 }, async () => {
    while (isReady) outcomes.push(await get(`${url}/v1/features/store/store-1`, agent).catch(String))
  })
  await expect.poll(() => outcomes.length, { timeout: 20_000 }).toBeGreaterThan(200)
  run.signal('SIGTERM')
  while ((await ready()) === 200) await sleep(20)
  isReady = false
  await Promise.all(clients)
  expect(new Set(outcomes)).toEqual(new Set([200]))
  expect((await run.exit).code).toBe(0)
  agent.destroy()
})
