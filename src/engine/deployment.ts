/** What the state knows of a deployment as a whole: that it lives, and which generations of which topologies it has run. */
import type { WallClock } from '../core/clock.ts'
import { Fenced } from '../core/errors.ts'
import type { Flow, Millis, State, Transport } from '../core/model.ts'

/** The state's sign of life of the deployment: without it, a group with positions means that the state was emptied. */
export const DEPLOYMENT_TASK = 'deployment'

/** The generation of a topology that shall serve: the one of the latest declaration. */
interface Current {
  readonly generation: string
  readonly rank: number
  readonly declaredAt: Millis
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
   * up, unless another generation was declared later.
   */
  async take(flow: Flow): Promise<number> {
    const { state, clock } = this.options
    const number = await this.numberOf(flow)
    await untilNotFenced(clock, async () => {
      const open = await state.open(currentTask(flow))
      const before = currentIn(open.meta)
      const current = currentAfter(before, flow, number, clock.now())
      if (current !== before) await state.commit(open, { position: 0, meta: Buffer.from(JSON.stringify(current)) })
    })
    return number
  }

  /** See `TaskContext`. One that has been replaced keeps its number, which is lower than what came after it. */
  async rank(flow: Flow): Promise<number> {
    const current = currentIn((await this.options.state.open(currentTask(flow))).meta)
    return current?.generation === flow.generation ? current.rank : this.numberOf(flow)
  }

  private async numberOf(flow: Flow): Promise<number> {
    const { state, clock } = this.options
    return untilNotFenced(clock, async () => {
      const open = await state.open(`generation/${flow.name}@${flow.generation}`)
      if (open.position !== undefined) return Number(Buffer.from(open.meta).toString())
      const number = clock.now()
      await state.commit(open, { position: 0, meta: Buffer.from(String(number)) })
      return number
    })
  }
}

const currentTask = ({ name }: Flow): string => `current/${name}`

function currentIn(meta: Uint8Array): Current | undefined {
  return meta.length === 0 ? undefined : (JSON.parse(Buffer.from(meta).toString()) as Current)
}

/** A generation that comes back, by a later declaration, gets a new rank. */
function currentAfter(before: Current | undefined, flow: Flow, number: number, now: Millis): Current {
  const { generation, declaredAt } = flow
  if (before === undefined) return { generation, rank: number, declaredAt }
  if (before.generation === generation) return declaredAt > before.declaredAt ? { ...before, declaredAt } : before
  const isNew = number > before.rank
  if (!isNew && declaredAt < before.declaredAt) return before
  return { generation, rank: Math.max(isNew ? number : now, before.rank + 1), declaredAt }
}

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
