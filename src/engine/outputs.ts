/** The sinks of a reduce task: what they are told has versions that grow, and one that went back in time is told everything again. */
import { ClearStop, RecordError } from '../core/errors.ts'
import type { Emission, EmissionBatch, FeatureFlow, Millis, Sink, SinkResult, TaskId, Version } from '../core/model.ts'
import { compareVersions } from '../core/version.ts'
import { type Patience, placeOf, type Task, type TaskContext } from './task.ts'

/** How often an idle task asks its sinks whether they went back in time. */
const MARKS_EVERY: Millis = 30_000

/** The task that speaks. */
export interface Teller extends Pick<Task, 'id' | 'position' | 'done'> {
  readonly flow: FeatureFlow
  readonly generation: number
  /** What it reads. */
  readonly topic: string
  readonly partition: number
  /** The values of all keys as committed, in pages. */
  everything(cause: string): AsyncIterable<readonly Emission[]>
}

export class Outputs {
  /** Version of what the state says was last written; undefined: nothing. */
  said: Version | undefined
  /** Epoch of the last commit, as the state has it; NaN: it does not say. What sinks have by a later one, the state has forgotten. */
  known = Number.NaN
  private readonly task: Teller
  private readonly context: TaskContext
  private patiently!: Patience
  private epoch = 0
  /** Number of the last version given since the task opened. */
  private lastStep = 0
  private askedAt: Millis = Number.NEGATIVE_INFINITY
  /** Do the sinks know that the task has caught up? What went back may have forgotten it, and which generation serves. */
  toldLive = false

  constructor(task: Teller, context: TaskContext) {
    this.task = task
    this.context = context
  }

  /** At every open of the task, before anything else; `said` and `known` are then taken from its meta. */
  open(patiently: Patience, epoch: number): void {
    this.patiently = patiently
    this.epoch = epoch
    this.lastStep = 0
    this.said = undefined
    this.known = Number.NaN
  }

  /** A sink that knows a task whose state is new tells that the state was lost. */
  async refuseIfSaid(): Promise<void> {
    const { id } = this.task
    for (const sink of this.sinks) {
      const mark = await this.mark(sink)
      if (mark) throw new ClearStop('position-lost', `a sink has results of ${id}, the state has none`)
    }
  }

  /**
   * Writes the emissions to every sink; answers the version that all of them then have. A sink that turns out to have
   * gone back is told everything first; what that says has a newer version, so the emissions need a newer one still.
   */
  async write(emissions: readonly Emission[]): Promise<Version> {
    for (;;) {
      const version = this.nextVersion()
      const { id: task, done: upto } = this.task
      if (await this.writeTo(this.sinks, { task, version, upto, said: this.said, emissions })) return version
    }
  }

  /**
   * A sink that went back in time is told every value again, from the committed state; and whoever has caught up says so again. All
   * sinks are, where one has results of a state that was replaced by a copy of another time since: some of them may never come again.
   */
  async heal(): Promise<void> {
    this.askedAt = this.context.clock.monotonic()
    this.toldLive = false
    const { said } = this
    const marks = new Map<Sink, Version | undefined>()
    for (const sink of said ? this.sinks : []) if (sink.mark) marks.set(sink, await this.mark(sink))
    const isOther = [...marks.values()].some((mark) => mark && mark.epoch > this.known && mark.epoch < this.epoch)
    const isBehind = (mark: Version | undefined) => !mark || compareVersions(mark, said as Version) < 0
    for (const sink of this.sinks)
      if (isOther) await this.sayAll(sink, 'a sink has results that the state knows nothing of')
      else if (marks.has(sink) && isBehind(marks.get(sink))) await this.sayAll(sink)
    this.known = this.epoch
  }

  /** `heal`, now and then. */
  async tick(): Promise<void> {
    if (this.context.clock.monotonic() - this.askedAt >= MARKS_EVERY) await this.heal()
  }

  /** Tells the sinks that the task has caught up, of all those of the flow. */
  async tellLive(tasks: readonly TaskId[]): Promise<void> {
    const { id, flow } = this.task
    const generation = await this.patiently('asking for the rank', () => this.context.rank(flow))
    for (const sink of this.sinks) {
      const version = { ...this.nextVersion(), generation }
      await this.patiently('telling a sink', async () => sink.caughtUp?.(id, version, tasks))
    }
    this.toldLive = true
  }

  /** Before a graceful end. */
  async flush(): Promise<void> {
    const { id } = this.task
    for (const sink of this.sinks) await this.patiently('flushing a sink', async () => sink.flush?.(id))
  }

  private get sinks(): readonly Sink[] {
    return this.task.flow.sinks
  }

  private mark(sink: Sink): Promise<Version | undefined> {
    return this.patiently('asking a sink', async () => sink.mark?.(this.task.id))
  }

  /** A state that lost the generation's number, and gave it a newer one, is known by what was said with that. */
  private nextVersion(): Version {
    const generation = Math.max(this.task.generation, this.said?.generation ?? 0)
    return { generation, epoch: this.epoch, step: ++this.lastStep }
  }

  /** False when a sink had to be told everything again. */
  private async writeTo(sinks: readonly Sink[], batch: EmissionBatch): Promise<boolean> {
    for (const sink of sinks) {
      const { behind } = await this.tell(sink, batch)
      if (behind) {
        await this.sayAll(sink)
        return false
      }
    }
    return true
  }

  private async tell(sink: Sink, batch: EmissionBatch): Promise<SinkResult> {
    const result = await this.patiently('writing results', () => sink.write(batch))
    await this.sendRefused(batch, result.refused ?? [])
    return result
  }

  private async sendRefused(
    { emissions, upto }: EmissionBatch,
    refused: readonly { index: number; code: string; reason: string }[],
  ): Promise<void> {
    const { flow, topic, partition } = this.task
    const letters = refused.map(({ index, code, reason }) => ({
      topology: flow.name,
      source: { topic, partition, incarnation: flow.generation },
      record: {
        position: upto,
        timestamp: (emissions[index] as Emission).at,
        key: null,
        headers: {},
        value: Buffer.from(JSON.stringify(emissions[index])),
      },
      name: `${(emissions[index] as Emission).key}@${(emissions[index] as Emission).cause}`,
      error: new RecordError('sink-refused', `${code}: ${reason}`),
    }))
    await this.patiently('writing dead letters', () => this.context.deadLetters.write(letters))
  }

  private async sayAll(sink: Sink, why = 'a sink has gone back in time'): Promise<void> {
    const { task, context } = this
    this.toldLive = false
    context.log.warn(placeOf(task), `${why}: every value is said again`)
    const version = this.nextVersion()
    const base = { task: task.id, version, upto: task.done, said: undefined }
    for await (const emissions of task.everything(`v${version.epoch}.${version.step}`))
      await this.tell(sink, { ...base, partial: true, emissions })
    await this.tell(sink, { ...base, emissions: [] })
  }
}
