/**
 * The life of a task, whatever its kind: open, step while there is work, tick while there is none, open again
 * after a failure, stop. The kinds are `map.ts` (record → rows → frames), `reduce.ts` (rows → state → sinks) and
 * `transform.ts` (record → records).
 */
import type { WallClock } from '../core/clock.ts'
import { ClearStop, type ErrorCode, Fenced, MillraceError, messageOf } from '../core/errors.ts'
import type { Flow, Millis, Position, Range, State, TaskId, Transport } from '../core/model.ts'
import type { Log } from '../core/part.ts'
import type { DeadLetters } from './dead-letters.ts'
import type { Inbox } from './inbox.ts'
import type { Metrics } from './metrics.ts'
import { type Load, nextRound } from './pace.ts'
import type { Tables } from './tables.ts'

export interface EngineSettings {
  /** Silence after which a source that was read to its end counts as idle. */
  readonly idle: Millis
  /** How often an idle source says how far time has gone, and how often tasks tick. */
  readonly heartbeat: Millis
  /** How far an event time may lie after its record's timestamp. */
  readonly skew: Millis
  /** Most records a map step takes, and most rows a reduce step applies. */
  readonly maxRecords: number
  readonly maxRows: number
  /** Keys after which a reduce step takes no further frame: while keeping up, and while behind. */
  readonly maxKeys: number
  readonly maxKeysBehind: number
  /** Tasks of a partition whose positions are further apart than this do not read it together. */
  readonly near: number
  /** A task that takes no more for this long, while others that read with it do, goes on reading by itself. */
  readonly holdUp: Millis
  /** How long a reduce step waits for more frames while its sources are behind. */
  readonly linger: Millis
  /** So much may wait for a task before no more is read for it, and a batch more: frames behind a shuffle, records elsewhere. */
  readonly waitingFrames: number
  readonly waitingRecords: number
  /** Keys kept in memory per task. */
  readonly cacheKeys: number
  /** Bytes that the tables of a worker may have. */
  readonly tableBytes: number
  /** First and longest pause before a failed call is tried again. */
  readonly retryMin: Millis
  readonly retryMax: Millis
}

export interface Attested {
  /** Monotonic time at which the ends were asked for: silence is known up to here. */
  readonly at: Millis
  readonly ranges: readonly Range[]
}

/** What a worker lends its tasks. */
export interface TaskContext {
  readonly transport: Transport
  readonly state: State
  readonly deadLetters: DeadLetters
  readonly clock: WallClock
  readonly metrics: Metrics
  readonly log: Log
  readonly settings: EngineSettings
  readonly tables: Pick<Tables, 'ready' | 'lookup'>
  readonly load: Load
  /** The ends of a topic, at most half a heartbeat old. Rejects when they can't be read. */
  ends(topic: string): Promise<Attested>
  /** Asked by a task whose state has no position: had it one that was lost? Otherwise it is new, and begins. */
  wasLost(topic: string, partition: number): Promise<boolean>
  /** Which of a topology's generations shall serve: the one with the highest rank that has caught up. */
  rank(flow: Flow): Promise<number>
}

export interface Task {
  readonly id: TaskId
  readonly flow: Flow
  readonly role: 'map' | 'reduce' | 'transform'
  readonly inbox: Inbox
  /** Position to go on from after the last commit. */
  readonly position: Position
  /** Position after what was processed; what lies between is committed soon. */
  readonly done: Position
  /** Event time it has reached, -Infinity before the first; left out by tasks that have no clock of their own. */
  readonly clock?: Millis
  /** What it cannot reach, while it goes on with what it can; undefined when there is nothing. */
  readonly trouble?: string | undefined
  /** Keys in memory; left out by tasks that keep none. */
  readonly cachedKeys?: number
  /** Claims the state; answers where to read from. */
  open(patience: Patience): Promise<Position>
  /** Works off a part of what waits in the inbox, where something does. */
  step(): Promise<void>
  /** Called about once per heartbeat, between steps: time, timers, and a look at whether the state is still this task's. */
  tick(): Promise<void>
  /** Makes everything done so far durable, before a graceful stop. */
  settle(): Promise<void>
}

/** Where a task is: on every line that is logged of it. */
export const placeOf = ({ id, flow, position }: Pick<Task, 'id' | 'flow' | 'position'>) => ({
  task: id,
  topology: flow.name,
  partition: Number(id.slice(id.lastIndexOf('/') + 1)),
  position,
})

/** What is waited for has not failed: it takes longer. */
export class NotYet extends Error {}

/** Repeats a call until it succeeds, with growing pauses. Fencing, clear stops and the task's end pass through. */
export type Patience = <T>(what: string, call: () => Promise<T>) => Promise<T>

/** How often a task with nothing to do asks whether it still owns its state. */
export const CHECK_EVERY: Millis = 5_000

export type Condition = 'opening' | 'running' | 'waiting' | 'blocked' | 'stopped'

class Stopped extends Error {}

/** Logged of a task once what it warned of is over. */
export const RUNS_AGAIN = 'task runs again'

/** Runs one task until it is stopped or blocked. */
export class TaskRunner {
  condition: Condition = 'opening'
  /** Why it waits or is blocked. */
  reason: string | undefined
  /** Code of the clear stop that blocks it. */
  code: ErrorCode | undefined
  private readonly task: Task
  private readonly context: TaskContext
  /** Told whenever the task has opened: from then on it wants the records from `inbox.want` on. */
  private readonly wants: (runner: TaskRunner) => void
  private readonly ended = new AbortController()
  /** Cuts pauses short, at the end and when draining. */
  private readonly hurry = new AbortController()
  private draining = false
  private failure: Error | undefined
  /** Left on by a step that fails: the next that succeeds has done its work. */
  private stepping = false
  private firstOpen: PromiseWithResolvers<Position | undefined> = Promise.withResolvers()
  /** Resolves when it has come to its end: closed, drained or blocked. */
  readonly finished: Promise<void>

  constructor(task: Task, context: TaskContext, wants: (runner: TaskRunner) => void) {
    this.task = task
    this.context = context
    this.wants = wants
    this.finished = this.run()
  }

  /** Where to read from; undefined when the task is blocked or was closed before it opened. */
  get opened(): Promise<Position | undefined> {
    return this.firstOpen.promise
  }

  get id(): TaskId {
    return this.task.id
  }

  get flow(): Flow {
    return this.task.flow
  }

  get role(): Task['role'] {
    return this.task.role
  }

  get inbox(): Inbox {
    return this.task.inbox
  }

  /** Committed position; undefined while the task is being opened or is blocked. */
  get position(): Position | undefined {
    return this.condition === 'opening' || this.condition === 'blocked' ? undefined : this.task.position
  }

  /** Position after what was processed and said; undefined within a step, and while the task is being opened or is blocked. */
  get done(): Position | undefined {
    return this.position === undefined || this.stepping ? undefined : this.task.done
  }

  /** Records between what was processed and the end of the log, as last read. */
  get lag(): number {
    return this.position === undefined ? 0 : Math.max(0, this.task.inbox.end - this.task.done)
  }

  /** See `Task`; undefined where there is none. */
  get clock(): Millis | undefined {
    const { clock } = this.task
    return clock === undefined || !Number.isFinite(clock) ? undefined : clock
  }

  get cachedKeys(): number {
    return this.task.cachedKeys ?? 0
  }

  /** Ends at the next `await`, whatever is under way: the partition is another's. */
  close(): Promise<void> {
    this.ended.abort()
    this.hurry.abort()
    this.task.inbox.close()
    return this.finished
  }

  /** Finishes the step under way, makes it durable, ends. What waits in the inbox is left for the next owner. */
  drain(): Promise<void> {
    this.draining = true
    this.hurry.abort()
    this.task.inbox.nudge()
    return this.finished
  }

  /** Opens again soon: what it wants cannot be read. */
  reopen(why: Error): void {
    this.failure = why
    this.task.inbox.nudge()
  }

  private async run(): Promise<void> {
    let pause = this.context.settings.retryMin
    while (!this.ended.signal.aborted && !this.draining) {
      try {
        const position = await this.task.open(this.patiently)
        this.task.inbox.reset(position)
        this.failure = undefined
        this.running()
        this.wants(this)
        this.firstOpen.resolve(position)
        await this.work(() => {
          pause = this.context.settings.retryMin
        })
      } catch (error) {
        if (error instanceof Stopped || this.ended.signal.aborted) break
        if (error instanceof ClearStop) {
          this.block(error)
          break
        }
        this.reopening(error)
        await this.context.clock.wait(pause, this.hurry.signal)
        pause = Math.min(pause * 2, this.context.settings.retryMax)
      }
    }
    if (this.condition === 'running' || this.condition === 'waiting') this.condition = 'stopped'
    this.task.inbox.close()
    this.firstOpen.resolve(undefined)
  }

  private async work(onProgress: () => void): Promise<void> {
    const { clock, settings } = this.context
    let tickAt = nextRound(clock.monotonic(), settings.heartbeat)
    while (!this.draining) {
      const { inbox } = this.task
      const left = tickAt - clock.monotonic()
      if (inbox.waiting === 0 && left > 0) await inbox.ready((arrival) => clock.wait(left, arrival))
      if (this.ended.signal.aborted) throw new Stopped()
      if (this.draining) break
      if (this.failure) throw this.failure
      if (inbox.waiting > 0) {
        this.stepping = true
        await this.task.step()
        this.stepping = false
      }
      if (clock.monotonic() >= tickAt) {
        await this.task.tick()
        this.look()
        tickAt = nextRound(clock.monotonic(), settings.heartbeat)
      }
      if (this.ended.signal.aborted) throw new Stopped()
      onProgress()
    }
    await this.task.settle()
  }

  /** See `Patience`. */
  private readonly patiently: Patience = async (what, call) => {
    const { clock, log, metrics, settings } = this.context
    for (let pause = settings.retryMin; ; pause = Math.min(pause * 2, settings.retryMax)) {
      if (this.ended.signal.aborted) throw new Stopped()
      try {
        const result = await call()
        if (this.condition === 'waiting') this.running()
        return result
      } catch (error) {
        if (error instanceof Fenced || error instanceof ClearStop || this.ended.signal.aborted) throw error
        if (this.draining) throw new Stopped()
        this.condition = this.condition === 'opening' ? 'opening' : 'waiting'
        this.reason = `${what}: ${messageOf(error)}`
        if (error instanceof NotYet) {
          log.debug({ ...placeOf(this.task), reason: error.message }, `${what} takes longer`)
        } else {
          metrics.retries.inc({ topology: this.task.flow.name })
          log.warn(
            { ...placeOf(this.task), code: codeOf(error), reason: messageOf(error) },
            `${what} failed; trying again`,
          )
        }
        await clock.wait(pause, this.hurry.signal)
      }
    }
  }

  /** A task with nothing to do waits, too, for what it cannot reach. */
  private look(): void {
    const { trouble } = this.task
    if (trouble === undefined) {
      if (this.condition === 'waiting') this.running()
      return
    }
    this.condition = 'waiting'
    this.reason = trouble
  }

  private running(): void {
    if (this.reason !== undefined) this.context.log.info(placeOf(this.task), RUNS_AGAIN)
    this.condition = 'running'
    this.reason = undefined
  }

  private block(error: ClearStop): void {
    this.condition = 'blocked'
    this.code = error.code
    this.reason = `${error.code}: ${error.message}. ${error.todo}`
    this.context.log.error(
      { ...placeOf(this.task), code: error.code, reason: error.message },
      `task stopped: ${error.todo}`,
    )
  }

  private reopening(error: unknown): void {
    const { log, metrics } = this.context
    const topology = this.task.flow.name
    if (error instanceof Fenced) metrics.fenced.inc({ topology })
    metrics.reopened.inc({ topology })
    this.condition = 'opening'
    this.reason = messageOf(error)
    log.warn({ ...placeOf(this.task), code: codeOf(error), reason: messageOf(error) }, 'task opens again')
  }
}

const codeOf = (error: unknown): string => (error instanceof MillraceError ? error.code : 'unexpected')

/** Reads bytes of the state store; what cannot be read is a clear stop, since no repetition would help. */
export function readable<T>(task: TaskId, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof ClearStop) throw error
    throw new ClearStop('state-unreadable', `${task}: ${messageOf(error)}`, { cause: error })
  }
}

/** Of two definitions of a generation the later declared one writes; the other stops here. */
export function refuseOlder(task: TaskId, flow: Flow, definition: string, declaredAt: Millis): void {
  if (definition === flow.definition || declaredAt <= flow.declaredAt) return
  const when = new Date(declaredAt).toISOString()
  throw new ClearStop('definition-older', `${task} was last written by a definition declared at ${when}`)
}
