/**
 * `npm run bench -- [--work w0|w1|all] [--output coalesced|each|all] [--peers kstreams,flink|none] [--events N] [--runs N] [--rate N]
 * [--profile FOLDER]`: Millrace and its peers at the same works, on Kafka, a schema registry and Redis of its own. Holds
 * every run against an oracle and writes bench/RESULTS.md and bench/results.svg. `--rate 0` leaves delays out;
 * `--profile` also draws bench/flame-WORK-OUTPUT.svg of the last run.
 *
 * `npm run bench -- --work scale-topologies|scale-keys|scale-workers|reads|offline|start [--events N] [--profile FOLDER]`: how cost grows,
 * said on the terminal alone. `--work delay [--rate N] [--seconds N]`: delays alone, with the times when features stood still.
 */
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Missing } from '../test/services/recipe.ts'
import { type Delays, measureDelays, percentile } from './delay.ts'
import type { Engine, Figures, Output, Work } from './engine.ts'
import { drawProfile } from './flame.ts'
import { millrace } from './millrace.ts'
import { openPeer, type PeerName, PROGRAMS } from './peers.ts'
import { type Series, writeReport } from './report.ts'
import type { Scale } from './scale/worker.ts'
import { openSetup, type Setup } from './setup.ts'

const { values: options } = parseArgs({
  options: {
    work: { type: 'string', default: 'all' },
    output: { type: 'string', default: 'all' },
    peers: { type: 'string', default: 'kstreams,flink' },
    events: { type: 'string', default: '1000000' },
    runs: { type: 'string', default: '3' },
    rate: { type: 'string', default: '10000' },
    seconds: { type: 'string', default: '30' },
    profile: { type: 'string' },
  },
})

function chosen<T extends string>(name: string, value: string, known: readonly T[]): readonly T[] {
  if (value === 'all') return known
  if (value === 'none') return []
  const names = value.split(',')
  const wrong = names.find((one) => !known.some((other) => other === one))
  if (wrong !== undefined) throw new Error(`--${name} ${wrong}: expected ${[...known, 'all'].join(', ')}`)
  return known.filter((one) => names.includes(one))
}

const wholeNumber = (name: string, value: string): number => {
  const number = Number(value)
  if (!Number.isSafeInteger(number) || number < 0) throw new Error(`--${name} ${value}: expected a whole number`)
  return number
}

/** What grows, and what does not stream: a program each. */
const SCALES: Readonly<Record<string, () => Promise<{ measure(scale: Scale): Promise<void> }>>> = {
  'scale-topologies': () => import('./scale/topologies.ts'),
  'scale-keys': () => import('./scale/keys.ts'),
  'scale-workers': () => import('./scale/workers.ts'),
  reads: () => import('./scale/reads.ts'),
  offline: () => import('./scale/offline.ts'),
  start: () => import('./scale/start.ts'),
  delay: () => import('./delay.ts'),
}
const scale = SCALES[options.work]

const works = scale ? [] : chosen<Work>('work', options.work, ['w0', 'w1'])
const outputs = chosen<Output>('output', options.output, ['coalesced', 'each'])
const peers = chosen<PeerName>('peers', options.peers, Object.keys(PROGRAMS) as PeerName[])
const events = wholeNumber('events', options.events)
const runs = wholeNumber('runs', options.runs)
const rate = wholeNumber('rate', options.rate)
const seconds = wholeNumber('seconds', options.seconds)

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

/** In turns, so that what changes on the machine meanwhile changes all alike. */
async function measureAll(engines: readonly Engine[]): Promise<Series[]> {
  const series: (Series & { runs: Figures[] })[] = []
  for (const { work, output } of modes) {
    const able = engines.filter((engine) => engine.about(work, output) !== undefined)
    const all = able.map((engine) => ({ engine, work, output, runs: [] as Figures[] }))
    series.push(...all)
    for (let run = 1; run <= runs; run++)
      for (const [i, { engine, runs: done }] of all.entries()) {
        const figures = await engine.run(work, output, `bench-${work}-${output}-${i}-${run}`)
        done.push(figures)
        if (options.profile !== undefined && i === 0) await draw(work, output)
        const { eventsPerSecond, cpuPerEvent, servicesCpuPerEvent, peakMb, results } = figures
        console.log(
          `${work} ${output}, run ${run}, ${engine.name}: ${Math.round(eventsPerSecond)} events/s, ${cpuPerEvent.toFixed(2)} µs CPU per event (services ${servicesCpuPerEvent.toFixed(2)}), peak ${Math.round(peakMb)} MB, ${results} results`,
        )
      }
  }
  return series
}

async function main(): Promise<void> {
  console.log(`starting services, writing ${events} events …`)
  const setup = await openSetup(events)
  try {
    const skipped: string[] = []
    const series = await measureAll(await enginesOf(setup, skipped))
    let delays: Delays | undefined
    if (rate > 0) {
      delays = await measureDelays(setup, rate, seconds)
      const shown = [0.5, 0.99, 0.999, 1].map((share) => percentile(delays?.samples ?? [], share).toFixed(0))
      console.log(`delay at ${rate} events/s: p50, p99, p99.9, max: ${shown.join(', ')} ms`)
    }
    const given = process.argv.slice(2)
    const command = `npm run bench${given.length > 0 ? ` -- ${given.join(' ')}` : ''}`
    await writeReport({ command, events, runs, series, delays, skipped })
  } finally {
    await setup.close()
  }
}

if (scale) await (await scale()).measure({ events, rate, seconds, profile: options.profile })
else await main()
