/** Three brokers are started again one after the other, gracefully in a first round, by kill -9 in a second. */
import { setTimeout as sleep } from 'node:timers/promises'
import { startCluster } from '../../services/kafka.ts'
import type { Scenario } from '../scenario.ts'

/** The broker is let in again, and its replicas catch up. */
const SETTLE_MS = 6_000

const scenario: Scenario = {
  summary: 'rolling restart of three brokers, gracefully and by kill -9',
  async run({ lab: create, onEnd, patience, times = 6, say }) {
    const cluster = await startCluster()
    for (const broker of cluster) onEnd(() => broker.stop())
    const lab = await create(
      { transport: { sessionTimeout: `${6 * patience}s` } },
      { kafka: { brokers: cluster.flatMap(({ brokers }) => brokers) } },
    )
    const workers = await lab.startWorkers(2)
    lab.load.start()
    await lab.untilFlows()
    for (let time = 0; time < times; time++) {
      const broker = cluster[time % cluster.length] as (typeof cluster)[number]
      const isKilled = time >= times / 2
      if (isKilled) await broker.kill9()
      await sleep(isKilled ? 1_000 : 0)
      await broker.restart()
      const took = Math.round(await lab.untilFlows())
      say(`${time + 1}/${times} ${isKilled ? 'killed' : 'stopped'} and started: counts after ${took} ms`)
      if (time + 1 < times) await sleep(SETTLE_MS)
    }
    await lab.expectExact()
    for (const worker of workers) await lab.stopWorker(worker)
    return `${times} restarts, half of them by kill -9; ${lab.counted()}`
  },
}
export default scenario
