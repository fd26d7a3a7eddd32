/** The registry is down while workers come: who knows the schemas goes on, who does not waits. */
import { setTimeout as sleep } from 'node:timers/promises'
import { start as startRegistry } from '../../services/registry.ts'
import type { Scenario } from '../scenario.ts'

const scenario: Scenario = {
  summary: 'registry down: who knows the schemas goes on',
  async run({ lab: create, onEnd, say }) {
    const registry = await startRegistry()
    onEnd(() => registry.stop())
    const lab = await create({}, { registry })
    const workers = await lab.startWorkers(2)
    lab.load.start()
    await lab.untilCounted()
    // its own database writes half a second later what it has acknowledged
    await sleep(2_000)
    await registry.kill9()
    await sleep(2_000)
    say(`registry down: counts after ${Math.round(await lab.untilCounted())} ms`)
    const [victim] = workers.splice(0, 1)
    if (victim) await lab.bury(victim)
    say(`and a worker killed: counts after ${Math.round(await lab.untilCounted())} ms`)
    await registry.restart()
    workers.push(await lab.startWorker())
    await lab.untilCounted()
    await lab.expectExact()
    for (const worker of workers) await lab.stopWorker(worker)
    return `registry down for a while, and a worker killed meanwhile; ${lab.counted()}`
  },
}
export default scenario
