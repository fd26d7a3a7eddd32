/**
 * What the benchmark and the exactness tests share about work W1: writing its events into a log, a project that
 * computes it, knowing when it is done, and holding the results against the oracle.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import avro from 'avsc'
import { stringify } from 'yaml'
import type { Draft, FeatureStore, Transport } from '../src/core/model.ts'
import type { Oracle } from './oracle.ts'
import { type OrderEvent, orderEvents } from './orders.ts'

const HERE = fileURLToPath(new URL('.', import.meta.url))
const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const WRITE_BATCH = 4_000

export async function orderSchema(): Promise<object> {
  return JSON.parse(await readFile(join(HERE, 'w1/schemas/orders.avsc'), 'utf8')) as object
}

export interface Produce {
  readonly transport: Transport
  readonly topic: string
  /** Schema id that the records carry. */
  readonly schemaId: number
  /** Schema that they are written with, where it is not that of `w1/schemas`: with more fields, each with a default. */
  readonly schema?: object
  readonly count: number
  /** Events before the first that is written; 0 by default. */
  readonly skip?: number
  readonly stores: number
  /** Partition of the n-th event. The events of an order share one as long as it depends on the order alone. */
  readonly partitionOf: (event: OrderEvent, n: number) => number
  readonly oracle?: Pick<Oracle, 'add'>
  /** Called before the n-th event is written, for changing the topic midway. */
  readonly before?: (n: number) => Promise<void> | undefined
}

/** Encodes events in Confluent wire format. */
export async function orderEncoder(schemaId: number, schema?: object): Promise<(event: OrderEvent) => Buffer> {
  const type = avro.Type.forSchema((schema ?? (await orderSchema())) as avro.Schema, { wrapUnions: false })
  const head = Buffer.alloc(5)
  head.writeUInt32BE(schemaId, 1)
  return (event) => Buffer.concat([head, type.toBuffer(event)])
}

/** Writes `count` events, stamped with their event times. */
export async function produce({
  transport,
  topic,
  schemaId,
  schema,
  count,
  skip = 0,
  stores,
  partitionOf,
  oracle,
  before,
}: Produce): Promise<void> {
  const encode = await orderEncoder(schemaId, schema)
  let drafts: Draft[] = []
  let n = 0
  let passed = 0
  for (const event of orderEvents(skip + count, stores)) {
    if (passed++ < skip) continue
    if (before) {
      const change = before(n)
      if (change) {
        await transport.write(drafts)
        drafts = []
        await change
      }
    }
    oracle?.add(event)
    const { orderId: key, occurredAt: timestamp } = event
    drafts.push({ topic, partition: partitionOf(event, n), key, value: encode(event), timestamp })
    n++
    if (drafts.length < WRITE_BATCH) continue
    await transport.write(drafts)
    drafts = []
  }
  if (drafts.length > 0) await transport.write(drafts)
}

/** Number of an order, for placing its events. */
export const orderNumber = ({ orderId }: OrderEvent): number => Number(orderId.slice(1))

/** Makes a project directory for W1 with these settings of `millrace.yaml`. */
export async function writeProject(
  directory: string,
  config: object,
  topology?: (yaml: string) => string,
): Promise<void> {
  await mkdir(join(directory, 'topologies'), { recursive: true })
  await cp(join(HERE, 'w1/schemas'), join(directory, 'schemas'), { recursive: true })
  const yaml = await readFile(join(HERE, 'w1/topologies/store-load.yaml'), 'utf8')
  await writeFile(join(directory, 'topologies/store-load.yaml'), topology ? topology(yaml) : yaml)
  await writeFile(join(directory, 'millrace.yaml'), stringify(config))
}

export interface RunningWorker {
  readonly process: ChildProcess
  readonly pid: number
  /** Base URL of its API. */
  readonly url: string
  /** What it printed, for messages of failed tests. */
  readonly output: string[]
  /** SIGTERM, and the exit code. */
  stop(): Promise<number | null>
  /** SIGKILL. */
  kill(): Promise<void>
}

/** Starts `millrace run` on a project, of another build where `main` is its, and resolves when it serves. Rejects when it ends before. */
export async function startWorker(
  directory: string,
  { nodeArgs = [] as string[], main = MAIN } = {},
): Promise<RunningWorker> {
  const child = spawn(process.execPath, [...nodeArgs, main, 'run', '--directory', directory], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_NO_WARNINGS: '1' },
  })
  const output: string[] = []
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)))
  const url = await new Promise<string>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface(stream).on('line', (line) => {
        output.push(line)
        if (output.length > 500) output.shift()
        const [, url] = /"url":"(https?:[^"]+)".*"serving"/.exec(line) ?? []
        if (url) resolve(url)
      })
    }
    void ended.then((code) => reject(new Error(`millrace run ended with ${code}:\n${output.join('\n')}`)))
  })
  return {
    process: child,
    pid: child.pid as number,
    url,
    output,
    stop: () => {
      child.kill('SIGTERM')
      return ended
    },
    kill: async () => {
      child.kill('SIGKILL')
      await ended
    },
  }
}

/**
 * Resolves when everything in the topic has reached the features: the group has passed the ends of the source, and
 * then what the shuffle topic held at that time. The group is told positions after they are committed.
 */
export async function untilDone(
  transport: Transport,
  group: string,
  topic: string,
  shuffle: string,
  patienceMs: number,
): Promise<void> {
  await untilPassed(transport, group, topic, patienceMs)
  await untilPassed(transport, group, shuffle, patienceMs)
}

async function untilPassed(transport: Transport, group: string, topic: string, patienceMs: number): Promise<void> {
  const deadline = Date.now() + patienceMs
  const ends = (await transport.ranges(topic)).map(({ end }) => end)
  for (;;) {
    const committed = await transport.committed(group, topic)
    if (ends.every((end, partition) => end === 0 || (committed[partition] ?? 0) >= end)) return
    if (Date.now() > deadline)
      throw new Error(`${topic}: the group is at ${committed} of ${ends} after ${patienceMs} ms`)
    await sleep(100)
  }
}

/**
 * Differences between the feature store and the oracle, each value at its own as-of time, which is no older than the
 * store's newest event. Empty: all are right.
 */
export async function differences(
  store: Pick<FeatureStore, 'read'>,
  namespace: string,
  oracle: Pick<Oracle, 'ids' | 'newest' | 'at'>,
): Promise<string[]> {
  const found: string[] = []
  const { ids } = oracle
  for (let at = 0; at < ids.length; at += 500) {
    const page = ids.slice(at, at + 500)
    const records = await store.read(namespace, page)
    for (const [i, id] of page.entries()) {
      const record = records[i]
      if (!record) {
        found.push(`${id}: missing`)
        continue
      }
      const newest = oracle.newest(id)
      if (record.at < newest) found.push(`${id}: as of ${record.at}, its newest event is of ${newest}`)
      for (const [name, wanted] of Object.entries(oracle.at(id, record.at))) {
        const value = (record.values[name] ?? null) as number | null
        if (!same(value, wanted)) found.push(`${id} ${name} at ${record.at}: ${value}, not ${wanted}`)
      }
    }
  }
  return found
}

/** To a relative 1e-9: whole numbers that differ, differ by more. */
function same(value: number | null, wanted: number | null): boolean {
  if (value === null || wanted === null) return value === wanted
  return Math.abs(value - wanted) <= 1e-9 * Math.max(1, Math.abs(wanted))
}
