/** Redis, which holds state and features, is killed, goes back to an old copy, and is emptied. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { start as startRedis } from '../../services/redis.ts'
import type { Scenario } from '../scenario.ts'

const MAIN = fileURLToPath(new URL('../../../src/main.ts', import.meta.url))

const scenario: Scenario = {
  summary: 'Redis killed, restored from an old copy, emptied',
  async run({ lab: create, onEnd, say }) {
    const dataDir = await mkdtemp(join(tmpdir(), 'millrace-faults-redis-'))
    onEnd(() => rm(dataDir, { recursive: true, force: true }))
    const redis = await startRedis({ appendonly: true, dataDir })
    onEnd(() => redis.stop())
    const lab = await create({}, { redis })
    let workers = await lab.startWorkers(2)
    lab.load.start()
    await lab.untilCounted()

    await redis.kill9()
    await sleep(2_000)
    await redis.restart()
    say(`killed and started: goes on after ${Math.round(await lab.untilCounted())} ms`)

    // a copy of the log of commands is a beginning of it: the whole at an earlier moment
    const [log, copy] = [join(dataDir, 'appendonlydir'), join(dataDir, 'copy')]
    await cp(log, copy, { recursive: true })
    await sleep(3_000)
    await lab.untilCounted()
    lab.watcher.mayGoBack = true
    await redis.kill9()
    await rm(log, { recursive: true })
    await cp(copy, log, { recursive: true })
    await redis.restart()
    say(`an old copy: has caught up after ${Math.round(await lab.untilCounted())} ms`)
    await lab.expectExact()

    lab.load.start()
    const { Redis } = await import('ioredis')
    const client = new Redis(redis.url)
    await client.flushall()
    client.disconnect()
    for (const worker of workers) await lab.untilSays(worker, /position-lost: .*millrace rebuild/)
    await sleep(1_000)
    for (const topology of ['chain', 'plain', 'each'] as const)
      if ((await lab.read(topology, lab.oracle.keys)).some((record) => record !== undefined))
        throw new Error(`${topology} has values though its state is lost`)
    for (const worker of workers) await lab.stopWorker(worker)
    const rebuild = spawn(process.execPath, [MAIN, 'rebuild', 'chain', '-d', lab.directory], { stdio: 'ignore' })
    const [code] = (await once(rebuild, 'exit')) as [number]
    if (code !== 0) throw new Error(`millrace rebuild ended with ${code}`)
    workers = await lab.startWorkers(2)
    say(`emptied: stops clearly; rebuilt after ${Math.round(await lab.untilCounted())} ms`)
    await lab.expectExact()
    for (const worker of workers) await lab.stopWorker(worker)
    return `kill, old copy, FLUSHALL and rebuild; ${lab.counted()}`
  },
}
export default scenario
