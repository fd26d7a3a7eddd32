/** What the state knows of a deployment as a whole: that it lives, and which generations of which topologies it has run. */
import type { WallClock } from '../core/clock.ts'
import { Fenced } from '../core/errors.ts'
import type { Flow, Millis, OpenState, State, Transport } from '../core/model.ts'
import { readable } from './task.ts'

/** The state's sign of life of the deployment: without it, a group with positions means that the state was emptied. */
export const DEPLOYMENT_TASK = 'deployment'

/** The state keeps the names of all topologies that were deployed as keys of this task, and what is known of each in the meta of another. */
const DEPLOYED_TASK = 'deployed'
const deployedTask = (name: string): string => `${DEPLOYED_TASK}/${name}`

/** What is known of a topology that has run. */
export interface DeployedTopology {
  /** The one of the latest declaration: it is to serve, from when it has caught up. */
  readonly current: { readonly generation: string; readonly rank: number; readonly declaredAt: Millis }
  readonly generations: Readonly<Record<string, DeployedGeneration>>
}

export interface DeployedGeneration {
  /** Fingerprint of the definition declared last in it, and when that was. */
  readonly definition: string
  readonly declaredAt: Millis
  readonly sources: readonly string[]
  /** Partitions of its own shuffle topic, or those of the one topic it reads directly; of a transform none. */
  readonly shuffle?: number
  readonly direct?: number
  /** What the caller wanted to be remembered. */
  readonly about: unknown
}

export interface DeploymentOptions {
  readonly transport: Transport
  readonly state: State
  readonly clock: WallClock
  readonly group: string
}

export class Deployment {
  private readonly options: DeploymentOptions
  private stateWasLost = false

  constructor(options: DeploymentOptions) {
    this.options = options
  }

  /** To be called once, before any task is opened. */
  async lookForLoss(topics: readonly string[]): Promise<void> {
    const { state, transport, clock, group } = this.options
    await untilNotFenced(clock, async () => {
      const open = await state.open(DEPLOYMENT_TASK)
      if (open.position !== undefined) return
      const committed = await Promise.all(topics.map((topic) => transport.committed(group, topic)))
      this.stateWasLost = committed.flat().some((position) => position !== undefined)
      if (!this.stateWasLost) await state.commit(open, { position: 0, meta: new Uint8Array(0) })
    })
  }

  /** Asked by a task without a position. A sign that was there at the start and is gone tells of a loss whatever the group says. */
  async wasLost(topic: string, partition: number, isShuffle: boolean): Promise<boolean> {
    const { state, transport, group } = this.options
    if (!this.stateWasLost && (await state.open(DEPLOYMENT_TASK)).position === undefined) return true
    if (!isShuffle && !this.stateWasLost) return false
    return (await transport.committed(group, topic))[partition] !== undefined
  }

  /**
   * A number for the flow's generation, the same for ever: what it says has it in its version. It is to serve from when it has caught
   * up, unless another generation was declared later. `about` is kept for `deployed`. `since`: monotonic time at which it was
   * read that the flow is to run.
   */
  async take(flow: Flow, about: unknown, since = this.options.clock.monotonic()): Promise<number> {
    const { state, clock } = this.options
    const number = await this.numberOf(flow, since)
    await untilNotFenced(clock, async () => {
      const open = await state.open(deployedTask(flow.name))
      const meta = Buffer.from(JSON.stringify(deployedAfter(deployedIn(open), flow, about, number, clock.now())))
      if (meta.equals(open.meta)) return
      if (open.meta.length === 0) await list(state, clock, flow.name, true)
      await state.commit(open, { position: 0, meta })
    })
    return number
  }

  /** See `TaskContext`. One that has been replaced keeps its number, which is lower than what came after it. */
  async rank(flow: Flow): Promise<number> {
    const current = deployedIn(await this.options.state.open(deployedTask(flow.name)))?.current
    return current?.generation === flow.generation ? current.rank : this.numberOf(flow)
  }

  /** When it was read, by the store's clock: who stood still since then does not declare it later than others what came after. */
  private async numberOf(flow: Flow, since = this.options.clock.monotonic()): Promise<number> {
    const { state, clock } = this.options
    return untilNotFenced(clock, async () => {
      const open = await state.open(numberTask(flow))
      if (open.position !== undefined) return numberIn(open)
      const number = open.epoch - Math.ceil(clock.monotonic() - since)
      await state.commit(open, { position: 0, meta: Buffer.from(String(number)) })
      return number
    })
  }
}

/** What the record of a topology says; undefined where there is none. A clear stop where it is none of ours. */
function deployedIn({ task, meta }: OpenState): DeployedTopology | undefined {
  if (meta.length === 0) return undefined
  return readable(task, () => {
    const found = JSON.parse(Buffer.from(meta).toString()) as Partial<DeployedTopology> | null
    if (typeof found?.current?.rank !== 'number' || !(found.generations instanceof Object))
      throw new RangeError('this is no record of a topology that was deployed')
    return found as DeployedTopology
  })
}

/** The number of a generation, as it was kept. */
function numberIn({ task, meta }: OpenState): number {
  return readable(task, () => {
    const number = Number(Buffer.from(meta).toString())
    if (!Number.isSafeInteger(number)) throw new RangeError('this is no number of a generation')
    return number
  })
}

/** Puts a name on the list of those that were deployed, or takes it off. */
async function list(state: State, clock: WallClock, name: string, isDeployed: boolean): Promise<void> {
  const keys = new Map([[name, isDeployed ? Buffer.from(name) : null]])
  await untilNotFenced(clock, async () =>
    state.commit(await state.open(DEPLOYED_TASK), { position: 0, meta: new Uint8Array(0), keys }),
  )
}

function deployedAfter(
  before: DeployedTopology | undefined,
  flow: Flow,
  about: unknown,
  number: number,
  now: Millis,
): DeployedTopology {
  const { generation, definition, declaredAt, sources, shuffle, direct } = flow
  const known = before?.generations[generation]
  const isOlder = known !== undefined && known.declaredAt > declaredAt
  const own = shuffle === undefined ? direct !== undefined && { direct } : { shuffle }
  const newest = { definition, declaredAt, sources: sources.map(({ topic }) => topic), ...own, about }
  return {
    current: currentAfter(before?.current, flow, number, now),
    generations: { ...before?.generations, [generation]: isOlder ? known : newest },
  }
}

/** A generation that comes back, by a later declaration, gets a new rank. */
function currentAfter(
  before: DeployedTopology['current'] | undefined,
  { generation, declaredAt }: Flow,
  number: number,
  now: Millis,
): DeployedTopology['current'] {
  if (before === undefined) return { generation, rank: number, declaredAt }
  if (before.generation === generation) return declaredAt > before.declaredAt ? { ...before, declaredAt } : before
  const isNew = number > before.rank
  if (!isNew && declaredAt < before.declaredAt) return before
  return { generation, rank: Math.max(isNew ? number : now, before.rank + 1), declaredAt }
}

/** All topologies that have run, by name. */
export async function deployedTopologies(state: State, clock: WallClock): Promise<Map<string, DeployedTopology>> {
  const names = await untilNotFenced(clock, async () => {
    const listed: string[] = []
    for await (const page of state.scan(await state.open(DEPLOYED_TASK))) listed.push(...page.map(([name]) => name))
    return new Set(listed)
  })
  const found = new Map<string, DeployedTopology>()
  for (const name of names) {
    const topology = deployedIn(await state.open(deployedTask(name)))
    if (topology) found.set(name, topology)
  }
  return found
}

/** Forgets that a generation has run; with the last one, its topology. */
export async function forgetDeployed(state: State, clock: WallClock, name: string, generation: string): Promise<void> {
  await state.forget(numberTask({ name, generation }))
  await untilNotFenced(clock, async () => {
    const open = await state.open(deployedTask(name))
    const before = deployedIn(open)
    const { [generation]: _, ...generations } = before?.generations ?? {}
    if (before && Object.keys(generations).length > 0)
      return state.commit(open, { position: 0, meta: Buffer.from(JSON.stringify({ ...before, generations })) })
    await state.forget(deployedTask(name))
    return list(state, clock, name, false)
  })
}

const numberTask = ({ name, generation }: Pick<Flow, 'name' | 'generation'>): string =>
  `generation/${name}@${generation}`

/** Several workers start at once: whoever is fenced looks again. */
export async function untilNotFenced<T>(clock: WallClock, call: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call()
    } catch (error) {
      if (!(error instanceof Fenced) || attempt === 50) throw error
      await clock.wait(5 * attempt)
    }
  }
}
