/**
 * What has to stand in its topic before a position passes it: dead letters, and what a transform makes. Each commit is held to that, so
 * that what comes too late, or not at all, is found though nothing crashes in between.
 */
import type { Draft, OpenState, Position, TaskId } from '../../src/core/model.ts'
import { NAME_HEADER } from '../../src/engine/repeats.ts'
import { DEAD, MADE, madeOf, workOf } from './flows.ts'
import type { Options } from './options.ts'
import { isFuture, isRefused, type Sent } from './producer.ts'

/** Of one record: names of what is to stand, those of features without the topology. */
interface Owed {
  readonly position: Position
  readonly transform: readonly string[]
  readonly map: readonly string[]
  readonly reduce: readonly string[]
}

export class Kept {
  private readonly options: Options
  private readonly broken: (rule: string, what: string) => void
  private readonly standing = new Set<string>()
  /** By topic and partition, in the order in which they were sent. */
  private readonly owed = new Map<string, Owed[]>()
  /** How many of them are known to stand, by task. */
  private readonly settled = new Map<TaskId, number>()
  /** What a machine, or a claim, has learned that it has to keep, and not yet committed. */
  private readonly learned = new Map<string, string[]>()
  /** Step in which a machine last claimed a task. */
  private readonly claimedIn = new Map<string, number>()

  constructor(options: Options, broken: (rule: string, what: string) => void) {
    this.options = options
    this.broken = broken
  }

  // ------------------------------------------------------------- what is to be kept

  sent(one: Sent): void {
    const { topic, partition, source, position, event } = one
    const letter = `/${source}/${position}`
    const isUnread = event === undefined
    const cannotBeMade = isUnread || event.fails === 'make'
    const made = event && !cannotBeMade ? madeOf(event, null).map((_, i) => `split${letter}/${i}`) : []
    const rejected = isUnread || isFuture(one) ? [letter] : []
    const failed = isRefused(one) ? [`/${source}/part/${position}.0/${event?.key}`] : []
    const place = `${topic}/${partition}`
    const before = this.owed.get(place) ?? []
    this.owed.set(place, before)
    before.push({
      position,
      transform: cannotBeMade ? [`split${letter}`] : made,
      map: rejected,
      reduce: [...rejected, ...failed],
    })
  }

  /** `row`: topology, key, position and time; `born`: step in which what computes was made. */
  late(host: string, task: TaskId, row: string, born: number): void {
    const name = `${host} ${task}`
    // of who had the task before here, and computes to no end
    if (born >= (this.claimedIn.get(name) ?? 0)) this.learn(name, `late ${row}`)
  }

  /** A sink has answered a claim that it never takes a result, in JSON. */
  refused(task: TaskId, epoch: number, topology: string, result: string): void {
    this.learn(`${task} ${epoch}`, `refused ${topology} ${result}`)
  }

  private learn(name: string, what: string): void {
    this.learned.set(name, [...(this.learned.get(name) ?? []), what])
  }

  // ------------------------------------------------------------- what is kept

  stands({ topic, value, headers = {} }: Draft): void {
    if (topic !== DEAD && topic !== MADE) return
    this.standing.add(String(headers[NAME_HEADER]))
    const topology = headers['millrace-topology']
    const code = headers['millrace-error-code']
    if (code === 'sink-refused') this.standing.add(`refused ${topology} ${value}`)
    if (code !== 'late') return
    const { key, time } = JSON.parse(String(value)) as { key: string; time: number }
    this.standing.add(`late ${topology} ${key} ${headers['millrace-source-position']} ${time}`)
  }

  claimed(host: string, task: TaskId, step: number): void {
    this.learned.delete(`${host} ${task}`)
    this.claimedIn.set(`${host} ${task}`, step)
  }

  committed(host: string, { task, epoch, position }: OpenState): void {
    for (const name of [`${host} ${task}`, `${task} ${epoch}`]) {
      for (const what of this.learned.get(name) ?? []) this.hold(task, position, what)
      this.learned.delete(name)
    }
    const work = workOf(this.options, task)
    if (!work) return
    const { role, topology, reads } = work
    // of what was not sent here, such as frames, nothing is owed
    this.passes(task, position, reads, (owed) =>
      role === 'transform' ? owed.transform : owed[role].map((name) => `${topology}${name}`),
    )
  }

  private passes(
    task: TaskId,
    position: Position | undefined,
    place: string,
    names: (owed: Owed) => readonly string[],
  ): void {
    const owed = this.owed.get(place) ?? []
    let settled = this.settled.get(task) ?? 0
    for (; settled < owed.length && (owed[settled] as Owed).position < (position as Position); settled++)
      for (const name of names(owed[settled] as Owed)) this.hold(task, position, name)
    this.settled.set(task, settled)
  }

  private hold(task: TaskId, position: Position | undefined, what: string): void {
    if (!this.standing.has(what)) this.broken('kept', `${task} has committed ${position}, ${what} is not there yet`)
  }
}
