import type { Millis, OpenState, Position, StateChange } from '../core/model.ts'
import { CHECK_EVERY, type Patience, type Task, type TaskContext } from './task.ts'

/** A task's claim on its state: how far it has come, and how much of that is committed. */
export class Ledger {
  /** Position to go on from after the last commit. */
  position: Position = 0
  /** Position after what was processed. */
  done: Position = 0
  claim!: OpenState
  /** When the store was asked for the claim, and when it had answered. */
  private askedAt: Millis = 0
  private openedAt: Millis = 0
  private patiently!: Patience
  private committedAt: Millis = 0
  /** When it was last committed, or found to be still this task's. */
  private knownAt: Millis = 0
  private readonly task: Pick<Task, 'id' | 'flow' | 'role'>
  private readonly context: Pick<TaskContext, 'state' | 'clock' | 'metrics'>
  /** What is committed beside the position. */
  private readonly meta: () => Uint8Array

  constructor(
    task: Pick<Task, 'id' | 'flow' | 'role'>,
    context: Pick<TaskContext, 'state' | 'clock' | 'metrics'>,
    meta: () => Uint8Array,
  ) {
    this.task = task
    this.context = context
    this.meta = meta
  }

  /** Claims the state: what others hold of it is old from here on. */
  async open(patiently: Patience): Promise<OpenState> {
    this.patiently = patiently
    const { clock, state } = this.context
    this.claim = await patiently('opening the state', () => {
      this.askedAt = clock.monotonic()
      return state.open(this.task.id)
    })
    this.openedAt = clock.monotonic()
    return this.claim
  }

  /** Where the task reads first. A position that is new to the state is committed before anything is read. */
  async begin(position: Position, isNew = this.claim.position === undefined): Promise<Position> {
    this.done = position
    if (isNew) await this.commit()
    this.position = position
    this.knownAt = this.context.clock.monotonic()
    this.committedAt = this.knownAt
    return position
  }

  /** One atomic step. It is not repeated when it fails: whether it was applied shows when the state is opened again. */
  async commit(change: Pick<StateChange, 'keys' | 'timers'> = {}): Promise<void> {
    const { clock, metrics, state } = this.context
    const { flow, role } = this.task
    const started = clock.monotonic()
    await state.commit(this.claim, { position: this.done, meta: this.meta(), ...change })
    this.position = this.done
    this.knownAt = clock.monotonic()
    this.committedAt = this.knownAt
    metrics.commitSeconds.observe({ topology: flow.name, role }, (this.knownAt - started) / 1000)
  }

  /** Commits what was done. */
  async settle(): Promise<void> {
    if (this.position !== this.done) await this.commit()
  }

  /** `settle`, when the last commit is `every` old. */
  async commitEvery(every: Millis): Promise<void> {
    if (this.context.clock.monotonic() - this.committedAt >= every) await this.settle()
  }

  /** `commitEvery`; an idle task looks now and then whether it was taken over. Throws `Fenced` then. */
  async tick(every: Millis): Promise<void> {
    await this.commitEvery(every)
    if (this.context.clock.monotonic() - this.knownAt < CHECK_EVERY) return
    await this.patiently('checking the state', () => this.context.state.check(this.claim))
    this.knownAt = this.context.clock.monotonic()
  }

  /**
   * Wall time in whole ms at a moment of the monotonic clock, by the store's clock: all workers have the same, whatever theirs
   * say, and it does not jump while the task is open. It was this late at least: the claim was made when it was answered, or before.
   */
  wall(at: Millis): Millis {
    return this.claim.epoch + Math.floor(at - this.openedAt)
  }

  /** Now, as late as it can be. From here to a later `wall`, by whomever, is never longer than it was. */
  latestWall(): Millis {
    return this.claim.epoch + Math.ceil(this.context.clock.monotonic() - this.askedAt)
  }
}
