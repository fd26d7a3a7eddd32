/**
 * One partition that is here, and its tasks. They read together in the main lane, which the group's member feeds, so that a
 * record is fetched and decoded once for all. Who is far from the others, or holds them up, reads in a lane beside it, by
 * reads outside of the group, until the lanes meet.
 */
import { MillraceError } from '../core/errors.ts'
import type { Batch, Decoder, Flow, Millis, Partition, Position } from '../core/model.ts'
import { share } from './shared-batch.ts'
import { type Task, type TaskContext, TaskRunner } from './task.ts'

/** Tasks that open within this time are placed together, in ms. */
const OPEN_WITHIN = 2_000
/** A lane beside waits so long before it reads: others that open at about the same time join it. */
const GATHER = 100
/** A lane that has read to the end, and meets no other there, looks again after this. */
const LOOK_EVERY = 100

interface Lane {
  /** All before it was offered to the tasks of the lane. */
  next: Position
  readonly runners: Set<TaskRunner>
  /** Resolved and replaced whenever a task comes or goes. */
  changed: PromiseWithResolvers<void>
}

const laneAt = (next: Position): Lane => ({ next, runners: new Set(), changed: Promise.withResolvers() })

export class Feed {
  readonly partition: Partition
  readonly runners = new Set<TaskRunner>()
  private readonly context: TaskContext
  private readonly decoder: (topic: string) => Decoder
  /** Where the group's member shall read on. */
  private readonly seek: (position: Position) => void
  private readonly main = laneAt(0)
  private readonly beside = new Set<Lane>()
  /** Tasks that have opened before the main lane has a position. */
  private readonly early = new Set<TaskRunner>()
  private isOpen = false
  private readonly closing = new AbortController()

  constructor(
    partition: Partition,
    context: TaskContext,
    decoder: (topic: string) => Decoder,
    seek: (position: Position) => void,
  ) {
    this.partition = partition
    this.context = context
    this.decoder = decoder
    this.seek = seek
  }

  add(task: Task): void {
    const runner = new TaskRunner(task, this.context, (opened) => this.place(opened))
    this.runners.add(runner)
    void runner.finished.then(() => this.leave(runner))
  }

  /** Where the group's member is to read from: with the most advanced task, and those near to it. */
  async open(): Promise<Position> {
    await this.someOpened()
    const wanted = [...this.early].map(({ inbox }) => inbox.want)
    const highest = Math.max(...wanted)
    if (wanted.length > 0) this.main.next = Math.min(...wanted.filter((want) => this.isNear(want, highest)))
    else {
      const ranges = await this.context.transport.ranges(this.partition.topic)
      this.main.next = ranges[this.partition.partition]?.end ?? 0
    }
    this.isOpen = true
    for (const runner of this.early) this.joinNear(runner)
    this.early.clear()
    return this.main.next
  }

  /** Resolves when one task has opened, and the others too or not in time; or when none can. */
  private async someOpened(): Promise<void> {
    const opened = [...this.runners].map((runner) => runner.opened)
    const one = opened.map(async (position) => {
      if ((await position) === undefined) throw new Error('blocked or closed')
    })
    await Promise.any(one).catch(() => undefined)
    const all = new AbortController()
    void Promise.all(opened).then(() => all.abort())
    await this.context.clock.wait(OPEN_WITHIN, all.signal)
  }

  /** A batch that the group's member has read. Resolves when more is wanted. */
  async batch(batch: Batch): Promise<void> {
    this.offer(this.main, batch)
    await this.hasRoom(this.main)
  }

  /** Ends at the next `await`, whatever is under way. */
  async close(): Promise<void> {
    this.closing.abort()
    for (const lane of [this.main, ...this.beside]) change(lane)
    await Promise.all([...this.runners].map((runner) => runner.close()))
  }

  /** The tasks of these flows finish what is under way, within `limit`, and go; nobody waits for them. */
  async remove(isGone: (flow: Flow) => boolean, limit: Millis): Promise<void> {
    const gone = [...this.runners].filter(({ flow }) => isGone(flow))
    if (gone.length === 0) return
    const drained = new AbortController()
    void Promise.all(gone.map((runner) => runner.drain())).then(() => drained.abort())
    await this.context.clock.wait(limit, drained.signal)
    await Promise.all(gone.map((runner) => runner.close()))
    for (const runner of gone) this.runners.delete(runner)
  }

  async drain(): Promise<void> {
    await Promise.all([...this.runners].map((runner) => runner.drain()))
  }

  // ------------------------------------------------------------- lanes

  private isNear(next: Position, want: Position): boolean {
    return want >= next && want - next <= this.context.settings.near
  }

  /** Finds the lane for a task that has opened. */
  private place(runner: TaskRunner): void {
    if (!this.isOpen) {
      this.early.add(runner)
      return
    }
    const { want } = runner.inbox
    const lanes = [this.main, ...this.beside]
    if (lanes.some((lane) => lane.runners.has(runner) && this.isNear(lane.next, want))) return
    this.leave(runner)
    if (this.beside.size === 0) this.follow(want)
    this.joinNear(runner)
  }

  private joinNear(runner: TaskRunner): void {
    const { want } = runner.inbox
    const near = [this.main, ...this.beside].find(({ next }) => this.isNear(next, want))
    join(near ?? this.laneBeside(want), runner)
  }

  /** Without tasks of its own, the main lane goes where it is wanted. */
  private follow(want: Position): void {
    if (this.main.runners.size > 0 || this.main.next === want) return
    this.main.next = want
    this.seek(want)
  }

  private laneBeside(next: Position): Lane {
    const lane = laneAt(next)
    this.beside.add(lane)
    void this.read(lane)
    return lane
  }

  private leave(runner: TaskRunner): void {
    this.early.delete(runner)
    for (const lane of [this.main, ...this.beside]) if (lane.runners.delete(runner)) change(lane)
  }

  private offer(lane: Lane, batch: Batch): void {
    lane.next = batch.next
    const shared = share(batch, this.decoder, lane.runners.size > 1)
    for (const { inbox } of lane.runners) inbox.offer(shared)
  }

  /** Resolves when every task of the lane has room; those that have none while others do are put beside after a while. */
  private async hasRoom(lane: Lane): Promise<void> {
    const { clock, settings } = this.context
    while (!this.closing.signal.aborted) {
      const full = [...lane.runners].filter(({ inbox }) => inbox.isFull)
      if (full.length === 0 && (lane.runners.size > 0 || lane !== this.main)) return
      const rooms = full.map(({ inbox }) => inbox.hasRoom)
      if (full.length === lane.runners.size) {
        await Promise.race([...rooms, lane.changed.promise])
        continue
      }
      const patience = new AbortController()
      void Promise.all(rooms).then(() => patience.abort())
      await clock.wait(settings.holdUp, patience.signal)
      for (const runner of full)
        if (runner.inbox.isFull && lane.runners.size > 1 && lane.runners.has(runner)) this.putBeside(runner, lane)
    }
  }

  private putBeside(runner: TaskRunner, from: Lane): void {
    const { want } = runner.inbox
    this.leave(runner)
    join([...this.beside].find((lane) => lane !== from && lane.next === want) ?? this.laneBeside(want), runner)
  }

  /** Feeds a lane beside the main one until they meet, or it has no tasks left. */
  private async read(lane: Lane): Promise<void> {
    const { clock, log, settings, transport } = this.context
    const pause = (ms: number) => clock.wait(ms, this.closing.signal)
    let failures = 0
    await pause(GATHER)
    while (!this.closing.signal.aborted && lane.runners.size > 0) {
      await this.hasRoom(lane)
      if (this.meetsMain(lane)) break
      try {
        const batch = await transport.read(this.partition, lane.next)
        failures = 0
        const isEnd = batch.next === lane.next
        this.offer(lane, batch)
        if (isEnd) await pause(LOOK_EVERY)
      } catch (error) {
        if (this.closing.signal.aborted) break
        if (error instanceof MillraceError && error.code === 'position-outside-log') {
          this.giveUp(lane, error)
          break
        }
        log.warn({ ...this.partition, reason: String(error) }, 'the log could not be read; trying again')
        await pause(Math.min(settings.retryMin * 2 ** failures++, settings.retryMax))
      }
    }
    this.beside.delete(lane)
  }

  private meetsMain(lane: Lane): boolean {
    this.follow(lane.next)
    if (!this.isNear(this.main.next, lane.next)) return false
    for (const runner of [...lane.runners]) {
      this.leave(runner)
      join(this.main, runner)
    }
    return true
  }

  /** The tasks look at the log themselves, and say what is wrong. */
  private giveUp(lane: Lane, why: Error): void {
    for (const runner of [...lane.runners]) {
      this.leave(runner)
      runner.reopen(why)
    }
  }
}

function join(lane: Lane, runner: TaskRunner): void {
  lane.runners.add(runner)
  change(lane)
}

function change(lane: Lane): void {
  lane.changed.resolve()
  lane.changed = Promise.withResolvers()
}
