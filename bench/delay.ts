/**
 * How long from an event to its feature, at a fixed rate of events: from just before a batch is sent to the broker, and from the broker's
 * acknowledgement, until the value can be read from Redis. The append lies between the two. Sampled: one event of each batch is the
 * first of a store of its own, which is looked for all the time. What comes while programs are still being compiled is left out.
 *
 * `npm run bench -- --work delay [--rate N] [--seconds N]`: that alone, with the times when features stood still, said on the terminal.
 */
import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Draft, FeatureStore } from '../src/core/model.ts'
import { checkProject } from '../src/project/check.ts'
import { cpuSeconds, endsWithUs } from './children.ts'
import { configOf } from './millrace.ts'
import { orderEvents } from './orders.ts'
import type { Scale } from './scale/worker.ts'
import { openPart, openSetup, PARTITIONS, type Setup, STORES } from './setup.ts'
import { orderEncoder, orderNumber, startWorker, writeProject } from './w1.ts'

const EVERY_MS = 10
/** So long the compilers of the broker and the worker take much of the cores. */
export const WARM_UP_MS = 30_000
const PATIENCE_MS = 30_000
const PAUSE_MS = 100

export interface Delays {
  /** Asked for, and reached. */
  readonly rate: number
  readonly reached: number
  /** From before the event was sent, in milliseconds, sorted; and from its acknowledgement, 0 where the feature was first. */
  readonly samples: readonly number[]
  readonly acknowledged: readonly number[]
  /** Of the worker, as a share of a core. */
  readonly cpu: number
  /** Stretches with samples over 100 ms: when they began, in seconds, and the longest sample. */
  readonly pauses: readonly { readonly at: number; readonly ms: number }[]
  /** Longest stops of the worker for garbage collection, in milliseconds, with their kinds. */
  readonly collections: readonly { readonly kind: string; readonly ms: number }[]
}

export async function measureDelays(setup: Setup, rate: number, seconds: number): Promise<Delays> {
  const { transport, registry } = setup
  const deployment = `delay-${rate}`
  const topic = `orders-${rate}`
  await transport.create({ name: topic, partitions: PARTITIONS, retentionMs: -1 })
  const schemaId = await registry.register(`${topic}-value`, (await registry.latest('orders-value'))?.schema)
  const encode = await orderEncoder(schemaId)
  const home = join(setup.directory, deployment)
  const config = {
    ...configOf(setup, deployment),
    topics: { [topic]: { time: 'occurredAt', schema: 'schemas/orders.avsc' } },
  }
  await writeProject(home, config, (yaml) => yaml.replace('from: orders', `from: ${topic}`))
  const generation = (await checkProject(home)).project?.topologies[0]?.generation
  const store = await openPart<FeatureStore>('stores', 'redis', { url: setup.redisUrl, prefix: deployment })
  const worker = await startWorker(home, { nodeArgs: ['--trace-gc'] })
  endsWithUs(worker.process)
  const collections = collectionsOf(worker.process)
  const waiting = new Map<string, { readonly sentAt: number; acknowledgedAt: number }>()
  const samples: { readonly sentAt: number; readonly ms: number }[] = []
  const acknowledged: number[] = []
  let beganAt = 0
  let cpu = 0
  let isSent = false
  const look = async () => {
    const deadline = Date.now() + WARM_UP_MS + seconds * 1_000 + PATIENCE_MS
    while (!isSent || waiting.size > 0) {
      if (Date.now() > deadline) throw new Error(`${waiting.size} values did not come`)
      const ids = [...waiting.keys()]
      const found = await store.read(`w1@${generation}`, ids)
      const now = performance.now()
      for (const [i, id] of ids.entries()) {
        if (!found[i]) continue
        const { sentAt, acknowledgedAt } = waiting.get(id) as { sentAt: number; acknowledgedAt: number }
        samples.push({ sentAt, ms: now - sentAt })
        acknowledged.push(Math.max(0, now - acknowledgedAt))
        waiting.delete(id)
      }
      await sleep(1)
    }
  }
  const send = async () => {
    const perBatch = (rate * EVERY_MS) / 1_000
    const batches = ((WARM_UP_MS / 1_000 + seconds) * 1_000) / EVERY_MS
    const events = orderEvents(batches * perBatch, STORES)
    const warm = WARM_UP_MS / EVERY_MS
    const startedAt = performance.now()
    const writes: Promise<void>[] = []
    for (let n = 0; n < batches; n++) {
      const wait = startedAt + n * EVERY_MS - performance.now()
      if (wait > 0) await sleep(wait)
      if (n === warm) {
        beganAt = performance.now()
        cpu = await cpuSeconds(worker.pid)
        collections.length = 0
      }
      const now = Date.now()
      const drafts: Draft[] = []
      for (let i = 0; i < perBatch; i++) {
        const event = events.next().value
        if (!event) break
        const storeId = n >= warm && i === 0 ? `probe-${n}` : event.storeId
        const value = encode({ ...event, storeId, occurredAt: now })
        drafts.push({
          topic,
          partition: orderNumber(event) % PARTITIONS,
          key: event.orderId,
          value,
          timestamp: now,
        })
      }
      const probe = { sentAt: performance.now(), acknowledgedAt: Number.POSITIVE_INFINITY }
      if (n >= warm) waiting.set(`probe-${n}`, probe)
      writes.push(
        transport.write(drafts).then(() => {
          probe.acknowledgedAt = performance.now()
        }),
      )
    }
    const took = (performance.now() - beganAt) / 1_000
    cpu = ((await cpuSeconds(worker.pid)) - cpu) / took
    await Promise.all(writes)
    isSent = true
    return ((batches - warm) * perBatch) / took
  }
  try {
    const [reached] = await Promise.all([send(), look()])
    return {
      rate,
      reached,
      samples: samples.map(({ ms }) => ms).sort((a, b) => a - b),
      acknowledged: acknowledged.sort((a, b) => a - b),
      cpu,
      pauses: pausesOf(samples, beganAt),
      collections: collections.sort((a, b) => b.ms - a.ms),
    }
  } finally {
    isSent = true
    waiting.clear()
    await worker.stop()
    await store.close()
    for (const name of [topic, `${deployment}-dead-letters`, `${deployment}.w1.${generation}.shuffle`])
      await transport.deleteTopic(name)
  }
}

/** What a process prints with `--trace-gc`, as it comes. */
function collectionsOf({ stdout }: ChildProcess): { kind: string; ms: number }[] {
  const found: { kind: string; ms: number }[] = []
  stdout?.on('data', (data: Buffer) => {
    for (const [, kind = '', ms] of String(data).matchAll(/ms: (\S+) .*? (\d+\.\d+) \/ \d/g))
      found.push({ kind, ms: Number(ms) })
  })
  return found
}

/** Samples over the limit that were sent within its length of each other are one pause. */
function pausesOf(samples: readonly { sentAt: number; ms: number }[], beganAt: number): { at: number; ms: number }[] {
  const pauses: { at: number; ms: number }[] = []
  let last = Number.NEGATIVE_INFINITY
  for (const { sentAt, ms } of samples.filter(({ ms }) => ms > PAUSE_MS).sort((a, b) => a.sentAt - b.sentAt)) {
    const pause = pauses.at(-1)
    if (pause && sentAt - last <= PAUSE_MS) pause.ms = Math.max(pause.ms, ms)
    else pauses.push({ at: (sentAt - beganAt) / 1_000, ms })
    last = sentAt
  }
  return pauses
}

/** Says on the terminal what was found. */
export async function measure({ rate, seconds }: Pick<Scale, 'rate' | 'seconds'>): Promise<void> {
  const setup = await openSetup(0)
  try {
    const { reached, samples, acknowledged, cpu, pauses, collections } = await measureDelays(setup, rate, seconds)
    const quantiles = (sorted: readonly number[]) =>
      [0.5, 0.99, 0.999, 1].map((share) => percentile(sorted, share).toFixed(1)).join(', ')
    const pausesAt = pauses.map(({ at, ms }) => [ms, `at ${at.toFixed(0)} s`] as const)
    const kinds = collections.map(({ kind, ms }) => [ms, kind] as const)
    console.log(`${rate} events/s (${reached.toFixed(0)} reached) for ${seconds} s after ${WARM_UP_MS / 1_000} s, worker ${(cpu * 100).toFixed(0)} % of a core
p50, p99, p99.9, max: ${quantiles(samples)} ms from before an event is sent; ${quantiles(acknowledged)} ms from its acknowledgement
${pauses.length} pauses over ${PAUSE_MS} ms, the longest: ${longest(pausesAt)}
${collections.length} garbage collections, the longest: ${longest(kinds)}`)
  } finally {
    await setup.close()
  }
}

const longest = (found: readonly (readonly [number, string])[]): string =>
  [...found]
    .sort(([a], [b]) => b - a)
    .slice(0, 5)
    .map(([ms, what]) => `${ms.toFixed(0)} ms ${what}`)
    .join(', ') || 'none'

/** `share` of 0.99: the sample that 99 % are not above. */
export const percentile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] as number
