import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Draft, Encoder, FeatureStore } from '../core/model.ts'
import type { Log } from '../core/part.ts'
import { sampleCurls } from '../dev/curls.ts'
import { replayFile } from '../dev/replay.ts'
import { runSimulator } from '../dev/simulator.ts'
import { createTerminal, type Screen, type View } from '../dev/terminal.ts'
import { checkProject, type Project, renderProblems } from '../features/check.ts'
import {
  createRuntime,
  createTopics,
  encoderFor,
  openServices,
  type Runtime,
  type Services,
  schemaOf,
} from '../runtime.ts'
import { explain, type Terminal } from './console.ts'
import { quantile } from './quantile.ts'
import { Samples } from './samples.ts'

export interface DevOptions {
  readonly directory: string
  readonly rate: number
  readonly speed: number
  readonly seed: number
  readonly replay?: string
  readonly port?: number
}

const PARTITIONS = 4
const FRAME_MS = 500
const GRACE_MS = 2_000
const CITY_TOPICS = ['orders', 'acceptances']

export async function dev(options: DevOptions, terminal: Terminal): Promise<number> {
  const { problems, project: found } = await checkProject(resolve(options.directory), {
    environment: terminal.environment,
  })
  if (!found || problems.length > 0) {
    terminal.error(renderProblems(problems))
    return 1
  }
  const { port = found.config.http.port } = options
  const project: Project = { ...found, config: { ...found.config, http: { ...found.config.http, port } } }
  const notes: string[] = []
  const log = noting(notes)
  try {
    const services = await openServices(project, log)
    try {
      return await serve(project, services, options, terminal, log, notes)
    } finally {
      await services.close()
    }
  } catch (error) {
    terminal.error(`millrace dev: ${explain(error)}`)
    return 1
  }
}

async function serve(
  project: Project,
  services: Services,
  options: DevOptions,
  terminal: Terminal,
  log: Log,
  notes: string[],
): Promise<number> {
  const samples = new Samples()
  const store = samples.watching(services.store)
  await createTopics(project, services.transport, PARTITIONS)
  const encoders = await encodersOf(project, services)
  const runtime = await createRuntime(project, { ...services, store }, log)
  const done = new AbortController()
  const signal = AbortSignal.any([terminal.stopSignal, done.signal])
  let fed = 0
  const write = async (drafts: readonly Draft[]) => {
    await services.transport.write(drafts)
    fed += drafts.length
  }
  try {
    const baseUrl = await runtime.start()
    const feeding = feed(project, options, encoders, write, signal, notes)
    const shown = show({
      project,
      runtime,
      store: services.store,
      samples,
      baseUrl,
      options,
      terminal,
      notes,
      fed: () => fed,
      signal,
    })
    const code = await Promise.race([feeding, shown.then(() => 0)])
    done.abort()
    await Promise.all([feeding, shown])
    return code
  } finally {
    done.abort()
    await runtime.stop(GRACE_MS)
  }
}

async function encodersOf(project: Project, { registry }: Services): Promise<ReadonlyMap<string, Encoder>> {
  const names = [...new Set(project.topologies.flatMap(({ sources }) => sources.map(({ name }) => name)))]
  const encoders = await Promise.all(
    names.map((name) => encoderFor(registry, `${name}-value`, schemaOf(project.topologies, name))),
  )
  return new Map(names.map((name, i) => [name, encoders[i] as Encoder]))
}

/** Feeds the city, or a file of events and then waits. Answers the exit code. */
async function feed(
  project: Project,
  { replay, rate, speed, seed }: DevOptions,
  encoders: ReadonlyMap<string, Encoder>,
  write: (drafts: readonly Draft[]) => Promise<void>,
  signal: AbortSignal,
  notes: string[],
): Promise<number> {
  const encode = (topic: string, event: Readonly<Record<string, unknown>>) => {
    const encoder = encoders.get(topic)
    if (!encoder) throw new Error(`no topology reads topic ${topic}`)
    return encoder.encode(event)
  }
  if (replay !== undefined) {
    const result = await replayFile(replay, {
      topics: [...encoders.keys()],
      encode: ({ topic, event, key, timestamp }) => ({
        topic,
        key: key ?? null,
        value: encode(topic, event),
        timestamp: timestamp ?? timeIn(project, topic, event) ?? Date.now(),
      }),
      write,
      progress: ({ percent, events, bad, secondsLeft }) => {
        const left = secondsLeft === undefined ? '' : `, ${Math.ceil(secondsLeft)} s left`
        notes[0] =
          percent < 100
            ? `replaying ${replay}: ${percent.toFixed(0)} %, ${events} events${left}`
            : `replayed ${events} events of ${replay}${bad > 0 ? `; ${bad} lines are wrong` : ''}`
      },
      now: Date.now,
      signal,
    })
    for (const { line, fault } of result.faults) notes.push(`${replay}:${line}: ${fault}`)
  } else {
    const missing = CITY_TOPICS.filter((topic) => !encoders.has(topic))
    if (missing.length === CITY_TOPICS.length)
      notes.push(
        'No topology reads orders or acceptances, the topics of the city. Feed events of your own with --replay.',
      )
    else
      await runSimulator({
        seed,
        rate,
        speed,
        now: Date.now,
        memory: join(project.directory, '.millrace', 'city.json'),
        write: (events) =>
          write(
            events
              .filter(({ topic }) => encoders.has(topic))
              .map(({ topic, key, event, timestamp }) => ({ topic, key, value: encode(topic, event), timestamp })),
          ),
        signal,
      })
  }
  await new Promise<void>((stopped) =>
    signal.aborted ? stopped() : signal.addEventListener('abort', () => stopped(), { once: true }),
  )
  return 0
}

/** Event time of an event, where the topic declares its field. */
function timeIn(project: Project, topic: string, event: Readonly<Record<string, unknown>>): number | undefined {
  const source = project.topologies.flatMap(({ sources }) => sources).find(({ name }) => name === topic)
  return source?.time?.evaluate(event) ?? undefined
}

interface Showing {
  readonly project: Project
  readonly runtime: Runtime
  readonly store: FeatureStore
  readonly samples: Samples
  readonly baseUrl: string
  readonly options: DevOptions
  readonly terminal: Terminal
  readonly notes: readonly string[]
  readonly fed: () => number
  readonly signal: AbortSignal
}

async function show({
  project,
  runtime,
  store,
  samples,
  baseUrl,
  options,
  terminal,
  notes,
  fed,
  signal,
}: Showing): Promise<void> {
  const { out, environment } = terminal
  const view = createTerminal({
    out: out as Screen,
    isTTY: out.isTTY === true && environment.TERM !== 'dumb',
    now: Date.now,
  })
  const startedAt = Date.now()
  let before = { at: startedAt, fed: 0 }
  let rate = 0
  let last = new Map<string, number | null>()
  try {
    while (!signal.aborted) {
      await sleep(FRAME_MS, undefined, { signal }).catch(() => undefined)
      const now = Date.now()
      if (now - before.at >= 1_000) {
        rate = ((fed() - before.fed) * 1_000) / (now - before.at)
        before = { at: now, fed: fed() }
      }
      const values = new Map<string, number | null>()
      const entities: View['entities'][number][] = []
      for (const { title, features } of await samples.read(project.topologies, store)) {
        entities.push({
          title,
          features: features.map(([name, value]) => {
            values.set(`${title}/${name}`, value)
            return [name, value, last.get(`${title}/${name}`)] as const
          }),
        })
      }
      last = values
      const simulated = options.speed !== 1 || options.replay !== undefined
      view.render({
        uptime: now - startedAt,
        eventsPerSecond: rate,
        totalEvents: fed(),
        lag: runtime.worker.lag(),
        delay: simulated ? undefined : await quantile(runtime.metrics.delay, [0.5, 0.99]),
        entities,
        notes: notes.slice(-5),
        baseUrl,
        curls: curlsFor(project, samples, baseUrl),
      })
    }
  } finally {
    view.close()
  }
}

function curlsFor(project: Project, samples: Samples, baseUrl: string): string[] {
  const topology = project.topologies.find((each) => samples.ids(each).length > 0)
  if (!topology) return []
  const [first, ...others] = samples.ids(topology)
  return sampleCurls(baseUrl, topology.entity, [first as string, ...others])
}

/** Warnings of the engine stand below the view instead of tearing it. */
function noting(notes: string[]): Log {
  const note = (fields: object, message: string) => {
    const reason = (fields as { reason?: unknown }).reason
    notes.push(reason === undefined ? message : `${message}: ${reason}`)
    if (notes.length > 20) notes.splice(1, notes.length - 20)
  }
  const silent = () => undefined
  return { debug: silent, info: silent, warn: note, error: note }
}
