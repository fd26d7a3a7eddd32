/** Work W1 on one machine, with nothing beside it: log, registry, state and features are files of a temp directory. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { Oracle } from '../../bench/oracle.ts'
import { differences, orderSchema, produce, type RunningWorker, startWorker, writeProject } from '../../bench/w1.ts'
import type { FeatureStore, Registry, Transport } from '../../src/core/model.ts'
import { metric, readiness, until } from './probe.ts'
import { generationIn, openPart, PARTITIONS } from './world.ts'

const TOPIC = 'orders'
const DEPLOYMENT = 'w1'
/** Nothing was applied for so long: all is computed, or a look at the positions tells that it is not. */
const QUIET_MS = 1_500

/** One deployment of W1 in a directory of its own. One process has it at a time: this one, or a worker. */
export class EmbeddedDeployment {
  readonly directory: string
  readonly oracle = new Oracle()
  private readonly stores: number
  private worker: RunningWorker | undefined
  private produced = 0

  private constructor(directory: string, stores: number) {
    this.directory = directory
    this.stores = stores
  }

  /** Where log, state and features are. */
  get data(): string {
    return join(this.directory, '.millrace')
  }

  /** `mount` may put its data on another file system, and answers how to take that away. */
  static async create(stores: number, mount?: (data: string) => (() => void) | undefined): Promise<EmbeddedDeployment> {
    const directory = await mkdtemp(join(tmpdir(), 'millrace-w1-'))
    const deployment = new EmbeddedDeployment(directory, stores)
    await mkdir(deployment.data)
    const unmount = mount?.(deployment.data)
    onTestFinished(async () => {
      await deployment.worker?.kill()
      unmount?.()
      await rm(directory, { recursive: true, force: true })
    })
    await writeProject(directory, {
      deployment: DEPLOYMENT,
      topics: { [TOPIC]: { time: 'occurredAt' } },
      engine: { shufflePartitions: PARTITIONS, idle: '500ms', heartbeat: '200ms' },
      http: { port: 0, auth: 'none' },
    })
    return deployment
  }

  /** The next `count` events of W1. No worker may run meanwhile. */
  async produce(count: number): Promise<void> {
    const { directory, oracle, stores } = this
    const schemas = await openPart<Registry>('registries', 'file', {}, directory)
    const schemaId = await schemas.register(`${TOPIC}-value`, await orderSchema())
    await schemas.close()
    await this.withTransport(async (transport) => {
      await transport.create({ name: TOPIC, partitions: PARTITIONS, retentionMs: -1 })
      const partitionOf = (event: { orderId: string }) => Number(event.orderId.slice(1)) % PARTITIONS
      await produce({ transport, topic: TOPIC, schemaId, count, skip: this.produced, stores, partitionOf, oracle })
    })
    this.produced += count
  }

  async startWorker(): Promise<RunningWorker> {
    this.worker = await startWorker(this.directory)
    return this.worker
  }

  async killWorker(): Promise<void> {
    await this.worker?.kill()
    this.worker = undefined
  }

  async stopWorker(): Promise<void> {
    const { worker } = this
    this.worker = undefined
    expect(await worker?.stop(), worker?.output.slice(-20).join('\n')).toBe(0)
  }

  /**
   * Lets workers run until all is computed, and holds every store against the oracle. Once the source is read to its end
   * only heartbeats follow, so what the shuffle held then is all there is to apply.
   */
  async expectExact(): Promise<void> {
    const generation = await generationIn(this.directory)
    for (let ends: readonly number[] | undefined; ; ) {
      await untilQuiet(this.worker ?? (await this.startWorker()))
      await this.stopWorker()
      const source = await this.progress(TOPIC)
      const shuffle = await this.progress(`${DEPLOYMENT}.w1.${generation}.shuffle`)
      if (ends?.every((end, partition) => (shuffle.committed[partition] ?? 0) >= end)) break
      if (source.ends.every((end, partition) => (source.committed[partition] ?? 0) >= end)) ends ??= shuffle.ends
    }
    const store = await openPart<FeatureStore>('stores', 'embedded', {}, this.directory)
    const found = await differences(store, `w1@${generation}`, this.oracle).finally(() => store.close())
    expect(found.slice(0, 10)).toEqual([])
  }

  private progress(topic: string) {
    return this.withTransport(async (transport) => ({
      committed: await transport.committed(DEPLOYMENT, topic),
      ends: (await transport.ranges(topic)).map(({ end }) => end),
    }))
  }

  private async withTransport<T>(use: (transport: Transport) => Promise<T>): Promise<T> {
    const transport = await openPart<Transport>('transports', 'embedded', {}, this.directory)
    return use(transport).finally(() => transport.close())
  }
}

/** Resolves when the worker is ready and has read and applied nothing for a while. */
async function untilQuiet(worker: RunningWorker): Promise<void> {
  let before = Number.NaN
  let since = 0
  const look = async () => {
    const { code } = await readiness(worker)
    const done =
      (await metric(worker, 'millrace_records_in_total')) + (await metric(worker, 'millrace_rows_applied_total'))
    if (code !== 200 || done !== before) since = Date.now()
    before = done
    return Date.now() - since
  }
  await until('reading', look, (quietFor) => quietFor >= QUIET_MS, 240_000)
}
