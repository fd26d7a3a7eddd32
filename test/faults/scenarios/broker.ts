/** The one broker is killed while everything runs, and comes back. */
import { setTimeout as sleep } from 'node:timers/promises'
import { start as startKafka } from '../../services/kafka.ts'
import type { Scenario } from '../scenario.ts'

const scenario: Scenario = {
  summary: 'broker killed under load, and started again',
  async run({ lab: create, onEnd, times = 4, say }) {
    const kafka = await startKafka()
    onEnd(() => kafka.stop())
    const lab = await create({}, { kafka })
    const workers = await lab.startWorkers(2)
    lab.load.start()
    await lab.untilFlows()
    for (let time = 1; time <= times; time++) {
      await kafka.kill9()
      await sleep(2_000)
      // one that was just joining has no task that could say it
      await Promise.any(workers.map((worker) => lab.untilSays(worker, /^(worker|chain|plain|each|made): /)))
      await kafka.restart()
      say(`${time}/${times} killed and started: goes on after ${Math.round(await lab.untilFlows())} ms`)
      await sleep(2_000)
    }
    await lab.expectExact()
    for (const worker of workers) await lab.stopWorker(worker)
    return `${times} kills of the broker; ${lab.counted()}`
  },
}
export default scenario
