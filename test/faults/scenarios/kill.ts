/** kill -9 at every failpoint, one after the other; two at once in the long form. */
import { seeded } from '../../../bench/orders.ts'
import { type Failpoint, POINTS } from '../failpoints.ts'
import type { Lab } from '../lab.ts'
import type { Scenario } from '../scenario.ts'
import type { WorkerProcess } from '../worker-process.ts'

const WORKERS = 3
/** What is promised: everything goes on within the session timeout and this. */
const BEYOND_SESSION_MS = 5_000
/** All is held against the oracle after so many kills. */
const CHECK_EVERY = 16
/** A worker without work of the kind never comes there; another is tried then. */
const HIT_WITHIN_MS = 4_000
const MOST_SKIPS = 4

const scenario: Scenario = {
  summary: 'kill -9 of workers at every failpoint, under load',
  async run({ lab: create, seed, long, patience, times = POINTS.length, say }) {
    const lab = await create()
    const within = HIT_WITHIN_MS * patience
    const promised = lab.sessionMs + BEYOND_SESSION_MS
    const random = seeded(seed)
    const atOnce = long ? 2 : 1
    const warm = () => Array.from({ length: atOnce }, () => lab.warm())
    const workers = await lab.startWorkers(WORKERS)
    lab.load.start()
    await lab.untilCounted()
    const takeovers: number[] = []
    for (let [kill, warming] = [0, warm()]; kill < times; ) {
      const spares = await Promise.all(warming)
      const died: Failpoint[] = []
      while (died.length < atOnce) {
        // another seed begins at another point
        const point = POINTS[(kill++ + seed) % POINTS.length] as Failpoint
        // tasks are opened where partitions move: by one that joins
        const victims = point === 'after-open' ? spares : workers
        const first = Math.floor(random() * victims.length)
        victims.splice(victims.indexOf(await killAt(lab, point, victims, first, within, random)), 1)
        died.push(point)
      }
      const dead = performance.now()
      warming = warm()
      for (const spare of spares) {
        await spare.start()
        workers.push(spare)
      }
      await lab.untilCounted()
      takeovers.push(performance.now() - dead)
      say(`${kill}/${times} ${died.join(', ')}: goes on after ${Math.round(takeovers.at(-1) as number)} ms`)
      for (const extra of workers.splice(WORKERS)) await lab.stopWorker(extra)
      if (kill % CHECK_EVERY !== 0) continue
      await lab.expectExact()
      say(`${kill}/${times} exact: ${lab.oracle.events} events`)
      lab.load.start()
    }
    await lab.expectExact()
    for (const worker of workers) await lab.stopWorker(worker)
    const late = takeovers.filter((ms) => ms > promised)
    const sorted = takeovers.sort((a, b) => a - b)
    const [half, longest] = [sorted[sorted.length >> 1], sorted.at(-1)].map((ms) => ((ms as number) / 1000).toFixed(1))
    return `${times} kills; ${lab.counted()}; goes on after ${half} s (median), ${longest} s (longest), ${late.length} of ${sorted.length} above ${promised / 1000} s`
  },
}
export default scenario

/** Arms one worker after the other until one dies there. */
async function killAt(
  lab: Lab,
  point: Failpoint,
  workers: readonly WorkerProcess[],
  first: number,
  within: number,
  random: () => number,
): Promise<WorkerProcess> {
  for (let attempt = 0; attempt < 4 * workers.length; attempt++) {
    const victim = workers[(first + attempt) % workers.length] as WorkerProcess
    await victim.arm({ point, skip: Math.floor(random() * MOST_SKIPS), action: 'kill' })
    // a newcomer that dies while it joins never says that it has
    if (!victim.url) victim.start().catch(() => undefined)
    const isHit = await victim.hits(point, within)
    if (!isHit) await victim.arm(undefined).catch(() => undefined)
    if (!isHit && victim.isAlive) continue
    await lab.bury(victim)
    return victim
  }
  throw new Error(`no worker comes to ${point}\n${lab.tails()}`)
}
