/** Millrace at the works: one worker, state in Redis, results in a topic. */
import { cp, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import avro from 'avsc'
import { stringify } from 'yaml'
import type { FeatureRecord } from '../src/core/model.ts'
import { checkProject } from '../src/project/check.ts'
import { cpuSeconds, endsWithUs, peakMb } from './children.ts'
import { type Engine, type Figures, MILLRACE, type Output, type Work } from './engine.ts'
import { PARTITIONS, recordsOf, type Setup, TOPIC } from './setup.ts'
import { Taken } from './w0.ts'
import { differences, type RunningWorker, startWorker, writeProject } from './w1.ts'

const HERE = fileURLToPath(new URL('.', import.meta.url))
const LOOK_EVERY_MS = 250
const PATIENCE_MS = 300_000

/** `profile`: folder for CPU profiles. */
export function millrace(setup: Setup, profile?: string): Engine {
  return {
    name: MILLRACE,
    about: (work) =>
      work === 'w0'
        ? 'transform, at least once with names'
        : 'effectively once; state in Redis, committed with the position; durable shuffle',
    run: async (work, output, run) => {
      const out = `${work}-millrace`
      await setup.transport.create({ name: out, partitions: PARTITIONS, retentionMs: -1 })
      const home = join(setup.directory, run)
      await (work === 'w0' ? writeW0 : writeW1)(setup, home, run, output)
      const nodeArgs = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]
      const worker = await startWorker(home, { nodeArgs })
      endsWithUs(worker.process)
      try {
        const figures = await measure(setup, worker, work)
        await worker.stop()
        await (work === 'w0' ? checkW0(setup, out) : checkW1(setup, out, output))
        return figures
      } finally {
        await worker.stop()
        const generation = (await checkProject(home)).project?.topologies[0]?.generation
        for (const topic of [out, `${run}-dead-letters`, `${run}.w1.${generation}.shuffle`])
          await setup.transport.deleteTopic(topic)
      }
    },
  }
}

export const configOf = ({ brokers, registryUrl, redisUrl }: Setup, deployment: string) => ({
  deployment,
  transport: { kind: 'kafka', brokers },
  registry: { kind: 'confluent', url: registryUrl },
  state: { kind: 'redis', url: redisUrl },
  store: { kind: 'redis', url: redisUrl },
  topics: { [TOPIC]: { time: 'occurredAt' } },
  engine: { shufflePartitions: PARTITIONS },
  http: { port: 0, auth: 'none' },
})

function writeW1(setup: Setup, home: string, run: string, output: Output): Promise<void> {
  return writeProject(home, configOf(setup, run), (yaml) =>
    yaml.replace('to: [store]', `emit: ${output}\nto: [{ topic: w1-millrace }]`),
  )
}

async function writeW0(setup: Setup, home: string, run: string): Promise<void> {
  await mkdir(home, { recursive: true })
  await cp(join(HERE, 'w1/schemas'), join(home, 'schemas'), { recursive: true })
  await cp(join(HERE, 'w0/topologies'), join(home, 'topologies'), { recursive: true })
  await writeFile(join(home, 'millrace.yaml'), stringify(configOf(setup, run)))
}

/** Sums over labels of the counters of a worker, by name without `millrace_`; only those with this label, where one is given. */
export async function counters({ url }: RunningWorker): Promise<(name: string, label?: string) => number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  return (name, label = '') =>
    [...text.matchAll(new RegExp(`^millrace_${name}\\{[^}]*${label}[^}]*\\} (\\S+)$`, 'gm'))].reduce(
      (sum, [, value]) => sum + Number(value),
      0,
    )
}

/** From the first record read until the last result is acknowledged, and the state of W1 committed. */
async function measure({ events, pids, taken }: Setup, worker: RunningWorker, work: Work): Promise<Figures> {
  const deadline = Date.now() + PATIENCE_MS
  const services = async () => (await cpuSeconds(pids.broker)) + (await cpuSeconds(pids.redis))
  while ((await counters(worker))('records_in_total') === 0) await sleep(20)
  const [startedAt, cpuBefore, servicesBefore] = [performance.now(), await cpuSeconds(worker.pid), await services()]
  const look = async () => {
    const counted = await counters(worker)
    // a step is counted once it is committed
    const done =
      work === 'w0'
        ? counted('records_out_total') >= taken.count
        : counted('batch_records_sum', 'role="reduce"') >= events
    const [at, cpu, servicesCpu] = [performance.now(), await cpuSeconds(worker.pid), await services()]
    return { at, cpu, servicesCpu, done, results: counted('records_out_total') }
  }
  let seen = await look()
  while (!seen.done) {
    if (Date.now() > deadline) throw new Error(`not done in time:\n${worker.output.slice(-20).join('\n')}`)
    await sleep(LOOK_EVERY_MS)
    seen = await look()
  }
  return {
    eventsPerSecond: events / ((seen.at - startedAt) / 1000),
    cpuPerEvent: ((seen.cpu - cpuBefore) * 1e6) / events,
    servicesCpuPerEvent: ((seen.servicesCpu - servicesBefore) * 1e6) / events,
    peakMb: (await peakMb(worker.pid)) ?? 0,
    results: seen.results,
  }
}

async function decoderOf({ registry }: Setup, topic: string): Promise<(value: Buffer) => Record<string, unknown>> {
  const latest = await registry.latest(`${topic}-value`)
  const type = avro.Type.forSchema(latest?.schema as avro.Schema, { wrapUnions: false })
  return (value) => type.fromBuffer(value.subarray(5)) as Record<string, unknown>
}

async function checkW0(setup: Setup, topic: string): Promise<void> {
  const made = new Taken()
  const names = new Set<string>()
  for await (const { value, headers } of recordsOf(setup.transport, topic)) {
    const name = String(headers['millrace-id'])
    if (value === null || names.has(name)) continue
    names.add(name)
    made.add(JSON.parse(String(value)) as Parameters<Taken['add']>[0])
  }
  if (`${made}` !== `${setup.taken}`) throw new Error(`W0 made ${made} instead of ${setup.taken}`)
}

/** The newest values of each store equal the oracle's; with `each`, every event has a result of its own name. */
async function checkW1(setup: Setup, topic: string, output: Output): Promise<void> {
  const decode = await decoderOf(setup, topic)
  const newest = new Map<string, { readonly version: readonly number[]; readonly value: Buffer }>()
  const names = new Set<string>()
  for await (const { key, value, headers } of recordsOf(setup.transport, topic)) {
    const name = String(headers['millrace-id'])
    if (output === 'each' && /@p[\d.]+$/.test(name)) names.add(name)
    if (value === null) continue
    const version = String(headers['millrace-version']).split('.').map(Number)
    const before = newest.get(String(key))
    if (!before || compare(version, before.version) >= 0) newest.set(String(key), { version, value })
  }
  const read = async (_: string, ids: readonly string[]) =>
    ids.map((id): FeatureRecord | undefined => {
      const found = newest.get(id)
      if (!found) return undefined
      const { at, ...values } = decode(found.value)
      const [generation = 0, epoch = 0, step = 0] = found.version
      return { at: at as number, version: { generation, epoch, step }, values: values as FeatureRecord['values'] }
    })
  const wrong = await differences({ read }, 'w1', setup.oracle)
  if (wrong.length > 0) throw new Error(`${wrong.length} values are wrong, such as ${wrong.slice(0, 3).join('; ')}`)
  if (output === 'each' && names.size !== setup.events)
    throw new Error(`${names.size} results for ${setup.events} events`)
}

function compare(a: readonly number[], b: readonly number[]): number {
  const i = a.findIndex((part, at) => part !== b[at])
  return i < 0 ? 0 : (a[i] as number) - (b[i] as number)
}
