/** The registry is down while a worker is killed: who knows the schemas goes on, who does not waits. */
import { setTimeout as sleep } from 'node:timers/promises'
import { start as startRegistry } from '../../services/registry.ts'
import type { Scenario } from '../scenario.ts'

const scenario: Scenario = {
  summary: 'registry down, and a worker killed meanwhile',
  async run({ lab: create, onEnd, say }) {
    const registry = await startRegistry()
    onEnd(() => registry.stop())
    const lab = await create({}, { registry })
    const workers = await lab.startWorkers(2)
    lab.load.start()
    await lab.untilFlows()
    // its own database writes half a second later what it has acknowledged
    await sleep(2_000)
    await registry.kill9()
    await sleep(2_000)
    const [victim] = workers.splice(0, 1)
    if (victim) await lab.bury(victim)
    // who takes over what it had may have to ask for schemas: it waits then, and skips nothing
    await sleep(5_000)
    await registry.restart()
    workers.push(await lab.startWorker())
    say(`goes on after ${Math.round(await lab.untilFlows())} ms`)
    await lab.expectExact()
    for (const worker of workers) await lab.stopWorker(worker)
    return `down for 7 s; ${lab.counted()}`
  },
}
export default scenario
