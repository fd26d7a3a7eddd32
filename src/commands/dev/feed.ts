/** What feeds `millrace dev`: the simulated city, or a file of events. */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Draft, Encoder, Event, Millis, Transport } from '../../core/model.ts'
import { storesOf } from '../../dev/city/index.ts'
import { number } from '../../dev/frame.ts'
import { replayFile } from '../../dev/replay.ts'
import { runSimulator } from '../../dev/simulator.ts'
import { withTimes } from '../../dev/times.ts'
import type { Project } from '../../project/check.ts'
import type { Notes } from './notes.ts'

export interface FeedOptions {
  readonly project: Project
  readonly transport: Pick<Transport, 'write'>
  readonly encoders: ReadonlyMap<string, Encoder>
  readonly notes: Notes
  /** Is all that was written in the features? */
  readonly caughtUp: () => Promise<boolean>
  readonly signal: AbortSignal
}

export interface CityOptions {
  readonly rate: number
  readonly speed: number
  readonly seed: number
}

const LOOK_MS = 100
const CITY_TOPICS = ['orders', 'acceptances']
/** A table of the city: what is known of each store. */
const STORES = 'stores'

export class Feed {
  /** Events written. */
  events = 0
  private readonly options: FeedOptions

  constructor(options: FeedOptions) {
    this.options = options
  }

  /** Resolves at the signal; rejects when events cannot be written. */
  async city({ rate, speed, seed }: CityOptions): Promise<void> {
    const { project, encoders, notes, signal } = this.options
    if (!CITY_TOPICS.some((topic) => encoders.has(topic))) {
      notes.add('No topology reads orders or acceptances, the topics of the city. Feed your own events with --replay.')
      return
    }
    if (encoders.has(STORES))
      await this.options.transport.write(
        storesOf({ seed }).map(({ key, event }) => ({ topic: STORES, key, value: this.encode(STORES, event) })),
      )
    await runSimulator({
      seed,
      rate,
      speed,
      now: Date.now,
      memory: join(project.directory, '.millrace', 'city.json'),
      write: (events) =>
        this.write(
          events
            .filter(({ topic }) => encoders.has(topic))
            .map(({ topic, key, event, timestamp }) => ({ topic, key, value: this.encode(topic, event), timestamp })),
        ),
      history: (written, expected) => {
        const done = written >= expected
        notes.progress = done ? undefined : `history: ${number(written)} of ${number(expected)} events`
      },
      signal,
    })
  }

  /** Resolves when the file is through and in the features, or at the signal; rejects when every line is bad. Records are stamped with their event time, so that an old file computes old windows. */
  async replay(path: string): Promise<void> {
    const { project, encoders, notes, signal } = this.options
    const sources = new Map(project.topologies.flatMap(({ sources }) => sources).map((topic) => [topic.name, topic]))
    const tables = new Set(project.topologies.flatMap((topology) => topology.tables.map(({ name }) => name)))
    const isTable = ({ topic }: Draft) => tables.has(topic) && !sources.has(topic)
    const inSeconds = new Set<string>()
    let isAhead = false
    const { events, bad, kinds, faults, complete } = await replayFile(path, {
      topics: [...encoders.keys()],
      encode: ({ topic, event: written, key, timestamp }) => {
        const source = sources.get(topic)
        const event = source ? withTimes(written, source.type) : written
        const value = this.encode(topic, event)
        const time = source?.time?.evaluate(event)
        if (source && looksLikeSeconds(time) && !inSeconds.has(topic)) {
          inSeconds.add(topic)
          const field = source.time?.fields[0]?.join('.')
          const when = new Date(time).toISOString()
          notes.add(`${field} of ${topic} looks like seconds: as milliseconds, which it is taken for, it is ${when}`)
        }
        return { topic, key: key ?? null, value, timestamp: timestamp ?? time ?? Date.now() }
      },
      write: async (drafts) => {
        for (const some of alternating(drafts, isTable)) {
          const [first] = some
          // what comes after a line of a table finds it there
          if (isAhead && !isTable(first)) await this.settled()
          isAhead = isTable(first)
          await this.write(some)
        }
      },
      progress: ({ percent, bad, secondsLeft }) => {
        const wrong = bad > 0 ? `, ${number(bad)} bad lines` : ''
        const left = secondsLeft === undefined ? '' : `, ${Math.ceil(secondsLeft)} s left`
        notes.progress = `replaying ${path}: ${percent.toFixed(0)} %${wrong}${left}`
      },
      now: Date.now,
      signal,
    })
    const told = faults.map(({ line, fault }) => `${path}:${line}: ${fault}`)
    if (complete && events === 0) {
      notes.progress = undefined
      if (bad > 0)
        throw new Error(
          [`nothing was replayed of ${path}: ${badLines(bad, told.length, kinds, 'below')}`, ...told].join('\n  '),
        )
      notes.add(`nothing was replayed: ${path} has no events`)
      return
    }
    for (const fault of told) notes.add(fault)
    notes.progress = `replaying ${path}: read; the features catch up`
    if (complete) await this.settled()
    notes.progress = undefined
    const wrong = bad > 0 ? `; ${badLines(bad, told.length, kinds, 'above')}` : ''
    if (complete) notes.add(`replayed ${number(events)} ${events === 1 ? 'event' : 'events'} of ${path}${wrong}`)
  }

  private async settled(): Promise<void> {
    const { signal, caughtUp } = this.options
    while (!signal.aborted && !(await caughtUp())) await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined)
  }

  private encode(topic: string, event: Event): Buffer {
    const encoder = this.options.encoders.get(topic)
    if (!encoder) throw new Error(`no topology reads topic ${topic}`)
    return encoder.encode(event)
  }

  private async write(drafts: readonly Draft[]): Promise<void> {
    await this.options.transport.write(drafts)
    this.events += drafts.length
  }
}

/** Drafts in their order, cut wherever `is` changes. */
function alternating(drafts: readonly Draft[], is: (draft: Draft) => boolean): [Draft, ...Draft[]][] {
  const all: [Draft, ...Draft[]][] = []
  for (const draft of drafts) {
    const last = all.at(-1)
    if (last && is(last[0]) === is(draft)) last.push(draft)
    else all.push([draft])
  }
  return all
}

/** `4 lines are bad (one of each kind is above)` */
function badLines(bad: number, told: number, kinds: number, where: string): string {
  const each = kinds > told ? `of ${number(kinds)} kinds, ${told} are ${where}` : `one of each kind is ${where}`
  return `${bad === 1 ? '1 line is' : `${number(bad)} lines are`} bad (${bad > told ? each : where})`
}

/** The seconds of 2000 and later, taken for milliseconds, lie in 1970; nobody's events do, but those made up for a test. */
function looksLikeSeconds(time: Millis | null | undefined): time is Millis {
  return time !== undefined && time !== null && time >= Date.UTC(2000) / 1_000 && time < Date.UTC(1980)
}
