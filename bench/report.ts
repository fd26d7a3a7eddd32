/** Figures → bench/RESULTS.md and bench/results.svg. */
import { writeFile } from 'node:fs/promises'
import { availableParallelism, cpus, totalmem } from 'node:os'
import { type Delays, percentile, WARM_UP_MS } from './delay.ts'
import { type Engine, type Figures, MILLRACE, type Output, type Work } from './engine.ts'
import { barChart } from './plot.ts'
import { PARTITIONS, STORES } from './setup.ts'

/** The runs of one engine at one work. */
export interface Series {
  readonly engine: Engine
  readonly work: Work
  readonly output: Output
  readonly runs: readonly Figures[]
}

export interface Report {
  readonly command: string
  readonly events: number
  readonly runs: number
  readonly series: readonly Series[]
  readonly delays: Delays | undefined
  /** Engines that could not run here, or failed, and why. */
  readonly skipped: readonly string[]
}

const TITLES: Readonly<Record<Work, string>> = { w0: 'W0, filter and project', w1: 'W1, store features' }

const titleOf = ({ work, output }: Pick<Series, 'work' | 'output'>): string =>
  work === 'w0' ? TITLES.w0 : `${TITLES.w1}, ${output === 'each' ? 'every update' : 'coalesced'}`

export const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number

export async function writeReport(report: Report): Promise<void> {
  const { command, events, runs, series, delays, skipped } = report
  const groups = [...Map.groupBy(series, titleOf)]
  const processor = `${availableParallelism()} × ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB`
  const text = `# Results

Made by \`${command}\` on ${new Date().toISOString().slice(0, 10)}: ${processor}, Node ${process.version}. The broker (Kafka 4.3.1), the registry, Redis and
the benchmark itself run on the same cores, engines in turns (A B C, A B C …). Medians (least–most) of ${runs}; ratios are medians of those of each turn.
Shared machines change their speed by a factor of two within hours: ratios hold better than CPU per event, and that better than events per second. All
programs are compiled while they run, the peers' by the JVM: the fewer events, the more of that is in the figures.

![Events per second and CPU per event](results.svg)

${groups.map(([title, all]) => table(title, all)).join('\n\n')}
${skipped.length === 0 ? '' : `\nLeft out: ${skipped.join('; ')}.\n`}${delays ? delayText(delays) : ''}
## What is measured

Input: ${events.toLocaleString('en')} Avro events of 138 bytes in ${PARTITIONS} partitions keyed by order, over ${STORES.toLocaleString('en')} stores of skewed popularity.

- **W0, filter and project**: \`type == "ORDER_DELIVERED" && totalCents > 1000\`, four fields, by store, to a topic, as JSON. Millrace writes a
  header that names the record; the peers write none.
- **W1, store features**: by store, which is not the key of the topic: mean and variance of the newest 50 \`prepSeconds\`, exact count of 10 minutes,
  open orders; to a topic. Coalesced: one result per changed store and step (Millrace) or commit (Kafka Streams); Flink has no such
  mode. Every update: one per event; Millrace says a result, too, where time alone changes it (a window that falls).
- **Not the same promise.** Millrace's values are those of the set of events, whatever their order, with clocks and timers, so that windows fall to zero with no event;
  the peers' programs go by order of arrival and have no timers. Kafka Streams and Millrace shuffle durably through the broker, Flink in memory.
  Millrace's state is in Redis, whose CPU is in the column of the services and not in the ratios; that of the peers is in their process. Their programs and settings: [bench/peers](peers).
- Time and CPU count from the first record read; the start of the process is left out. Kafka Streams and Flink end with their last commit or
  checkpoint and their stop; Millrace with the last result acknowledged and, in W1, the last commit. Peak memory is the resident set of the engine's process.
- One process each: Millrace one worker (JavaScript of one thread), the peers as many threads as there are cores.
- **Held against an oracle, in every run**: W0 of all engines by number and hash of the records; Millrace's W1 by the final values of every store, and for every update that each
  event has a result of its own name. The peers' W1 by the number of results.
`
  await writeFile(new URL('RESULTS.md', import.meta.url), text)
  const bars = (pick: (figures: Figures) => number) => (all: readonly Series[]) =>
    all.map(({ engine, runs }) => {
      const values = runs.map(pick)
      return { name: engine.name, value: median(values), low: Math.min(...values), high: Math.max(...values) }
    })
  const chart = barChart('Millrace and its peers: medians, lines from least to most', [
    ...groups.map(([title, all]) => ({
      title: `${title}: events per second`,
      bars: bars((f) => f.eventsPerSecond)(all),
    })),
    ...groups.map(([title, all]) => ({
      title: `${title}: µs of CPU per event, less is better`,
      bars: bars((f) => f.cpuPerEvent)(all),
    })),
  ])
  await writeFile(new URL('results.svg', import.meta.url), chart)
}

function table(title: string, all: readonly Series[]): string {
  const own = all.find(({ engine }) => engine.name === MILLRACE)
  const rows = all.map(({ engine, work, output, runs }) => {
    const of = (pick: (figures: Figures) => number, digits = 0) => range(runs.map(pick), digits)
    const ratio = own && own.engine !== engine ? ratios(own.runs, runs) : '–'
    const name = `${engine.name}: ${engine.about(work, output)}`
    return `| ${name} | ${of((f) => f.eventsPerSecond)} | ${of((f) => f.cpuPerEvent, 2)} | ${of((f) => f.servicesCpuPerEvent, 2)} | ${of((f) => f.peakMb)} | ${of((f) => f.results)} | ${ratio} |`
  })
  return `## ${title}

| engine | events/s | CPU µs per event | CPU µs per event of broker and Redis | peak MB | results out | Millrace against it: events/s, CPU |
| --- | --- | --- | --- | --- | --- | --- |
${rows.join('\n')}`
}

const range = (values: readonly number[], digits: number): string => {
  const shown = (value: number) =>
    value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
  const [low, high] = [Math.min(...values), Math.max(...values)]
  return low === high ? shown(low) : `${shown(median(values))} (${shown(low)}–${shown(high)})`
}

/** Of runs that came one after the other. */
function ratios(own: readonly Figures[], other: readonly Figures[]): string {
  const of = (pick: (figures: Figures) => number) =>
    median(own.map((figures, i) => pick(figures) / pick(other[i] as Figures))).toFixed(2)
  return `${of((f) => f.eventsPerSecond)} ×, ${of((f) => f.cpuPerEvent)} ×`
}

function delayText({ rate, reached, samples, acknowledged, cpu }: Delays): string {
  const row = (sorted: readonly number[]) =>
    [0.5, 0.99, 0.999, 1].map((share) => `${percentile(sorted, share).toFixed(0)} ms`).join(' | ')
  return `
## Delay from event to feature

W1 with features to Redis, at ${rate.toLocaleString('en')} events/s (${Math.round(reached).toLocaleString('en')} reached), after ${WARM_UP_MS / 1_000} s of the same load, ${samples.length.toLocaleString('en')} samples, until an event's value can be read from
Redis. Each sample is the first event of an entity of its own. The broker appends the event between the two beginnings. The reader looks about each millisecond. The worker used ${(cpu * 100).toFixed(0)} % of a core.

| from | p50 | p99 | p99.9 | max |
| --- | --- | --- | --- | --- |
| just before the event is sent to the broker | ${row(samples)} |
| its acknowledgement by the broker | ${row(acknowledged)} |
`
}
