/** A sink that takes half a second for each batch while much comes: what waits stands in the log, not in memory. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Scenario } from '../scenario.ts'

const MIB = 1 << 20
/** Over what the worker had when it had read little: the bounded number of records that wait, and what is not collected yet. */
const MOST_MORE = 300 * MIB
/** Were all of it in memory, it would be more. */
const BACKLOG = 80_000
const EVENT_BYTES = 8_000

const scenario: Scenario = {
  summary: 'a slow sink and much to do: memory stays bounded',
  async run({ lab: create, say }) {
    // on a busy machine the one worker would be taken for dead, and what is measured would be its return
    const lab = await create({ keys: 2_000, bytes: EVENT_BYTES, transport: { sessionTimeout: '30s' } })
    const [worker] = await lab.startWorkers(1)
    if (!worker) throw new Error('there is no worker')
    await lab.load.touchAll()
    await lab.untilCounted()
    const before = worker.rss()
    await worker.arm({ point: 'before-sink', skip: 0, action: { delay: 500 } })
    for (let written = 0; written < BACKLOG; written += 2_000) await lab.load.write(2_000)
    let most = 0
    for (let look = 0; look < 60; look++) {
      most = Math.max(most, worker.rss())
      await sleep(250)
    }
    say(`${Math.round(before / MIB)} MiB before, at most ${Math.round(most / MIB)} MiB behind ${BACKLOG} events`)
    if (most - before > MOST_MORE) throw new Error(`memory has grown by ${Math.round((most - before) / MIB)} MiB`)
    await worker.arm(undefined)
    await lab.untilCounted()
    await lab.expectExact()
    await lab.stopWorker(worker)
    return `${Math.round(before / MIB)} MiB at rest, at most ${Math.round(most / MIB)} MiB; ${lab.counted()}`
  },
}
export default scenario
