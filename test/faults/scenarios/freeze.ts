/** SIGSTOP at a failpoint, past the session timeout, then SIGCONT: a worker that wakes up with a call in its hands. */
import { metric } from '../../exactness/probe.ts'
import type { Failpoint } from '../failpoints.ts'
import type { Scenario } from '../scenario.ts'

/** Where waking up is the most dangerous. */
const POINTS: readonly Failpoint[] = [
  'before-commit',
  'before-sink',
  'in-frames',
  'in-records',
  'before-timer-commit',
  'after-sink',
  'in-results',
  'before-frames',
  'timers-read',
]
const HIT_WITHIN_MS = 10_000

const scenario: Scenario = {
  summary: 'SIGSTOP past the session timeout, then SIGCONT: the old owner is fenced',
  async run({ lab: create, seed, times = POINTS.length, patience, say }) {
    const lab = await create()
    const running = await lab.startWorkers(3)
    lab.load.start()
    await lab.untilCounted()
    let refused = 0
    for (let time = 0; time < times; time++) {
      const point = POINTS[(time + seed - 1) % POINTS.length] as Failpoint
      const victim = running[(time + seed) % running.length]
      if (!victim) throw new Error('there is no worker')
      const before = await metric(victim, 'millrace_fenced_total')
      await victim.arm({ point, skip: time % 3, action: 'freeze' })
      if (!(await victim.hits(point, HIT_WITHIN_MS * patience)))
        throw new Error(`no worker comes to ${point}\n${lab.tails()}`)
      // the others have all that it had, and have gone on
      const took = await lab.untilCounted()
      victim.wake()
      await lab.untilCounted()
      const fenced = (await metric(victim, 'millrace_fenced_total')) - before
      refused += fenced
      say(`${time + 1}/${times} ${point}: others go on after ${Math.round(took)} ms; awake, refused ${fenced} times`)
    }
    await lab.expectExact()
    for (const worker of running) await lab.stopWorker(worker)
    if (refused === 0) throw new Error('nobody was ever fenced: the scenario shows nothing')
    return `${times} freezes; ${lab.counted()}; ${refused} calls of old owners refused`
  },
}
export default scenario
