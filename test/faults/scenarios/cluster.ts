/** Three brokers are started again one after the other, gracefully in a first round, by kill -9 in a second. */
import { setTimeout as sleep } from 'node:timers/promises'
import { startCluster } from '../../services/kafka.ts'
import type { Scenario } from '../scenario.ts'

/** The broker is let in again, and its replicas catch up. */
const SETTLE_MS = 6_000

const scenario: Scenario = {
  summary: 'rolling restart of three brokers, gracefully and by kill -9',
  async run({ lab: create, onEnd, say }) {
    const cluster = await startCluster()
    for (const broker of cluster) onEnd(() => broker.stop())
    const lab = await create(
      { transport: { sessionTimeout: '6s' } },
      { kafka: { brokers: cluster.flatMap(({ brokers }) => brokers) } },
    )
    const workers = await lab.startWorkers(2)
    lab.load.start()
    await lab.untilCounted()
    for (const isKilled of [false, true])
      for (const [i, broker] of cluster.entries()) {
        if (isKilled) await broker.kill9()
        await sleep(isKilled ? 1_000 : 0)
        await broker.restart()
        const took = Math.round(await lab.untilCounted())
        say(`broker ${i + 1} ${isKilled ? 'killed' : 'stopped'} and started: counts after ${took} ms`)
        await sleep(SETTLE_MS)
      }
    await lab.expectExact()
    for (const worker of workers) await lab.stopWorker(worker)
    return `6 restarts; ${lab.counted()}`
  },
}
export default scenario
