/** kill -9 at every failpoint, one after the other. */
import { seeded } from '../../../bench/orders.ts'
import { type Failpoint, POINTS } from '../failpoints.ts'
import { type Lab, SESSION_MS } from '../lab.ts'
import type { Scenario } from '../scenario.ts'
import type { WorkerProcess } from '../worker-process.ts'

const WORKERS = 3
/** What is promised: everything goes on within the session timeout and this. */
const TAKEOVER_MS = SESSION_MS + 5_000
/** All is held against the oracle after so many kills. */
const CHECK_EVERY = 16
/** A worker without work of the kind never comes there; another is tried then. */
const HIT_WITHIN_MS = 4_000
const MOST_SKIPS = 4

const scenario: Scenario = {
  summary: 'kill -9 of workers at every failpoint, under load',
  async run({ lab: create, seed, times = POINTS.length, say }) {
    const lab = await create()
    const random = seeded(seed)
    const skip = () => Math.floor(random() * MOST_SKIPS)
    const running = await lab.startWorkers(WORKERS)
    lab.load.start()
    await lab.untilCounted()
    const takeovers: number[] = []
    for (let kill = 0; kill < times; kill++) {
      // another seed begins at another point
      const point = POINTS[(kill + seed) % POINTS.length] as Failpoint
      const spare = await lab.warm()
      // tasks are opened where partitions move: by one that joins
      if (point === 'after-open') await killAt(lab, point, skip, [spare])
      else running[running.indexOf(await killAt(lab, point, skip, running, random()))] = spare
      const dead = performance.now()
      if (spare.isAlive) await spare.start()
      await lab.untilCounted()
      takeovers.push(performance.now() - dead)
      say(`${kill + 1}/${times} ${point}: goes on after ${Math.round(takeovers.at(-1) as number)} ms`)
      if ((kill + 1) % CHECK_EVERY !== 0) continue
      await lab.expectExact()
      say(`${kill + 1}/${times} exact: ${lab.oracle.events} events`)
      lab.load.start()
    }
    await lab.expectExact()
    for (const worker of running) await lab.stopWorker(worker)
    const late = takeovers.filter((ms) => ms > TAKEOVER_MS)
    const longest = (Math.max(...takeovers) / 1000).toFixed(1)
    return `${times} kills; ${lab.counted()}; goes on after at most ${longest} s, ${late.length} times above ${TAKEOVER_MS / 1000} s`
  },
}
export default scenario

/** Arms one worker after the other until one dies there. */
async function killAt(
  lab: Lab,
  point: Failpoint,
  skip: () => number,
  workers: readonly WorkerProcess[],
  first = 0,
): Promise<WorkerProcess> {
  for (let attempt = 0; attempt < 3 * workers.length; attempt++) {
    const victim = workers[(Math.floor(first * workers.length) + attempt) % workers.length] as WorkerProcess
    await victim.arm({ point, skip: skip(), action: 'kill' })
    // a newcomer that dies while it joins never says that it has
    if (!victim.url) victim.start().catch(() => undefined)
    const isHit = await victim.hits(point, HIT_WITHIN_MS)
    if (!isHit) await victim.arm(undefined).catch(() => undefined)
    if (!isHit && victim.isAlive) continue
    await lab.bury(victim)
    return victim
  }
  throw new Error(`no worker comes to ${point}\n${lab.tails()}`)
}
