/** `npm run bench`: Millrace and its peers at the same works, on Kafka, a schema registry and Redis of its own; and how its cost grows. */
import { fileURLToPath } from 'node:url'
import { Command, InvalidArgumentError } from 'commander'
import { number } from '../src/commands/usage/options.ts'
import { Missing } from '../test/services/recipe.ts'
import { type Delays, measureDelays, percentile } from './delay.ts'
import { type Engine, type Figures, MILLRACE, type Output, type Work } from './engine.ts'
import { drawProfile } from './flame.ts'
import { millrace } from './millrace.ts'
import { openPeer, type PeerName, PROGRAMS } from './peers.ts'
import { type Series, writeReport } from './report.ts'
import type { Scale } from './scale/worker.ts'
import { openSetup, type Setup } from './setup.ts'

/** What grows, and what does not stream: a program each. */
const SCALES: Readonly<Record<string, () => Promise<{ measure(scale: Scale): Promise<void> }>>> = {
  'scale-topologies': () => import('./scale/topologies.ts'),
  'scale-features': () => import('./scale/features.ts'),
  'scale-keys': () => import('./scale/keys.ts'),
  'scale-workers': () => import('./scale/workers.ts'),
  reads: () => import('./scale/reads.ts'),
  offline: () => import('./scale/offline.ts'),
  start: () => import('./scale/start.ts'),
  delay: () => import('./delay.ts'),
}

/** Some of the known words, apart by commas, or all of them. */
function some<T extends string>(known: readonly T[]) {
  return (text: string): readonly T[] => {
    if (text === 'all') return known
    if (text === 'none') return []
    const names = text.split(',')
    if (!names.every((name) => known.some((other) => other === name)))
      throw new InvalidArgumentError(`expected ${[...known, 'all', 'none'].join(', ')}.`)
    return known.filter((one) => names.includes(one))
  }
}

interface Given {
  /** One of `SCALES`, or works. */
  readonly work: string | readonly Work[]
  readonly output: readonly Output[]
  readonly peers: readonly PeerName[]
  readonly events: number
  readonly runs: number
  readonly rate: number
  readonly seconds: number
  readonly profile?: string
}

const WORKS: readonly Work[] = ['w0', 'w1']
const OUTPUTS: readonly Output[] = ['coalesced', 'each']
const PEERS = Object.keys(PROGRAMS) as PeerName[]
const whole = number(0, 1_000_000_000, true)
const options = new Command('npm run bench --')
  .description(
    `Measure Millrace and its peers at the same works, on Kafka, a schema registry and Redis of its own. Holds every run against an oracle and writes bench/RESULTS.md and bench/results.svg, unless without peers or profiled. Peers need Java 17 with javac, Maven and the network; services are started from downloads, Redis from redis-server. A million events take some 20 minutes. With --work ${Object.keys(SCALES).join('|')}: how cost grows, said on the terminal alone; --output, --peers and --runs mean nothing there.`,
  )
  .option(
    '--work <names>',
    `${WORKS.join(', ')}, all; or one of those above`,
    (text): Given['work'] => (Object.hasOwn(SCALES, text) ? text : some(WORKS)(text)),
    WORKS,
  )
  .option(
    '--output <names>',
    'coalesced: one result per key and step; each: one per event; all',
    some(OUTPUTS),
    OUTPUTS,
  )
  .option('--peers <names>', `${PEERS.join(', ')}, none`, some(PEERS), PEERS)
  .option('--events <n>', 'how many, of each work', whole, 1_000_000)
  .option('--runs <n>', 'how many of each, in turns', whole, 3)
  .option('--rate <n>', 'events per second while delays are measured; 0 leaves them out', whole, 10_000)
  .option('--seconds <n>', 'how long delays are measured', whole, 30)
  .option('--profile <folder>', 'profile Millrace into it, and draw bench/flame-WORK-OUTPUT.svg of the last run')
  .parse()
  .opts<Given>()
const { output: outputs, peers, events, runs, rate, seconds } = options
const scale = typeof options.work === 'string' ? SCALES[options.work] : undefined
const works = typeof options.work === 'string' ? [] : options.work

/** What is measured: W0 has one output, a record for each event that it takes. */
const modes = works.flatMap((work): { work: Work; output: Output }[] =>
  work === 'w0' ? [{ work, output: 'each' }] : outputs.map((output) => ({ work, output })),
)

async function enginesOf(setup: Setup, skipped: string[]): Promise<Engine[]> {
  const engines = [millrace(setup, options.profile)]
  for (const peer of peers) {
    try {
      engines.push(await openPeer(peer, setup))
    } catch (error) {
      if (!(error instanceof Missing)) throw error
      skipped.push(`${PROGRAMS[peer].name} (${error.message})`)
      console.log(`left out: ${PROGRAMS[peer].name}: ${error.message}`)
    }
  }
  return engines
}

/** Of Millrace, which alone is profiled. */
function draw(work: Work, output: Output): Promise<void> {
  const file = fileURLToPath(new URL(`flame-${work}-${output}.svg`, import.meta.url))
  return drawProfile(
    options.profile as string,
    file,
    `${work.toUpperCase()}, ${output}: main thread of the worker, start left out`,
  )
}

/** A peer's run that fails is tried once more; undefined where that fails too. Millrace's own failures end the benchmark. */
async function figuresOf(engine: Engine, work: Work, output: Output, name: string): Promise<Figures | undefined> {
  for (const attempt of [name, `${name}-again`]) {
    try {
      return await engine.run(work, output, attempt)
    } catch (error) {
      if (engine.name === MILLRACE) throw error
      console.log(`${attempt}, ${engine.name}, failed: ${(error as Error).message}`)
    }
  }
  return undefined
}

/** In turns, so that what changes on the machine meanwhile changes all alike. */
async function measureAll(engines: readonly Engine[], skipped: string[]): Promise<Series[]> {
  const series: Series[] = []
  for (const { work, output } of modes) {
    const able = engines.filter((engine) => engine.about(work, output) !== undefined)
    let all = able.map((engine) => ({ engine, work, output, runs: [] as Figures[] }))
    for (let run = 1; run <= runs; run++) {
      for (const [i, { engine, runs: done }] of all.entries()) {
        const figures = await figuresOf(engine, work, output, `bench-${work}-${output}-${i}-${run}`)
        if (!figures) {
          skipped.push(`${engine.name} at ${work} ${output} (it failed twice in turn ${run})`)
          continue
        }
        done.push(figures)
        if (options.profile !== undefined && engine.name === MILLRACE) await draw(work, output)
        const { eventsPerSecond, cpuPerEvent, servicesCpuPerEvent, peakMb, results } = figures
        console.log(
          `${work} ${output}, run ${run}, ${engine.name}: ${Math.round(eventsPerSecond)} events/s, ${cpuPerEvent.toFixed(2)} µs CPU per event (services ${servicesCpuPerEvent.toFixed(2)}), peak ${Math.round(peakMb)} MB, ${results} results`,
        )
      }
      all = all.filter(({ runs: done }) => done.length === run)
    }
    series.push(...all)
  }
  return series
}

async function main(): Promise<void> {
  console.log(`starting services, writing ${events} events …`)
  const setup = await openSetup(events)
  try {
    const skipped: string[] = []
    const series = await measureAll(await enginesOf(setup, skipped), skipped)
    let delays: Delays | undefined
    if (rate > 0) {
      delays = await measureDelays(setup, rate, seconds)
      const shown = [0.5, 0.99, 0.999, 1].map((share) => percentile(delays?.samples ?? [], share).toFixed(0))
      console.log(`delay at ${rate} events/s: p50, p99, p99.9, max: ${shown.join(', ')} ms`)
    }
    const given = process.argv.slice(2)
    const command = `npm run bench${given.length > 0 ? ` -- ${given.join(' ')}` : ''}`
    if (peers.length === 0 || options.profile !== undefined)
      console.log('bench/RESULTS.md stays as it is: without peers, or profiled, nothing is compared')
    else await writeReport({ command, events, runs, series, delays, skipped })
  } finally {
    await setup.close()
  }
}

if (scale) await (await scale()).measure({ events, rate, seconds, profile: options.profile })
else await main()
