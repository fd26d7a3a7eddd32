import { expect, test } from 'vitest'
import { Deployment, PARTITIONS } from '../exactness/world.ts'
import { describeWith } from '../services/index.ts'
import { start } from './cli.ts'

describeWith(['kafka', 'registry', 'redis'], 'run --workers', (services) => {
  test('runs as many processes, starts one again that ends, and ends with all of them', {
    timeout: 180_000,
  }, async () => {
    const { deployment, transport, schemaId } = await Deployment.onServers(services, { stores: 200 })
    const run = start('run', '-d', deployment.directory, '--workers', '2', '--port', '0')
    const serving = (worker: number) => new RegExp(`"worker":${worker},"url":"([^"]+)".*"msg":"serving"`, 'g')
    const [first, second] = await Promise.all([run.says(serving(1)), run.says(serving(2))])
    expect(first[1]).not.toBe(second[1])
    for (const [, url] of [first, second]) expect((await fetch(`${url}/health/live`)).status).toBe(200)
    await deployment.produce({
      transport,
      schemaId,
      count: 10_000,
      partitionOf: ({ orderId }) => Number(orderId.slice(1)) % PARTITIONS,
    })
    const [, pid] = await run.says(/"worker":2,"pid":(\d+),"msg":"worker started"/)
    process.kill(Number(pid), 'SIGKILL')
    await run.says(/"worker":2,.*"msg":"a worker ended; starting it again"/)
    await expect.poll(() => run.text().match(serving(2))?.length, { timeout: 30_000 }).toBe(2)
    await deployment.expectExact()
    run.signal('SIGTERM')
    const { code, error } = await run.exit
    expect({ code, error }).toEqual({ code: 0, error: '' })
    const pids = [...run.text().matchAll(/"pid":(\d+),"msg":"worker started"/g)].map(([, found]) => Number(found))
    expect(pids.length).toBe(3)
    for (const gone of pids) expect(() => process.kill(gone, 0)).toThrow('ESRCH')
  })

  test('its processes stop when it is killed', { timeout: 120_000 }, async () => {
    const { deployment } = await Deployment.onServers(services, { stores: 200 })
    const run = start('run', '-d', deployment.directory, '--workers', '2', '--port', '0')
    await run.says(/"worker":1,"url".*"msg":"serving"/)
    await run.says(/"worker":2,"url".*"msg":"serving"/)
    const pids = [...run.text().matchAll(/"pid":(\d+),"msg":"worker started"/g)].map(([, found]) => Number(found))
    run.signal('SIGKILL')
    const isThere = (pid: number) => {
      try {
        return process.kill(pid, 0)
      } catch {
        return false
      }
    }
    await expect.poll(() => pids.filter(isThere), { timeout: 30_000 }).toEqual([])
  })
})
