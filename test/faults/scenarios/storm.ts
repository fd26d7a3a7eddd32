/** Workers come and go all the time, some gracefully, some not: the group hardly ever rests. */
import { setTimeout as sleep } from 'node:timers/promises'
import { seeded } from '../../../bench/orders.ts'
import type { Scenario } from '../scenario.ts'

const EVERY_MS = 5_000
/** Rounds while the same code computes 50 and more. */
const LONG = 24

const scenario: Scenario = {
  summary: 'workers come and go every 5 s',
  async run({ lab: create, seed, long, times = long ? LONG : 6, say }) {
    const lab = await create()
    const random = seeded(seed)
    const workers = await lab.startWorkers(2)
    lab.load.start()
    for (let round = 1; round <= times; round++) {
      const began = performance.now()
      workers.push(await lab.startWorker())
      const [leaving] = workers.splice(Math.floor(random() * workers.length), 1)
      if (!leaving) throw new Error('there is no worker')
      if (random() < 0.5) await lab.stopWorker(leaving)
      else await lab.bury(leaving)
      await sleep(Math.max(0, EVERY_MS - (performance.now() - began)))
      if (round % 6 === 0) say(`${round}/${times}`)
    }
    await lab.untilCounted()
    await lab.expectExact()
    for (const worker of workers) await lab.stopWorker(worker)
    return `${times} joins and ${times} departures; ${lab.counted()}`
  },
}
export default scenario
