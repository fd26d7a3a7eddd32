import type { WallClock } from '../core/clock.ts'
import { MillraceError } from '../core/errors.ts'
import type {
  Decoder,
  Flow,
  Membership,
  Millis,
  Partition,
  Position,
  State,
  TransformFlow,
  Transport,
} from '../core/model.ts'
import type { Log } from '../core/part.ts'
import { nameOf } from '../core/partition.ts'
import { DeadLetters } from './dead-letters.ts'
import { Deployment } from './deployment.ts'
import { Feed } from './feed.ts'
import { DirectIntake, ShuffleIntake } from './intake.ts'
import { MapTask } from './map.ts'
import type { Metrics } from './metrics.ts'
import { shuffleTopic } from './names.ts'
import { ReduceTask } from './reduce.ts'
import { Tables } from './tables.ts'
import type { Attested, Condition, EngineSettings, Task, TaskContext, TaskRunner } from './task.ts'
import { TransformTask } from './transform.ts'

export interface WorkerOptions {
  /** Prefix of groups, topics and tasks. */
  readonly deployment: string
  /** Narrows the deployment to a part of its topologies, with a group of its own. */
  readonly tag?: string
  /** What it begins with; `update` changes it. */
  readonly flows: readonly Flow[]
  readonly transport: Transport
  readonly state: State
  /** What the state shall remember of a flow's topology, for who compares later: JSON. */
  readonly about?: (flow: Flow) => unknown
  /** Decodes the values of a topic to the fields that any of the flows uses. Asked anew for every batch. */
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
  /** Records it has still to process, as last read. */
  readonly lag: number
  /** Event time it has reached; undefined where it has no clock of its own, or that has not started. */
  readonly clock: Millis | undefined
}

const GROUP_COMMIT_EVERY: Millis = 1_000
/** So often the group is told all positions, also those that it was told. */
const ROUNDS_TO_ALL = 60
/** A stopping worker waits so long for the group to take its last positions. */
const TELL_WITHIN: Millis = 2_000
/** A task whose topology goes is given this long to finish and commit. */
const DRAIN_WITHIN: Millis = 5_000

export class Worker {
  private readonly options: WorkerOptions
  private readonly context: TaskContext
  private readonly deployment: Deployment
  private readonly tables: Tables
  private flows: readonly Flow[]
  private readonly feeds = new Map<string, Feed>()
  /** Of the flows that are prepared. */
  private readonly generations = new Map<Flow, number>()
  private membership: Membership | undefined
  private readonly stopping = new AbortController()
  private background: Promise<void> = Promise.resolve()
  private updates: Promise<void> = Promise.resolve()
  private readonly load = { tasks: 0, targets: 0 }
  /** Positions that the group was told; forgotten now and then, since a group may lose them, too. */
  private groupKnows = new WeakMap<Feed, Position>()
  private readonly ends = new Map<string, { askedAt: Millis; answer: Promise<Attested> }>()

  constructor(options: WorkerOptions) {
    this.options = options
    this.flows = options.flows
    const { transport, state, clock, metrics, log, settings, deadLetters } = options
    this.deployment = new Deployment({ transport, state, clock, group: this.group })
    const limit = settings.tableBytes
    this.tables = new Tables({ transport, decoder: options.decoder, clock, log, limit })
    this.context = {
      transport,
      state,
      clock,
      metrics,
      log,
      settings,
      deadLetters: new DeadLetters(transport, metrics, deadLetters.topic),
      ends: (topic) => this.endsOf(topic),
      tables: this.tables,
      load: this.load,
      wasLost: (topic, partition) => this.deployment.wasLost(topic, partition, this.isShuffle(topic)),
      rank: (flow) => this.deployment.rank(flow),
    }
  }

  get group(): string {
    const { deployment, tag } = this.options
    return tag === undefined ? deployment : `${deployment}.${tag}`
  }

  /** Name of a flow's shuffle topic. */
  shuffleTopic(flow: Flow): string {
    return shuffleTopic(this.options.deployment, flow)
  }

  // ------------------------------------------------------------- flows

  /** Makes the topics it owns, joins the group. Rejects when something it needs is missing or unreachable. */
  async start(): Promise<void> {
    const { transport, deadLetters, clock, log } = this.options
    const since = clock.monotonic()
    const sources = sourcesOf(this.flows)
    await this.requireTopics([...sources, ...this.flows.flatMap(tablesOf)])
    await transport.create({ name: deadLetters.topic, partitions: deadLetters.partitions, retentionMs: -1 })
    await this.deployment.lookForLoss(sources)
    for (const flow of this.flows) await this.prepare(flow, since)
    this.membership = await transport.join(this.group, this.topics(), {
      opened: (partition) => this.opened(partition),
      closed: (partition) => this.closed(partition),
      batch: async (batch) => this.feeds.get(nameOf(batch))?.batch(batch),
    })
    this.background = this.report()
    log.info({ group: this.group, topologies: this.flows.length }, 'worker joined')
  }

  /**
   * Makes what a flow needs, so that it can be among those of `update`. Rejects when something is missing or unreachable.
   * `since`: monotonic time at which it was read that the flow is to run.
   */
  async prepare(flow: Flow, since?: Millis): Promise<void> {
    const { transport, shuffleRetention } = this.options
    await this.requireTopics([...sourcesOf([flow]), ...tablesOf(flow)])
    if (flow.shuffle !== undefined)
      await transport.create({
        name: this.shuffleTopic(flow),
        partitions: flow.shuffle,
        retentionMs: shuffleRetention,
        stampedByLog: true,
      })
    this.generations.set(flow, await this.deployment.take(flow, this.options.about?.(flow) ?? null, since))
  }

  /**
   * Computes these flows from now on; all that are new have been prepared. Those that are the same objects as before are not
   * disturbed, nor is the group where the topics stay the same. Resolves when those that are gone have committed what they did.
   */
  update(flows: readonly Flow[]): Promise<void> {
    this.updates = this.updates.then(() => this.change(flows))
    return this.updates
  }

  private async change(flows: readonly Flow[]): Promise<void> {
    if (this.stopping.signal.aborted) return
    const before = new Set(this.flows)
    const after = new Set(flows)
    const read = this.topics()
    this.flows = flows
    await Promise.all([...this.feeds.values()].map((feed) => feed.remove((flow) => !after.has(flow), DRAIN_WITHIN)))
    for (const flow of before) if (!after.has(flow)) this.generations.delete(flow)
    await this.tables.keep(new Set(flows.flatMap(tablesOf)))
    for (const feed of this.feeds.values()) {
      // a partition that was opened meanwhile has them already
      const has = new Set([...feed.runners].map(({ flow }) => flow))
      const added = flows.filter((flow) => !has.has(flow))
      for (const task of this.tasksOf(feed.partition, added)) feed.add(task)
    }
    const topics = this.topics()
    if (topics.length !== read.length || topics.some((topic) => !read.includes(topic)))
      await this.membership?.subscribe(topics)
  }

  private async requireTopics(names: readonly string[]): Promise<void> {
    const topics = await this.options.transport.topics(names)
    for (const name of names)
      if (!topics.has(name)) throw new MillraceError('topic-missing', `topic ${name} does not exist`)
  }

  private isShuffle(topic: string): boolean {
    return this.flows.some((flow) => flow.shuffle !== undefined && this.shuffleTopic(flow) === topic)
  }

  /** All that the flows read. */
  private topics(): string[] {
    const shuffles = this.flows.filter((flow) => flow.shuffle !== undefined).map((flow) => this.shuffleTopic(flow))
    return [...sourcesOf(this.flows), ...shuffles]
  }

  /** Finishes what is under way, commits, leaves the group. */
  async stop(): Promise<void> {
    this.stopping.abort()
    await this.background
    await Promise.all([...this.feeds.values()].map((feed) => feed.drain()))
    const told = new AbortController()
    const telling = this.tellPositions().then(() => told.abort())
    await Promise.race([telling, this.options.clock.wait(TELL_WITHIN, told.signal)])
    await this.membership?.leave()
    await Promise.all([...this.feeds.values()].map((feed) => feed.close()))
    this.feeds.clear()
    await this.tables.close()
  }

  // ------------------------------------------------------------- what is going on

  private get runners(): TaskRunner[] {
    return [...this.feeds.values()].flatMap((feed) => [...feed.runners])
  }

  /** Why it gets no partitions just now; undefined when nothing is wrong. */
  get trouble(): string | undefined {
    return this.membership?.trouble
  }

  status(): TaskStatus[] {
    return this.runners.map(({ id, flow, condition, reason, lag, clock }) => ({
      id,
      topology: flow.name,
      condition,
      reason,
      lag,
      clock,
    }))
  }

  /** Records that the tasks here have still to process, as last read. */
  lag(): number {
    return this.runners.reduce((sum, { lag }) => sum + lag, 0)
  }

  /**
   * Have the tasks here processed all that is in the sources now, to the features? For a worker that is alone. Costs a
   * look at every topic.
   */
  async caughtUp(): Promise<boolean> {
    if (!(await this.tables.readToTheEnd())) return false
    // frames are written before their source counts as processed: in this order nothing is between the two
    for (const topic of this.topics()) if (!(await this.readToTheEnd(topic))) return false
    return true
  }

  private async readToTheEnd(topic: string): Promise<boolean> {
    const ranges = await this.options.transport.ranges(topic)
    return ranges.every(({ end }, partition) => {
      const runners = [...(this.feeds.get(nameOf({ topic, partition }))?.runners ?? [])]
      return runners.length > 0 && runners.every(({ done }) => (done ?? Number.NEGATIVE_INFINITY) >= end)
    })
  }

  // ------------------------------------------------------------- partitions

  private async opened(partition: Partition): Promise<Position> {
    if (this.stopping.signal.aborted) throw new MillraceError('fenced', 'this worker is stopping')
    const key = nameOf(partition)
    await this.feeds.get(key)?.close()
    const feed = new Feed(partition, this.context, this.options.decoder, (position) =>
      this.membership?.seek(partition, position),
    )
    this.feeds.set(key, feed)
    for (const task of this.tasksOf(partition, this.flows)) feed.add(task)
    return feed.open()
  }

  private tasksOf(partition: Partition, flows: readonly Flow[]): Task[] {
    const { context } = this
    const { topic } = partition
    return flows.flatMap((flow): Task[] => {
      const generation = this.generations.get(flow) as number
      const tasks = flow.shuffle ?? flow.direct ?? 0
      const shuffle = this.shuffleTopic(flow)
      if (!isTransform(flow) && topic === shuffle) {
        const intake = new ShuffleIntake(flow, topic, partition.partition, context)
        return [new ReduceTask(flow, generation, partition.partition, tasks, intake, context)]
      }
      if (!flow.sources.some((source) => source.topic === topic)) return []
      if (isTransform(flow)) return [new TransformTask(flow, topic, partition.partition, context)]
      if (flow.shuffle !== undefined) return [new MapTask(flow, shuffle, topic, partition.partition, context)]
      const intake = new DirectIntake(flow, partition.partition, context)
      return [new ReduceTask(flow, generation, partition.partition, tasks, intake, context)]
    })
  }

  private closed(partition: Partition): void {
    const feed = this.feeds.get(nameOf(partition))
    this.feeds.delete(nameOf(partition))
    void feed?.close()
  }

  // ------------------------------------------------------------- positions and ends

  private async report(): Promise<void> {
    const { clock } = this.options
    for (let round = 1; !this.stopping.signal.aborted; round++) {
      await clock.wait(GROUP_COMMIT_EVERY, this.stopping.signal)
      if (round % ROUNDS_TO_ALL === 0) this.groupKnows = new WeakMap()
      this.measureLoad()
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

  private measureLoad(): void {
    const { runners, load } = this
    load.tasks = runners.length
    load.targets = runners.reduce((sum, { role, flow }) => sum + (role === 'map' ? (flow.shuffle as number) : 0), 0)
  }

  private countTasks(): void {
    const { tasks, blocked, lag, clock, waiting, cacheKeys, partitions } = this.options.metrics
    for (const gauge of [tasks, blocked, lag, clock, waiting, cacheKeys, partitions]) gauge.reset()
    for (const { partition, runners } of this.feeds.values()) {
      partitions.inc({ topic: partition.topic })
      for (const runner of runners) {
        const topology = runner.flow.name
        tasks.inc({ topology, role: runner.role, condition: runner.condition })
        lag.set({ topology, ...partition }, runner.lag)
        waiting.inc({ topology, role: runner.role }, runner.inbox.held)
        cacheKeys.inc({ topology }, runner.cachedKeys)
        if (runner.condition === 'blocked') blocked.inc({ topology, code: runner.code as string })
        if (runner.clock !== undefined) clock.set({ topology, partition: partition.partition }, runner.clock / 1000)
      }
    }
  }

  /** The group is told the lowest position of a partition's tasks, after the state has it. */
  private async commitPositions(): Promise<void> {
    const positions = [...this.feeds.values()].flatMap((feed) => {
      const { partition, runners } = feed
      const known = [...runners].map((runner) => runner.position)
      const lowest = known.reduce<number | undefined>(
        (low, p) => (low === undefined || p === undefined ? undefined : Math.min(low, p)),
        Number.POSITIVE_INFINITY,
      )
      const isNews = lowest !== Number.POSITIVE_INFINITY && lowest !== this.groupKnows.get(feed)
      return lowest !== undefined && isNews ? [{ feed, partition, position: lowest }] : []
    })
    if (positions.length === 0) return
    await this.membership?.commit(positions)
    for (const { feed, position } of positions) this.groupKnows.set(feed, position)
  }

  private endsOf(topic: string): Promise<Attested> {
    const { clock, settings, transport } = this.options
    const known = this.ends.get(topic)
    const now = clock.monotonic()
    if (known && now - known.askedAt < settings.heartbeat / 2) return known.answer
    const answer = transport.ranges(topic).then((ranges) => ({ at: now, ranges }))
    answer.catch(() => this.ends.delete(topic))
    this.ends.set(topic, { askedAt: now, answer })
    return answer
  }
}

const sourcesOf = (flows: readonly Flow[]): string[] => [
  ...new Set(flows.flatMap(({ sources }) => sources.map(({ topic }) => topic))),
]

const isTransform = (flow: Flow): flow is TransformFlow => 'tables' in flow

const tablesOf = (flow: Flow): string[] => (isTransform(flow) ? flow.tables.map(({ topic }) => topic) : [])
