/** One world: services, machines that come and go, and a seed that decides what happens next. */
import { setImmediate } from 'node:timers'
import { partitionOf } from '../../src/core/key.ts'
import type { Draft, Millis, OpenState, Sink, TaskId } from '../../src/core/model.ts'
import { SILENT } from '../../src/core/part.ts'
import { mapTask, reduceTask, transformTask } from '../../src/engine/names.ts'
import { Worker } from '../../src/engine/worker.ts'
import { askForRebuild, withRebuild } from '../../src/features/rebuild.ts'
import { Running } from '../../src/project/running.ts'
import { VirtualClock } from '../../src/testing/clock.ts'
import { MemoryState } from '../../src/testing/memory-state.ts'
import { MemoryStore } from '../../src/testing/memory-store.ts'
import { MemoryTransport } from '../../src/testing/memory-transport.ts'
import { SETTINGS as SMALL } from '../engine/settings.ts'
import { Definitions } from './changes.ts'
import { type Before, Commits } from './commits.ts'
import { JSON_DECODER } from './features.ts'
import {
  DEAD,
  type Deployed,
  directOf,
  flowOf,
  MADE,
  namespaceOf,
  readBy,
  shuffleOf,
  sourcesOf,
  topologiesOf,
} from './flows.ts'
import { Groups, LARGEST_BATCH } from './groups.ts'
import { Host } from './host.ts'
import { Kept } from './kept.ts'
import { metricsOf } from './metrics.ts'
import { Network } from './network.ts'
import type { Options } from './options.ts'
import { OwnService, ownSinkOf } from './own-sink.ts'
import { PRICE_PARTITIONS, PRICES, Prices } from './prices.ts'
import { Producer } from './producer.ts'
import { Random, Trace } from './random.ts'
import { stateOf, storeOf, transportOf } from './services.ts'

const SESSION: Millis = 10_000
/** Fewer keys in memory than live in a world. */
export const SETTINGS = { ...SMALL, cacheKeys: 3, waitingFrames: 4, waitingRecords: 6, linger: 300 }
/** The transform, as its tasks are named. */
const SPLIT = { name: 'split', generation: 'once' }

/** What went wrong: a rule that did not hold. */
export class Violation extends Error {
  readonly rule: string

  constructor(rule: string, what: string) {
    super(`${rule}: ${what}`)
    this.rule = rule
  }
}

export interface Machine {
  readonly host: Host
  worker: Worker | undefined
  running: Running | undefined
}

export class World {
  readonly options: Options
  readonly clock = new VirtualClock()
  readonly log = new MemoryTransport(() => this.clock.now())
  readonly state = new MemoryState(() => this.clock.now())
  readonly store = new MemoryStore()
  readonly trace: Trace
  readonly network: Network
  readonly groups: Groups
  readonly producer: Producer
  readonly machines: Machine[] = []
  /** The generations that run. */
  deployed: readonly Deployed[] = []
  readonly violations: Violation[] = []
  /** Rows that were found late. */
  readonly late = new Set<string>()
  readonly commits: Commits
  readonly kept: Kept
  readonly definitions = new Definitions(this)
  readonly ownService = new OwnService()
  readonly prices: Prices
  /** Called when an alias has moved. */
  serves: (namespace: string) => Promise<void> = async () => undefined
  rebuilds = 0
  steps = 0
  /** When the state last went back in time: until they have caught up, tasks stand before what they have said. */
  rolledBackAt: Millis = Number.NEGATIVE_INFINITY
  /** Was the clock of the services set? */
  wasSet = false
  /** When the feature store last went back in time: idle tasks notice within half a minute. */
  unsaidAt: Millis = Number.NEGATIVE_INFINITY
  private readonly broken = (rule: string, what: string) => this.violations.push(new Violation(rule, what))
  private readonly schedule: Random
  private readonly services: Random
  private made = 0

  constructor(seed: number, options: Options, keepsTrace: boolean) {
    this.options = options
    this.trace = new Trace(keepsTrace)
    this.schedule = new Random(seed, 'schedule')
    this.services = new Random(seed, 'services')
    const faults = { share: options.faults / 100, late: options.late }
    this.network = new Network(faults, new Random(seed, 'network'), this.trace)
    this.groups = new Groups(this.log, this.network, new Random(seed, 'groups'))
    this.producer = new Producer(this, new Random(seed, 'events'))
    this.kept = new Kept(options, this.broken)
    this.commits = new Commits(options, this.broken)
    this.groups.told = (partition, position) => this.commits.told(partition, position)
    this.prices = new Prices(new Random(seed, 'prices'), this.broken)
    this.declareAll()
  }

  /** As they are declared first. */
  declareAll(): void {
    const sentBefore = this.producer.sent.length
    const names = ['load', ...(this.options.twin ? ['twin'] : [])]
    this.deployed = names.map((name) => ({ ...this.declared(name), sentBefore }))
  }

  async open(): Promise<void> {
    const { partitions, targets, shape } = this.options
    for (const name of sourcesOf(this.options)) await this.log.create({ name, partitions, retentionMs: -1 })
    if (shape === 'transform') await this.log.create({ name: MADE, partitions: targets, retentionMs: -1 })
    if (this.options.tables) await this.log.create({ name: PRICES, partitions: PRICE_PARTITIONS, retentionMs: -1 })
  }

  // ------------------------------------------------------------- machines

  get running(): Machine[] {
    return this.machines.filter(({ host }) => host.isRunning)
  }

  /** A machine is set up; its worker has started when that has succeeded. */
  begin(): void {
    const host = new Host(`w${++this.made}`, this.clock)
    const machine: Machine = { host, worker: undefined, running: undefined }
    this.machines.push(machine)
    this.trace.note(host.name, 'begins')
    void this.start(machine).catch((error: unknown) => {
      this.trace.note(host.name, 'does not start', String(error))
      this.kill(machine)
    })
  }

  private async start(machine: Machine): Promise<void> {
    const { host } = machine
    const since = this.prices.number
    const records = {
      sent: (draft: Draft) => this.prices.looked(draft, since),
      stands: (draft: Draft) => this.kept.stands(draft),
    }
    const transport = transportOf(this.log, this.groups, host, this.network, this.services, records)
    const store = storeOf(this.store, host, this.network, this.commits, (namespace) => this.serves(namespace))
    const state = stateOf(this.state, host, this.network, {
      claimed: (open) => {
        this.commits.claimed(open, this.clock.now())
        this.kept.claimed(host.name, open.task, this.steps)
      },
      committed: (open: OpenState, before: Before) => {
        this.commits.committed(open, before)
        this.definitions.committed(open)
        this.kept.committed(host.name, open)
      },
    })
    const lent = {
      store,
      transport,
      own: (deployed: Deployed, features: readonly string[]) => this.ownSink(host, deployed, features),
      computes: (deployed: Deployed) => this.computes(host, deployed),
    }
    const running: Running = new Running({
      worker: {
        prepare: (flow, since) => worker.prepare(flow, since),
        update: (changed) => worker.update(changed),
        status: () => worker.status(),
      },
      state,
      store,
      open: async (topology) => ({ flow: await flowOf(this.options, topology, lent), close: async () => undefined }),
      changed: () => undefined,
      clock: host.clock,
      log: SILENT,
    })
    const { deployed } = this
    const flows = await running.begin(topologiesOf(this.options, deployed))
    const worker = new Worker({
      deployment: 'test',
      flows,
      transport,
      state,
      decoder: () => JSON_DECODER,
      deadLetters: { topic: DEAD, partitions: 1 },
      shuffleRetention: -1,
      settings: SETTINGS,
      clock: host.clock,
      metrics: metricsOf((labels) => this.mostWaiting(labels), this.broken),
      log: SILENT,
    })
    await worker.start()
    machine.worker = worker
    machine.running = running
    if (this.deployed !== deployed) this.readDeclared(machine)
  }

  /** So many, and a batch more. */
  private mostWaiting({ topology = '', role }: Readonly<Record<string, string>>): number {
    const { waitingFrames, waitingRecords } = SETTINGS
    if (role !== 'reduce') return waitingRecords + LARGEST_BATCH
    const isDirect = directOf(this.options, topology) !== undefined
    return (isDirect ? 4 * waitingRecords : waitingFrames) + LARGEST_BATCH
  }

  private ownSink(host: Host, deployed: Deployed, features: readonly string[]): Promise<Sink> {
    return ownSinkOf(
      this.ownService,
      namespaceOf(deployed),
      features,
      host,
      this.network,
      (batch, { refused = [] }) => {
        for (const { index } of refused)
          this.kept.refused(batch.task, batch.version.epoch, deployed.name, JSON.stringify(batch.emissions[index]))
      },
    )
  }

  private computes(host: Host, deployed: Deployed): (key: string, row: string) => void {
    const { options, kept, late, steps } = this
    const { name } = deployed
    const tasks = (shuffleOf(options, name) ?? directOf(options, name)) as number
    return (key, row) => {
      late.add(`${name} ${row}`)
      // what makes itself anew in the midst of a step cannot be told from who has the task now
      if (!options.own) kept.late(host.name, reduceTask(deployed, partitionOf(key, tasks)), `${name} ${row}`, steps)
    }
  }

  /** It finishes what it does and goes. */
  stop(machine: Machine): void {
    const { host, worker, running } = machine
    this.trace.note(host.name, 'stops')
    machine.worker = undefined
    machine.running = undefined
    void (running?.end() ?? Promise.resolve()).then(() => worker?.stop()).then(() => this.kill(machine))
  }

  kill(machine: Machine): void {
    this.trace.note(machine.host.name, 'is gone')
    machine.host.kill()
    const index = this.machines.indexOf(machine)
    if (index >= 0) this.machines.splice(index, 1)
    this.groups.expel(SESSION)
  }

  /** A topology as it is declared first. */
  declared(name: string): Deployed {
    const { features } = this.options
    return { name, base: 'g1', generation: 'g1', declaredAt: 1, features, certain: new Map(), sentBefore: 0 }
  }

  /** Other topologies are to run; machines read of it when they do. */
  declare(deployed: readonly Deployed[]): void {
    this.trace.note('declared', JSON.stringify(deployed))
    this.deployed = deployed
    for (const machine of this.machines) if (machine.running) this.readDeclared(machine)
  }

  private readDeclared({ host, running }: Machine): void {
    this.network.happens(host, 'reads what is declared', () => {
      running?.take(topologiesOf(this.options, this.deployed)).catch((error: unknown) => {
        this.trace.note(host.name, 'does not take up', String(error))
      })
    })
  }

  // ------------------------------------------------------------- time and work

  /** Lets what has been set going run until it waits for the network or for time. */
  private rest(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve))
  }

  /** One thing of those that are on their way. */
  async step(): Promise<void> {
    this.steps++
    if (!this.schedule.chance(0.3) || !this.groups.step()) this.network.step()
    await this.rest()
  }

  async pass(ms: Millis): Promise<void> {
    this.trace.note('time', this.clock.now() + ms)
    this.clock.move(ms)
    this.groups.expel(SESSION)
    await this.rest()
  }

  /** Time passes until all have done what they can. */
  async settle(ms: Millis): Promise<void> {
    const until = this.clock.monotonic() + ms
    for (;;) {
      for (let n = 0; n < 2_000 && (this.network.isBusy || this.groups.isBusy); n++) await this.step()
      const left = until - this.clock.monotonic()
      if (left <= 0) return
      await this.pass(Math.min(left, Math.max(1, this.clock.untilNext)))
    }
  }

  // ------------------------------------------------------------- an operator's work

  /** Tasks that read a topic, and the partition that each reads. */
  private readersOf(topic: string): { readonly id: TaskId; readonly partition: number }[] {
    const { options, deployed, log } = this
    const tasks = options.shape === 'transform' && topic !== MADE ? [SPLIT] : deployed
    return Array.from({ length: log.partitions(topic) }, (_, partition) =>
      tasks.map((task) => {
        const isDirect = task !== SPLIT && directOf(options, task.name) !== undefined
        const id = task === SPLIT ? transformTask(task, topic, partition) : mapTask(task, topic, partition)
        return { id: isDirect ? reduceTask(task, partition) : id, partition }
      }),
    ).flat()
  }

  /** Has every topology that reads a topic committed all of it? */
  hasRead(topic: string): boolean {
    return this.readersOf(topic).every(
      ({ id, partition }) => this.state.stored(id)?.position === this.log.end({ topic, partition }),
    )
  }

  /** Has every topology committed all of what stands in the topics? */
  hasReadAll(): boolean {
    return [...sourcesOf(this.options), ...readBy(this.options)].every((topic) => this.hasRead(topic))
  }

  /** Has every task committed something? */
  hasBegun(): boolean {
    const { options, deployed } = this
    const shuffled = deployed.flatMap((one) =>
      Array.from({ length: shuffleOf(options, one.name) ?? 0 }, (_, partition) => reduceTask(one, partition)),
    )
    const readers = [...sourcesOf(options), ...readBy(options)].flatMap((topic) => this.readersOf(topic))
    // a worker may still have what is declared no more
    const held = this.running.flatMap(({ worker }) => worker?.status() ?? [])
    const ids = [...shuffled, ...[...readers, ...held].map(({ id }) => id)]
    return ids.every((id) => this.state.stored(id)?.position !== undefined)
  }

  /** Codes of the clear stops that tasks have come to. */
  blocked(): string[] {
    return this.running.flatMap(({ worker }) =>
      (worker?.status() ?? []).flatMap(({ condition, reason, id }) =>
        // an older definition stops until its worker has read of the newer one
        condition === 'blocked' && !reason?.startsWith('definition-older') ? [`${id} ${reason}`] : [],
      ),
    )
  }

  /** All is computed anew, as after `millrace rebuild` of every topology, by workers that start anew. */
  async rebuild(): Promise<void> {
    this.rebuilds++
    this.trace.note('rebuild')
    for (const machine of [...this.machines]) this.kill(machine)
    const topologies = this.deployed.map((one) => ({ ...one, generation: one.base, flow: () => undefined as never }))
    await this.pass(1)
    for (const topology of topologies) await askForRebuild(topology, topologies, this.state, this.clock)
    const declaredAt = 1 + this.rebuilds
    this.deployed = await Promise.all(
      topologies.map(async ({ flow, ...one }) => {
        const { generation } = await withRebuild({ ...one, flow }, this.state)
        return { ...one, generation, declaredAt, sentBefore: this.producer.sent.length }
      }),
    )
    this.begin()
  }
}
