/**
 * `npm run bench -- [--events N] [--runs N] [--profile FOLDER]`: work W1 on real Kafka, schema registry and Redis with
 * one worker. Prints events/s, CPU µs per event and peak memory of the worker, holds the result against the oracle, and
 * writes bench/RESULTS.md. CPU per event holds better than wall time on shared machines.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, cpus, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { FeatureStore, Registry, Transport } from '../src/core/model.ts'
import { loadPart, type PartFolder } from '../src/core/part.ts'
import { checkProject } from '../src/project/check.ts'
import { starters } from '../test/services/catalog.ts'
import { Oracle } from './oracle.ts'
import {
  differences,
  orderNumber,
  orderSchema,
  produce,
  type RunningWorker,
  startWorker,
  untilDone,
  writeProject,
} from './w1.ts'

const { values: options } = parseArgs({
  options: {
    events: { type: 'string', default: '2000000' },
    runs: { type: 'string', default: '5' },
    profile: { type: 'string' },
  },
})
const EVENTS = Number(options.events)
const RUNS = Number(options.runs)
const PARTITIONS = 8
const STORES = 10_000
const TOPIC = 'orders'
const TICKS_PER_SECOND = 100

interface Figures {
  readonly eventsPerSecond: number
  readonly cpuPerEvent: number
  readonly peakMb: number
  readonly results: number
}

const silent = () => undefined
const log = { debug: silent, info: silent, warn: silent, error: silent }

async function openPart<T>(folder: PartFolder, kind: string, settings: object): Promise<T> {
  const part = await loadPart<unknown, T>(folder, kind)
  return part.open(part.config.parse(settings), { directory: tmpdir(), deployment: 'bench', log })
}

/** User and system time of a process so far, in seconds. */
async function cpuSeconds(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).replace(/^.*\) /, '').split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

async function peakMb(pid: number): Promise<number> {
  const [, kb] = /VmHWM:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kb) / 1024
}

/** A counter's sum over its labels. */
async function counter({ url }: RunningWorker, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  return [...text.matchAll(new RegExp(`^${name}\\{[^}]*\\} (\\S+)$`, 'gm'))].reduce(
    (sum, [, value]) => sum + Number(value),
    0,
  )
}

async function measure(worker: RunningWorker): Promise<Omit<Figures, 'results'>> {
  while ((await counter(worker, 'millrace_records_in_total')) === 0) await sleep(20)
  const [startedAt, cpuBefore] = [performance.now(), await cpuSeconds(worker.pid)]
  while ((await counter(worker, 'millrace_rows_applied_total')) < EVENTS) await sleep(250)
  const seconds = (performance.now() - startedAt) / 1000
  const cpu = (await cpuSeconds(worker.pid)) - cpuBefore
  return { eventsPerSecond: EVENTS / seconds, cpuPerEvent: (cpu * 1e6) / EVENTS, peakMb: await peakMb(worker.pid) }
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number

async function main(): Promise<void> {
  const services = { kafka: await starters.kafka(), registry: await starters.registry(), redis: await starters.redis() }
  const directory = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  const { brokers } = services.kafka
  const transport = await openPart<Transport>('transports', 'kafka', { brokers })
  const registry = await openPart<Registry>('registries', 'confluent', { url: services.registry.url })
  try {
    const oracle = new Oracle()
    await transport.create({ name: TOPIC, partitions: PARTITIONS, retentionMs: -1 })
    const schemaId = await registry.register(`${TOPIC}-value`, await orderSchema())
    console.log(`writing ${EVENTS} events …`)
    await produce({
      transport,
      topic: TOPIC,
      schemaId,
      count: EVENTS,
      stores: STORES,
      partitionOf: (event) => orderNumber(event) % PARTITIONS,
      oracle,
    })
    const runs: Figures[] = []
    for (let run = 1; run <= RUNS; run++) {
      const name = `bench${run}`
      const home = join(directory, name)
      await writeProject(home, {
        deployment: name,
        transport: {
          kind: 'kafka',
          brokers,
          ...(process.env.BENCH_BYTES ? { maxBytesPerPartition: Number(process.env.BENCH_BYTES) } : {}),
        },
        registry: { kind: 'confluent', url: services.registry.url },
        state: { kind: 'redis', url: services.redis.url },
        store: { kind: 'redis', url: services.redis.url },
        topics: { [TOPIC]: { time: 'occurredAt' } },
        engine: { shufflePartitions: PARTITIONS },
        http: { port: 0 },
      })
      const nodeArgs = options.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${options.profile}`]
      const worker = await startWorker(home, { nodeArgs })
      const generation = (await checkProject(home)).project?.topologies[0]?.generation
      const figures = { ...(await measure(worker)), results: await counter(worker, 'millrace_records_out_total') }
      await untilDone(transport, name, TOPIC, `${name}.w1.${generation}.shuffle`, 60_000)
      await worker.stop()
      const store = await openPart<FeatureStore>('stores', 'redis', { url: services.redis.url, prefix: name })
      const wrong = await differences(store, `w1@${generation}`, oracle)
      await store.close()
      if (wrong.length > 0) throw new Error(`${wrong.length} values are wrong, such as ${wrong.slice(0, 3).join('; ')}`)
      runs.push(figures)
      console.log(
        `run ${run}: ${Math.round(figures.eventsPerSecond)} events/s, ${figures.cpuPerEvent.toFixed(2)} µs CPU per event, peak ${Math.round(figures.peakMb)} MB, ${figures.results} results; all values equal the oracle`,
      )
    }
    await report(runs)
  } finally {
    await transport.close()
    await registry.close()
    for (const service of Object.values(services)) await service.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

async function report(runs: readonly Figures[]): Promise<void> {
  const of = (pick: (figures: Figures) => number, digits = 0) => {
    const values = runs.map(pick)
    return `${median(values).toFixed(digits)} (${Math.min(...values).toFixed(digits)}–${Math.max(...values).toFixed(digits)})`
  }
  const text = `# Results

Made by \`npm run bench -- --events ${EVENTS} --runs ${RUNS}\` on ${new Date().toISOString().slice(0, 10)}: ${availableParallelism()} × ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}; the broker, the registry and Redis run on the same cores.

**W1, store features**: ${EVENTS} Avro events of 138 bytes in 8 partitions keyed by order, over ${STORES} stores of skewed popularity; by store (so through a shuffle topic of 8 partitions): mean and variance of the newest 50, exact 10-minute count, open orders. State and features in Redis, committed with the position. Coalesced: one result per changed store and step. Every final value equals the naive oracle at its own as-of time, in every run.

| worker | events/s | CPU µs per event | peak MB | results out |
| --- | --- | --- | --- | --- |
| 1 process, median (min–max) of ${RUNS} | ${of((f) => f.eventsPerSecond)} | ${of((f) => f.cpuPerEvent, 2)} | ${of((f) => f.peakMb)} | ${of((f) => f.results)} |

Time and CPU count from the first record read to the last row applied; the start of the process is left out. CPU is user + system of the worker alone.
`
  await writeFile(new URL('RESULTS.md', import.meta.url), text)
}

await main()
