/** Work W1 on real servers: what the scenarios of the `*.services.test.ts` here share. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { Oracle } from '../../bench/oracle.ts'
import {
  differences,
  orderSchema,
  type Produce,
  produce,
  type RunningWorker,
  startWorker,
  untilDone,
  writeProject,
} from '../../bench/w1.ts'
import type { FeatureStore, Registry, Transport } from '../../src/core/model.ts'
import { loadPart, SILENT } from '../../src/core/part.ts'
import { checkProject } from '../../src/project/check.ts'
import { uniqueName } from '../services/index.ts'

export const STORES = 10_000
export const PARTITIONS = 8

/** How many events: all two million with CI=true, fewer on a developer's machine; `W1_EVENTS` overrides. */
export const EVENTS = Number(process.env.W1_EVENTS ?? (process.env.CI === 'true' ? 2_000_000 : 200_000))

export interface Addresses {
  readonly kafka: { readonly brokers: readonly string[] }
  readonly registry: { readonly url: string }
  readonly redis: { readonly url: string }
}

export async function openPart<T>(
  folder: 'transports' | 'registries' | 'stores',
  kind: string,
  settings: object,
  directory = tmpdir(),
): Promise<T> {
  const part = await loadPart<unknown, T>(folder, kind)
  return part.open(part.config.parse(settings), { directory, deployment: 'test', log: SILENT })
}

/** Generation of the one topology of a project that computes features. */
export async function generationIn(directory: string): Promise<string> {
  const { project, problems } = await checkProject(directory)
  expect(problems).toEqual([])
  return project?.topologies.find(({ kind }) => kind === 'features')?.generation as string
}

type ProduceNeeds = 'transport' | 'schemaId' | 'partitionOf'

export interface DeploymentOptions {
  readonly stores?: number
  readonly engine?: object
  /** Changes what the topology file says. */
  readonly topology?: (yaml: string) => string
  /** A transform between the events and the features: what is read, and what is written instead. */
  readonly through?: (from: string, to: string) => string
}

/** One deployment of W1 with its own topic, state and features. */
export class Deployment {
  readonly name: string
  readonly directory: string
  readonly oracle = new Oracle()
  readonly workers: RunningWorker[] = []
  readonly transport: Transport
  readonly store: FeatureStore
  private readonly stores: number
  /** What the features read. */
  private readonly read: string
  private produced = 0

  private constructor(
    name: string,
    directory: string,
    transport: Transport,
    store: FeatureStore,
    stores: number,
    read: string,
  ) {
    this.name = name
    this.directory = directory
    this.transport = transport
    this.store = store
    this.stores = stores
    this.read = read
  }

  static async onServers(
    { kafka, registry, redis }: Addresses,
    { stores = STORES, engine = {}, topology = (yaml) => yaml, through }: DeploymentOptions = {},
  ): Promise<{ deployment: Deployment; transport: Transport; schemas: Registry; schemaId: number }> {
    const name = uniqueName('w1')
    const directory = await mkdtemp(join(tmpdir(), 'millrace-w1-'))
    const transport = await openPart<Transport>('transports', 'kafka', { brokers: kafka.brokers })
    const schemas = await openPart<Registry>('registries', 'confluent', { url: registry.url })
    const store = await openPart<FeatureStore>('stores', 'redis', { url: redis.url, prefix: name })
    const read = through ? `${name}-made` : name
    const deployment = new Deployment(name, directory, transport, store, stores, read)
    onTestFinished(async () => {
      await Promise.all(deployment.workers.map((worker) => worker.kill()))
      await transport.close()
      await schemas.close()
      await store.close()
      await rm(directory, { recursive: true, force: true })
    })
    await writeProject(
      directory,
      {
        deployment: name,
        transport: { kind: 'kafka', brokers: kafka.brokers, sessionTimeout: '6s' },
        registry: { kind: 'confluent', url: registry.url },
        state: { kind: 'redis', url: redis.url, prefix: name },
        store: { kind: 'redis', url: redis.url, prefix: name },
        topics: {
          [name]: { schema: 'schemas/orders.avsc', time: 'occurredAt' },
          ...(through ? { [read]: { time: 'occurredAt', partitions: PARTITIONS, retention: 'forever' } } : {}),
        },
        engine: { shufflePartitions: PARTITIONS, ...engine },
        http: { port: 0, auth: 'none' },
      },
      (yaml) => topology(yaml).replace('from: orders', `from: ${read}`),
    )
    if (through) await writeFile(join(directory, 'topologies/through.yaml'), through(name, read))
    await transport.create({ name, partitions: PARTITIONS, retentionMs: -1 })
    const schemaId = await schemas.register(`${name}-value`, await orderSchema())
    return { deployment, transport, schemas, schemaId }
  }

  /** The next `count` events of W1, of all `EVENTS` by default. */
  async produce({ count = EVENTS, ...options }: Partial<Produce> & Pick<Produce, ProduceNeeds>): Promise<void> {
    const { name: topic, stores, oracle, produced: skip } = this
    this.produced += count
    await produce({ ...options, topic, count, skip, stores, oracle })
  }

  async startWorker(): Promise<RunningWorker> {
    const worker = await startWorker(this.directory)
    this.workers.push(worker)
    return worker
  }

  async stopWorker(worker: RunningWorker): Promise<void> {
    expect(await worker.stop()).toBe(0)
    this.workers.splice(this.workers.indexOf(worker), 1)
  }

  async killWorker(worker: RunningWorker): Promise<void> {
    await worker.kill()
    this.workers.splice(this.workers.indexOf(worker), 1)
  }

  /** `<topology>@<generation>`: where the feature store keeps the results. */
  async namespace(): Promise<string> {
    return `w1@${await generationIn(this.directory)}`
  }

  /** Waits until all is computed, and holds every store against the oracle. */
  async expectExact(): Promise<void> {
    const generation = await generationIn(this.directory)
    try {
      const { name, read, transport } = this
      if (read !== name) await untilDone(transport, name, name, read, 600_000)
      await untilDone(transport, name, read, `${name}.w1.${generation}.shuffle`, 600_000)
    } catch (error) {
      throw new Error(`${error}\n${this.workers.flatMap(({ output }) => output.slice(-20)).join('\n')}`, {
        cause: error,
      })
    }
    const found = await differences(this.store, `w1@${generation}`, this.oracle)
    if (found.length === 0) return
    // a request of the test's own that the broker was too slow for is made again: then there are more events than the oracle knows
    const ranges = await this.transport.ranges(this.name)
    const records = ranges.reduce((sum, { start, end }) => sum + end - start, 0)
    expect({ wrong: found.slice(0, 10), records }).toEqual({ wrong: [], records: this.produced })
  }
}
