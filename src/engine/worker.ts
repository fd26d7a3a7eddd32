/**
 * A worker: joins the group, opens the tasks of every partition it is given, feeds them, tells the group how far
 * they are. Shutdown retraces the start: tasks finish and commit, the group is told and left, tasks are closed.
 */
import type { WallClock } from '../core/clock.ts'
import { Fenced, MillraceError, type RecordError } from '../core/errors.ts'
import type {
  Batch,
  Decoder,
  Event,
  Flow,
  Membership,
  Millis,
  Partition,
  Position,
  State,
  Transport,
} from '../core/model.ts'
import type { Log } from '../core/part.ts'
import { DeadLetters } from './dead-letters.ts'
import type { SharedBatch } from './inbox.ts'
import { DirectIntake, ShuffleIntake } from './intake.ts'
import { MapTask } from './map.ts'
import type { Metrics } from './metrics.ts'
import { ReduceTask } from './reduce.ts'
import { type Attested, type Condition, type EngineSettings, type Task, type TaskContext, TaskRunner } from './task.ts'

export interface WorkerOptions {
  /** Prefix of groups, topics and tasks. */
  readonly deployment: string
  /** Narrows the deployment to a part of its topologies, with a group of its own. */
  readonly tag?: string
  readonly flows: readonly Flow[]
  readonly transport: Transport
  readonly state: State
  /** Decodes the values of a topic to the fields that any of the flows uses. */
  readonly decoder: (topic: string) => Decoder
  readonly deadLetters: { readonly topic: string; readonly partitions: number }
  /** How long frames are kept; longer than the oldest state backup that may be restored. */
  readonly shuffleRetention: Millis
  readonly settings: EngineSettings
  readonly clock: WallClock
  readonly metrics: Metrics
  readonly log: Log
}

export interface TaskStatus {
  readonly id: string
  readonly topology: string
  readonly condition: Condition
  readonly reason: string | undefined
}

const GROUP_COMMIT_EVERY: Millis = 1_000
/** A stopping worker waits so long for the group to take its last positions. */
const TELL_WITHIN: Millis = 2_000

/** The state's sign of life of the deployment: without it, a group with positions means that the state was emptied. */
export const DEPLOYMENT_TASK = 'deployment'

/** One partition here: its tasks, and a fetched batch for all of them. */
interface Feed {
  readonly partition: Partition
  readonly runners: readonly TaskRunner[]
}

export class Worker {
  private readonly options: WorkerOptions
  private readonly context: TaskContext
  private readonly feeds = new Map<string, Feed>()
  private readonly generations = new Map<Flow, number>()
  private membership: Membership | undefined
  private readonly stopping = new AbortController()
  private background: Promise<void> = Promise.resolve()
  private stateWasLost = false
  private readonly ends = new Map<string, { askedAt: Millis; answer: Promise<Attested> }>()

  constructor(options: WorkerOptions) {
    this.options = options
    const { transport, state, clock, metrics, log, settings, deadLetters } = options
    this.context = {
      transport,
      state,
      clock,
      metrics,
      log,
      settings,
      deadLetters: new DeadLetters(transport, metrics, deadLetters.topic),
      ends: (topic) => this.endsOf(topic),
      wasLost: (topic, partition) => this.wasLost(topic, partition),
    }
  }

  get group(): string {
    const { deployment, tag } = this.options
    return tag === undefined ? deployment : `${deployment}.${tag}`
  }

  /** Name of a flow's shuffle topic. */
  shuffleTopic(flow: Flow): string {
    return `${this.options.deployment}.${flow.name}.${flow.generation}.shuffle`
  }

  /** Makes the topics it owns, joins the group. Rejects when something it needs is missing or unreachable. */
  async start(): Promise<void> {
    const { flows, transport, deadLetters, shuffleRetention, log } = this.options
    const names = [...new Set(flows.flatMap((flow) => flow.sources.map(({ topic }) => topic)))]
    const topics = await transport.topics(names)
    for (const name of names)
      if (!topics.has(name)) throw new MillraceError('topic-missing', `topic ${name} does not exist`)
    await transport.create({ name: deadLetters.topic, partitions: deadLetters.partitions, retentionMs: -1 })
    for (const flow of flows) {
      if (flow.shuffle === undefined) continue
      await transport.create({ name: this.shuffleTopic(flow), partitions: flow.shuffle, retentionMs: shuffleRetention })
    }
    await this.lookForLoss(names)
    for (const flow of flows) {
      this.generations.set(flow, await this.generationNumber(flow))
    }
    const shuffles = flows.filter((flow) => flow.shuffle !== undefined).map((flow) => this.shuffleTopic(flow))
    this.membership = await transport.join(this.group, [...names, ...shuffles], {
      opened: (partition) => this.opened(partition),
      closed: (partition) => this.closed(partition),
      batch: (batch) => this.batch(batch),
    })
    this.background = this.report()
    log.info({ group: this.group, topologies: flows.length }, 'worker joined')
  }

  /** Finishes what is under way, commits, leaves the group. */
  async stop(): Promise<void> {
    this.stopping.abort()
    await this.background
    await Promise.all([...this.feeds.values()].flatMap(({ runners }) => runners.map((runner) => runner.drain())))
    const told = new AbortController()
    const telling = this.tellPositions().then(() => told.abort())
    await Promise.race([telling, this.options.clock.wait(TELL_WITHIN, told.signal)])
    await this.membership?.leave()
    await Promise.all([...this.feeds.values()].map((feed) => closeFeed(feed)))
    this.feeds.clear()
  }

  status(): TaskStatus[] {
    return [...this.feeds.values()].flatMap(({ runners }) =>
      runners.map(({ id, flow, condition, reason }) => ({ id, topology: flow.name, condition, reason })),
    )
  }

  /** Records that the tasks here have still to process, as last read. */
  lag(): number {
    return [...this.feeds.values()].flatMap(({ runners }) => runners).reduce((sum, { lag }) => sum + lag, 0)
  }

  /**
   * Have the tasks here processed all that is in the sources now, to the features? For a worker that is alone. Costs a
   * look at every topic.
   */
  async caughtUp(): Promise<boolean> {
    const { flows } = this.options
    const sources = flows.flatMap((flow) => flow.sources.map(({ topic }) => topic))
    const shuffles = flows.filter((flow) => flow.shuffle !== undefined).map((flow) => this.shuffleTopic(flow))
    // frames are written before their source counts as processed: in this order nothing is between the two
    for (const topic of new Set([...sources, ...shuffles])) if (!(await this.readToTheEnd(topic))) return false
    return true
  }

  private async readToTheEnd(topic: string): Promise<boolean> {
    const ranges = await this.options.transport.ranges(topic)
    return ranges.every(({ end }, partition) => {
      const { runners = [] } = this.feeds.get(nameOf({ topic, partition })) ?? {}
      return runners.length > 0 && runners.every(({ done }) => (done ?? Number.NEGATIVE_INFINITY) >= end)
    })
  }

  // ------------------------------------------------------------- partitions

  private async opened(partition: Partition): Promise<Position> {
    if (this.stopping.signal.aborted) throw new MillraceError('fenced', 'this worker is stopping')
    const key = nameOf(partition)
    const stale = this.feeds.get(key)
    if (stale) await closeFeed(stale)
    const feed: Feed = {
      partition,
      runners: this.tasksOf(partition).map((task) => new TaskRunner(task, this.context, () => this.rewind(key))),
    }
    this.feeds.set(key, feed)
    const positions = await Promise.all(feed.runners.map((runner) => runner.opened))
    const known = positions.filter((position) => position !== undefined)
    if (known.length > 0) return Math.min(...known)
    return (await this.options.transport.ranges(partition.topic))[partition.partition]?.end ?? 0
  }

  private tasksOf({ topic, partition }: Partition): Task[] {
    const { context } = this
    return this.options.flows.flatMap((flow): Task[] => {
      const generation = this.generations.get(flow) as number
      const tasks = flow.shuffle ?? flow.direct ?? 0
      if (flow.shuffle !== undefined && topic === this.shuffleTopic(flow)) {
        return [
          new ReduceTask(
            flow,
            generation,
            partition,
            tasks,
            new ShuffleIntake(flow, topic, partition, context),
            context,
          ),
        ]
      }
      if (!flow.sources.some((source) => source.topic === topic)) return []
      if (flow.shuffle === undefined)
        return [new ReduceTask(flow, generation, partition, tasks, new DirectIntake(flow, partition, context), context)]
      return [new MapTask(flow, this.shuffleTopic(flow), topic, partition, context)]
    })
  }

  private closed(partition: Partition): void {
    const feed = this.feeds.get(nameOf(partition))
    if (!feed) return
    this.feeds.delete(nameOf(partition))
    void closeFeed(feed)
  }

  private async batch(batch: Batch): Promise<void> {
    const feed = this.feeds.get(nameOf(batch))
    if (!feed) return
    const shared = share(batch, this.options.decoder, feed.runners.length > 1)
    await Promise.all(feed.runners.map(({ inbox }) => inbox.offer(shared)))
  }

  /** Reads the partition again from the lowest position that one of its tasks wants. */
  private rewind(key: string): void {
    const feed = this.feeds.get(key)
    if (!feed) return
    const wanted = feed.runners
      .filter(({ condition }) => condition !== 'blocked' && condition !== 'stopped')
      .map(({ inbox }) => inbox.want)
    if (wanted.length > 0) this.membership?.seek(feed.partition, Math.min(...wanted))
  }

  // ------------------------------------------------------------- positions and ends

  private async report(): Promise<void> {
    const { clock } = this.options
    while (!this.stopping.signal.aborted) {
      await clock.wait(GROUP_COMMIT_EVERY, this.stopping.signal)
      this.countTasks()
      await this.tellPositions()
    }
  }

  /** Nothing depends on it, so a failure holds nobody up, least of all a stop. */
  private async tellPositions(): Promise<void> {
    try {
      await this.commitPositions()
    } catch (error) {
      this.options.log.warn({ reason: String(error) }, 'the group could not be told the positions')
    }
  }

  private countTasks(): void {
    const { tasks } = this.options.metrics
    tasks.reset()
    for (const { runners } of this.feeds.values())
      for (const { flow, role, condition } of runners) tasks.inc({ topology: flow.name, role, condition })
  }

  /** The group is told the lowest position of a partition's tasks, after the state has it. */
  private async commitPositions(): Promise<void> {
    const positions = [...this.feeds.values()].flatMap(({ partition, runners }) => {
      const known = runners.map((runner) => runner.position)
      const lowest = known.reduce<number | undefined>(
        (low, p) => (low === undefined || p === undefined ? undefined : Math.min(low, p)),
        Number.POSITIVE_INFINITY,
      )
      return lowest === undefined || lowest === Number.POSITIVE_INFINITY ? [] : [{ partition, position: lowest }]
    })
    if (positions.length > 0) await this.membership?.commit(positions)
  }

  private endsOf(topic: string): Promise<Attested> {
    const { clock, settings, transport } = this.options
    const known = this.ends.get(topic)
    const now = clock.now()
    if (known && now - known.askedAt < settings.heartbeat / 2) return known.answer
    const answer = transport.ranges(topic).then((ranges) => ({ at: now, ranges }))
    answer.catch(() => this.ends.delete(topic))
    this.ends.set(topic, { askedAt: now, answer })
    return answer
  }

  // ------------------------------------------------------------- what must not be lost

  private async lookForLoss(topics: readonly string[]): Promise<void> {
    const { state, transport, clock } = this.options
    await untilNotFenced(clock, async () => {
      const open = await state.open(DEPLOYMENT_TASK)
      if (open.position !== undefined) return
      const committed = await Promise.all(topics.map((topic) => transport.committed(this.group, topic)))
      this.stateWasLost = committed.flat().some((position) => position !== undefined)
      if (!this.stateWasLost) await state.commit(open, { position: 0, meta: new Uint8Array(0) })
    })
  }

  /** Asked by a task without a position. A sign that was there at the start and is gone tells of a loss whatever the group says. */
  private async wasLost(topic: string, partition: number): Promise<boolean> {
    const { flows, state, transport } = this.options
    if (!this.stateWasLost && (await state.open(DEPLOYMENT_TASK)).position === undefined) return true
    const isShuffle = flows.some((flow) => flow.shuffle !== undefined && this.shuffleTopic(flow) === topic)
    if (!isShuffle && !this.stateWasLost) return false
    return (await transport.committed(this.group, topic))[partition] !== undefined
  }

  /** Generations of a topology are numbered by the time when they first ran, so that later ones win everywhere. */
  private async generationNumber(flow: Flow): Promise<number> {
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

const nameOf = ({ topic, partition }: Partition): string => `${topic}/${partition}`

const closeFeed = async ({ runners }: Feed): Promise<void> => {
  await Promise.all(runners.map((runner) => runner.close()))
}

/** One decoding for all tasks of the partition, done when the first of them asks; kept only where there are several. */
function share(batch: Batch, decoderOf: (topic: string) => Decoder, keep: boolean): SharedBatch {
  let decoder: Decoder | undefined
  let prepared = false
  const events: (Event | RecordError | undefined)[] = []
  return {
    ...batch,
    ready: async () => {
      if (prepared) return
      decoder ??= decoderOf(batch.topic)
      await decoder.prepare(batch.records)
      prepared = true
    },
    event: (index) => {
      const known = events[index]
      if (known !== undefined) return known
      const event = decode(decoder as Decoder, batch, index)
      if (keep) events[index] = event
      return event
    },
  }
}

function decode(decoder: Decoder, batch: Batch, index: number): Event | RecordError {
  try {
    return decoder.record(batch.records[index] as Batch['records'][number])
  } catch (error) {
    if (error instanceof MillraceError && error.name === 'RecordError') return error as RecordError
    throw error
  }
}
