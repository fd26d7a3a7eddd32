/** Workers on a project until all is applied: what the parts of `npm run bench -- --work scale-…` share. */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FeatureStore } from '../../src/core/model.ts'
import { checkProject } from '../../src/project/check.ts'
import { cpuSeconds, endsWithUs, peakMb } from '../children.ts'
import { counters } from '../millrace.ts'
import type { Oracle } from '../oracle.ts'
import { openPart, type Setup } from '../setup.ts'
import { differences, type RunningWorker, startWorker } from '../w1.ts'

const LOOK_EVERY_MS = 1_000
const QUIET_LOOKS = 10
const PATIENCE_MS = 900_000

export interface Scale {
  readonly events: number
  /** Folder for CPU profiles. */
  readonly profile: string | undefined
  /** Events per second, and for how long. */
  readonly rate: number
  readonly seconds: number
}

export interface Measured {
  readonly seconds: number
  /** Of all workers, user and system. */
  readonly cpuSeconds: number
  /** Of one row in the second half, when programs are compiled; NaN where nothing came after its beginning. */
  readonly warmCpuSeconds: number
  readonly servicesCpuSeconds: number
  /** Of the largest. */
  readonly peakMb: number
}

/**
 * Starts workers on the project and measures from the first record read until `rows` are applied and committed by all of them together.
 * The topics they made are deleted at the end.
 */
export async function measureWorkers(
  { pids, transport }: Setup,
  home: string,
  rows: number,
  { workers = 1, profile }: { readonly workers?: number; readonly profile?: string | undefined } = {},
): Promise<Measured> {
  const nodeArgs = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]
  const running: RunningWorker[] = []
  const sum = async (of: (worker: RunningWorker) => Promise<number>) =>
    (await Promise.all(running.map(of))).reduce((total, part) => total + part, 0)
  const look = async () => {
    const counts = await Promise.all(running.map((worker) => counters(worker)))
    const total = (name: string, label?: string) => counts.reduce((all, count) => all + count(name, label), 0)
    return {
      read: total('records_in_total'),
      applied: total('batch_records_sum', 'role="reduce"'),
      lag: total('task_lag_records'),
      at: performance.now(),
      cpu: await sum(({ pid }) => cpuSeconds(pid)),
      services: (await cpuSeconds(pids.broker)) + (await cpuSeconds(pids.redis)),
    }
  }
  try {
    const deadline = Date.now() + PATIENCE_MS
    for (let i = 0; i < workers; i++) {
      const worker = await startWorker(home, { nodeArgs })
      endsWithUs(worker.process)
      running.push(worker)
    }
    let began = await look()
    for (; began.read === 0; began = await look()) await sleep(20)
    let seen = began
    let middle = began
    // what was applied by a commit whose answer did not come is not counted, so that no lag for a while is the end, too
    for (let quiet = 0; seen.applied < rows && quiet < QUIET_LOOKS; ) {
      if (Date.now() > deadline)
        throw new Error(`${seen.applied} of ${rows} in time:\n${running[0]?.output.slice(-20).join('\n')}`)
      await sleep(LOOK_EVERY_MS)
      const now = await look()
      quiet = now.applied === seen.applied && now.lag === 0 && seen.applied > 0 ? quiet + 1 : 0
      if (quiet === 0) seen = now
      if (middle.applied < rows / 2) middle = now
    }
    const peaks = await Promise.all(running.map(async ({ pid }) => (await peakMb(pid)) ?? 0))
    return {
      seconds: (seen.at - began.at) / 1000,
      cpuSeconds: seen.cpu - began.cpu,
      warmCpuSeconds: (seen.cpu - middle.cpu) / (seen.applied - middle.applied),
      servicesCpuSeconds: seen.services - began.services,
      peakMb: Math.max(...peaks),
    }
  } finally {
    await Promise.all(running.map((worker) => worker.stop()))
    const { config, topologies = [] } = (await checkProject(home)).project ?? {}
    for (const { name, generation } of topologies)
      await transport.deleteTopic(`${config?.deployment}.${name}.${generation}.shuffle`)
  }
}

/** Throws where a store's values of W1, as that run has them in Redis, are not the oracle's. */
export async function holdToOracle({ redisUrl }: Setup, home: string, run: string, oracle: Oracle): Promise<void> {
  const generation = (await checkProject(home)).project?.topologies[0]?.generation
  const store = await openPart<FeatureStore>('stores', 'redis', { url: redisUrl, prefix: run })
  const wrong = await differences(store, `w1@${generation}`, oracle).finally(() => store.close())
  if (wrong.length > 0) throw new Error(`${wrong.length} values are wrong, such as ${wrong.slice(0, 3).join('; ')}`)
}

/** Where a run has its project. */
export const homeOf = ({ directory }: Setup, run: string): string => join(directory, run)
