/** The events of the fault tests, and how they are written: numbered per key, with values that follow from key and number. */
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import avro from 'avsc'
import { seeded } from '../../bench/orders.ts'
import type { Draft, Transport } from '../../src/core/model.ts'

export interface Step {
  readonly key: string
  /** 1, 2, 3 … per key. */
  readonly n: number
  readonly value: number
  /** Carried, and looked at by nobody. */
  readonly freight: string
}

const MAGIC = 0
const POISON = 9
const HEAD_BYTES = 5
const schemaText = await readFile(new URL('./project/schemas/step.avsc', import.meta.url), 'utf8')
export const STEP_SCHEMA = JSON.parse(schemaText) as object
const type = avro.Type.forSchema(STEP_SCHEMA as avro.Schema)

/** The event of a record's value; undefined for poison. Not by the codec of the product. */
export function readStep(value: Buffer): Step | undefined {
  return value[0] === MAGIC ? (type.fromBuffer(value.subarray(HEAD_BYTES)) as Step) : undefined
}

/** One in so many records is poison. */
const POISON_ONE_IN = 200
/** Squares of values add up to whole numbers for years. */
const VALUES = 10_000

export interface LoadOptions {
  readonly transport: Transport
  readonly topic: string
  readonly schemaId: number
  readonly partitions: number
  readonly keys: number
  /** Events per second. */
  readonly rate: number
  readonly seed: number
  /** What an event carries beside, in bytes. */
  readonly bytes: number
}

/** Writes events until it is told to pause. One key is always written to one partition. */
export class Load {
  /** Acknowledged events per key. */
  readonly acknowledged = new Map<string, number>()
  private readonly options: LoadOptions
  private readonly head = Buffer.alloc(HEAD_BYTES)
  private readonly random: () => number
  private running = false
  private ended = false
  private loop: Promise<void> = Promise.resolve()
  /** Partitions that keys are spread over. */
  private partitions: number
  private keys: number
  private readonly freight: string
  private readonly partitionOf = new Map<string, number>()

  constructor(options: LoadOptions) {
    this.options = options
    this.partitions = options.partitions
    this.keys = options.keys
    this.freight = 'x'.repeat(options.bytes)
    this.head.writeUInt32BE(options.schemaId, 1)
    this.random = seeded(options.seed)
  }

  start(): void {
    if (this.running) return
    this.running = true
    this.loop = this.run()
  }

  /** Events per second. */
  get rate(): number {
    return this.options.rate
  }

  /** Resolves when all that was begun is acknowledged. */
  async pause(): Promise<void> {
    this.running = false
    await this.loop
  }

  /** The topic has more partitions. New keys come, for all of them; those before stay where they are, as order is per partition. */
  grow(partitions: number): void {
    this.partitions = partitions
    this.keys *= 2
  }

  /** What is being written may fail from now on. */
  async end(): Promise<void> {
    this.ended = true
    await this.pause().catch(() => undefined)
  }

  private async run(): Promise<void> {
    const EVERY_MS = 50
    while (this.running) {
      const started = performance.now()
      await this.write(Math.ceil((this.options.rate * EVERY_MS) / 1000))
      await sleep(Math.max(0, EVERY_MS - (performance.now() - started)))
    }
  }

  /** So many events of keys drawn at random, with poison among them. */
  async write(count: number, keyOf = () => `k-${Math.floor(this.random() * this.keys)}`): Promise<void> {
    const steps = new Map<string, number>()
    const drafts: Draft[] = []
    for (let i = 0; i < count; i++) {
      const key = keyOf()
      const n = (steps.get(key) ?? this.acknowledged.get(key) ?? 0) + 1
      steps.set(key, n)
      drafts.push(this.draft(key, this.encode({ key, n, value: numberOf(key, n), freight: this.freight })))
      if (this.random() * POISON_ONE_IN < 1)
        drafts.push(
          this.draft(key, Buffer.from([POISON, ...key].map((c) => (typeof c === 'string' ? c.charCodeAt(0) : c)))),
        )
    }
    await this.acknowledge(drafts)
    for (const [key, n] of steps) this.acknowledged.set(key, n)
  }

  /** One event of every key. */
  async touchAll(): Promise<void> {
    let i = 0
    await this.write(this.keys, () => `k-${i++}`)
  }

  /** A write that failed may have taken place: what is then repeated are events of their own, and the oracle sees them. */
  private async acknowledge(drafts: readonly Draft[]): Promise<void> {
    const { transport } = this.options
    for (;;) {
      try {
        return await transport.write(drafts)
      } catch (error) {
        if (this.ended) throw error
        await sleep(200)
      }
    }
  }

  private draft(key: string, value: Buffer): Draft {
    let partition = this.partitionOf.get(key)
    if (partition === undefined) {
      partition = Number(key.slice(key.lastIndexOf('-') + 1)) % this.partitions
      this.partitionOf.set(key, partition)
    }
    return { topic: this.options.topic, partition, key, value }
  }

  private encode(step: Step): Buffer {
    return Buffer.concat([this.head, type.toBuffer(step)])
  }
}

/** From the key and the number alone, so that an event of another key or number in its place is seen. */
function numberOf(key: string, n: number): number {
  const random = seeded(n * 7_919 + Number(key.slice(key.lastIndexOf('-') + 1)) * 104_729 + 1)
  return Math.floor(random() * VALUES)
}
