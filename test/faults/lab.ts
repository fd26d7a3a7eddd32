/** One deployment under fault: its project, its load, its workers, and what is held against the oracle. */
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import type { FeatureRecord } from '../../src/core/model.ts'
import { SILENT } from '../../src/core/part.ts'
import { checkProject } from '../../src/project/check.ts'
import { openServices, type Services } from '../../src/runtime/services.ts'
import { unready, until } from '../exactness/probe.ts'
import { Load, STEP_SCHEMA } from './events.ts'
import { Oracle } from './oracle.ts'
import { SaidInTopics } from './said.ts'
import { Watcher } from './watcher.ts'
import { WorkerProcess } from './worker-process.ts'

const PROJECT = fileURLToPath(new URL('./project', import.meta.url))
/** Topologies of the project that compute features. */
export const FEATURES = ['chain', 'plain', 'each'] as const
type Topology = (typeof FEATURES)[number]

/** Where the services are, as the workers reach them. */
export interface Addresses {
  readonly kafka: { readonly brokers: readonly string[] }
  readonly registry: { readonly url: string }
  readonly redis: { readonly url: string }
}

export interface LabOptions {
  readonly seed: number
  /** How much longer everything may take than on a quiet machine. */
  readonly patience?: number
  /** As the harness itself reaches the services, where that is another way. */
  readonly own?: Partial<Addresses>
  readonly keys?: number
  /** Events per second. */
  readonly rate?: number
  /** What an event carries beside key and numbers, in bytes. */
  readonly bytes?: number
  readonly engine?: object
  readonly transport?: object
  /** Settings of the environment for every worker. */
  readonly environment?: Readonly<Record<string, string>>
}

/** A silent member loses its partitions after this, on a machine with time for it. */
const SESSION_MS = 2_000
export const PARTITIONS = 4
/** Nothing has moved for so long: it never will. However slow the machine is, what moves is waited for. */
const STANDSTILL_MS = 90_000

export class Lab {
  readonly name: string
  readonly directory: string
  readonly workers = new Set<WorkerProcess>()
  readonly load: Load
  readonly oracle: Oracle
  /** A silent member loses its partitions after this. */
  readonly sessionMs: number
  /** Of the harness itself. */
  readonly services: Services
  readonly watcher: Watcher
  private readonly said: SaidInTopics
  private readonly namespaces: ReadonlyMap<Topology, string>
  private readonly environment: Readonly<Record<string, string>>

  private constructor(
    name: string,
    directory: string,
    services: Services,
    load: Load,
    namespaces: ReadonlyMap<Topology, string>,
    { environment = {}, patience = 1 }: LabOptions,
  ) {
    this.name = name
    this.sessionMs = SESSION_MS * patience
    this.directory = directory
    this.services = services
    this.load = load
    this.namespaces = namespaces
    this.environment = environment
    this.oracle = new Oracle(services.transport, `${name}-steps`)
    this.said = new SaidInTopics(name, this.oracle, services.transport, services.registry)
    this.watcher = new Watcher(
      (topology, keys) => this.read(topology as Topology, keys),
      FEATURES,
      () => [...load.acknowledged.keys()],
    )
  }

  static async create(addresses: Addresses, options: LabOptions): Promise<Lab> {
    const { seed, own = {}, keys = 60, rate = 120, bytes = 0 } = options
    const name = `faults-${Date.now().toString(36)}${Math.floor(Math.random() * 1e6).toString(36)}`
    const directory = await mkdtemp(join(tmpdir(), 'millrace-faults-'))
    await writeProject(directory, name, { ...addresses, ...own }, options)
    const { project } = await loaded(directory)
    const services = await openServices(project, SILENT)
    await writeProject(directory, name, addresses, options)
    const { transport, registry } = services
    await transport.create({ name: `${name}-steps`, partitions: PARTITIONS, retentionMs: -1 })
    const schemaId = await registry.register(`${name}-steps-value`, STEP_SCHEMA)
    const load = new Load({
      transport,
      topic: `${name}-steps`,
      schemaId,
      partitions: PARTITIONS,
      keys,
      rate,
      seed,
      bytes,
    })
    const generation = (topology: Topology) => project.topologies.find((one) => one.name === topology)?.generation
    const namespaces = new Map(FEATURES.map((topology) => [topology, `${topology}@${generation(topology)}`]))
    return new Lab(name, directory, services, load, namespaces, options)
  }

  // ------------------------------------------------------------- workers

  /** A process that has loaded everything and waits for `start`. */
  async warm(environment: Readonly<Record<string, string>> = {}): Promise<WorkerProcess> {
    const worker = await WorkerProcess.warm(this.directory, { ...this.environment, ...environment })
    this.workers.add(worker)
    return worker
  }

  async startWorker(environment?: Readonly<Record<string, string>>): Promise<WorkerProcess> {
    const worker = await this.warm(environment)
    await worker.start()
    return worker
  }

  async startWorkers(count: number): Promise<WorkerProcess[]> {
    return Promise.all(Array.from({ length: count }, () => this.startWorker()))
  }

  async stopWorker(worker: WorkerProcess): Promise<void> {
    await worker.stop()
    this.workers.delete(worker)
  }

  /** It is dead already, or dies now. */
  async bury(worker: WorkerProcess): Promise<void> {
    await worker.kill()
    this.workers.delete(worker)
  }

  // ------------------------------------------------------------- what is right

  /** Values of a topology for all keys, in the order of `keys`. */
  async read(topology: Topology, keys: readonly string[]): Promise<readonly (FeatureRecord | undefined)[]> {
    return this.services.store.read(await this.namespaceOf(topology), keys)
  }

  /** The one that serves: a rebuild has another. */
  private async namespaceOf(topology: Topology): Promise<string> {
    return (await this.services.store.alias(topology)) ?? (this.namespaces.get(topology) as string)
  }

  /** Resolves when a worker says, for its first part that is not ready, what matches; '' when all are. */
  async untilSays(worker: WorkerProcess, reason: RegExp): Promise<void> {
    const look = () => unready(worker).catch(String)
    await until('readiness', look, (said) => reason.test(said))
  }

  /** Resolves with the milliseconds until every event acknowledged so far counts in all topologies. Throws once nothing moves. */
  async untilCounted(): Promise<number> {
    const started = performance.now()
    const wanted = new Map(this.load.acknowledged)
    for (const topology of FEATURES) {
      const patience = new Patience()
      for (let left = [...wanted.keys()]; left.length > 0; ) {
        const records = await this.read(topology, left)
        const counts = records.map((record) => Number(record?.values.count ?? 0))
        const lacking = left.reduce((sum, key, i) => sum + Math.max(0, (wanted.get(key) ?? 0) - (counts[i] ?? 0)), 0)
        left = left.filter((key, i) => (counts[i] ?? 0) < (wanted.get(key) ?? 0))
        if (patience.isOver(lacking))
          throw new Error(
            `${topology} stands still, ${lacking} events of ${left.length} keys behind\n${await this.state()}`,
          )
        if (left.length > 0) await sleep(50)
      }
    }
    return performance.now() - started
  }

  /** Resolves with the milliseconds until what a second's load is, written from now on, counts in all topologies. */
  async untilFlows(): Promise<number> {
    const started = performance.now()
    const written = () => [...this.load.acknowledged.values()].reduce((sum, count) => sum + count, 0)
    const wanted = written() + this.load.rate
    for (const patience = new Patience(); written() < wanted; await sleep(50))
      if (patience.isOver(wanted - written())) throw new Error(`nothing is written\n${await this.state()}`)
    await this.untilCounted()
    return performance.now() - started
  }

  /** Pauses the load, lets everything come to rest, and throws unless every value, anywhere, is right. */
  async expectExact(): Promise<void> {
    await this.load.pause()
    await this.oracle.catchUp()
    for (const [key, n] of this.load.acknowledged)
      if (!this.oracle.has(key, n)) throw new Error(`the log has lost an acknowledged event of ${key}`)
    const fail = async (what: string, found: readonly string[]) => {
      throw new Error(`${found.length} ${what}:\n${found.slice(0, 10).join('\n')}\n${await this.state()}`)
    }
    const seen = this.watcher.differences(this.oracle)
    if (seen.length > 0) await fail('seen', seen)
    for (const patience = new Patience(); ; ) {
      const found = [
        ...(await this.storeDifferences()),
        ...(await this.said.differences(await this.namespaceOf('each'))),
      ]
      if (found.length === 0) return
      if (patience.isOver(found.length)) await fail('differences', found)
      await sleep(200)
    }
  }

  private async storeDifferences(): Promise<string[]> {
    const { keys } = this.oracle
    const found: string[] = []
    for (const topology of FEATURES) {
      const records = await this.read(topology, keys)
      for (const [i, key] of keys.entries()) {
        const { count, chain, sum, squares, n } = this.oracle.last(key)
        const wanted =
          topology === 'plain' ? { count, sum, squares, newest: n, recent: 0 } : { count, chain, sum, recent: 0 }
        for (const [name, right] of Object.entries(wanted))
          if (records[i]?.values[name] !== right)
            found.push(`${topology}: ${name} of ${key} is ${records[i]?.values[name]}, not ${right}`)
      }
    }
    return found
  }

  /** How much was held against the oracle, for the report. */
  counted(): string {
    const { events, keys, poison } = this.oracle
    return `${events} events of ${keys.length} keys, ${poison.size} poison`
  }

  /** What workers say of themselves, and their last lines, for messages. */
  private async state(): Promise<string> {
    const said = [...this.workers].map(async (worker) => `worker ${worker.pid}: ${await unready(worker).catch(String)}`)
    return `${(await Promise.all(said)).join('\n')}\n${this.tails()}`
  }

  /** The last lines of all workers, for messages. */
  tails(): string {
    return [...this.workers].map((worker) => `--- worker ${worker.pid}\n${worker.tail()}`).join('\n')
  }

  async close(): Promise<void> {
    await this.load.end()
    await this.watcher.end()
    await Promise.all([...this.workers].map((worker) => worker.kill()))
    await this.services.close()
    await rm(this.directory, { recursive: true, force: true })
  }
}

/** Is over when what is left has not become less for a while. */
class Patience {
  private least = Number.POSITIVE_INFINITY
  private since = performance.now()

  isOver(left: number): boolean {
    if (left < this.least) {
      this.least = left
      this.since = performance.now()
    }
    return performance.now() - this.since > STANDSTILL_MS
  }
}

async function loaded(directory: string) {
  const { project, problems } = await checkProject(directory)
  if (!project) throw new Error(JSON.stringify(problems, null, 1))
  return { project }
}

async function writeProject(
  directory: string,
  name: string,
  { kafka, registry, redis }: Addresses,
  { engine, transport, patience = 1 }: LabOptions,
): Promise<void> {
  await cp(PROJECT, directory, { recursive: true })
  const topologies = join(directory, 'topologies')
  for (const file of await readdir(topologies)) {
    const yaml = await readFile(join(topologies, file), 'utf8')
    await writeFile(join(topologies, file), yaml.replaceAll('NAME', name))
  }
  const config = {
    deployment: name,
    transport: {
      kind: 'kafka',
      brokers: kafka.brokers,
      sessionTimeout: `${SESSION_MS * patience}ms`,
      heartbeat: '300ms',
      ...transport,
    },
    registry: { kind: 'confluent', url: registry.url },
    state: { kind: 'redis', url: redis.url, prefix: name },
    store: { kind: 'redis', url: redis.url, prefix: name },
    topics: {
      [`${name}-steps`]: { schema: 'schemas/step.avsc' },
      [`${name}-made`]: { key: 'key', partitions: PARTITIONS, retention: 'forever' },
    },
    engine: { shufflePartitions: PARTITIONS, idle: '500ms', heartbeat: '200ms', ...engine },
    ownParts: { timeout: `${patience}s` },
    http: { port: 0 },
  }
  await writeFile(join(directory, 'millrace.yaml'), stringify(config))
}
