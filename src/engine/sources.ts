/**
 * What a task knows of the sources that feed it: how far each is applied, how far each has come in time, and
 * the task's clock, which is a function of the frames alone.
 */
import type { ByteReader, ByteWriter } from '../core/bytes.ts'
import { ClearStop } from '../core/errors.ts'
import type { Millis, Position } from '../core/model.ts'
import { type Frame, sourceName } from './shuffle.ts'

interface SourceState {
  readonly topic: string
  /** Position of the last row applied; -1: none. */
  applied: Position | -1
  /** Highest watermark heard; -Infinity where the source has no events. */
  watermark: Millis
  idle: boolean
  live: boolean
  /** The log behind it is no more: rows that still come are repeats, and the clock does not wait for it. */
  finished: boolean
}

export class Sources {
  /** Event time that every source has passed, as far as is known; -Infinity until all were heard. Never goes back. */
  clock: Millis = Number.NEGATIVE_INFINITY
  private readonly known = new Map<string, SourceState>()
  /** Partitions per source topic, as the mappers announce them. */
  private readonly announced = new Map<string, number>()
  private readonly topics: readonly string[]

  constructor(topics: readonly string[]) {
    this.topics = topics
  }

  /**
   * Takes a frame's header into account and answers the index of its first row that is new here. Rows are judged
   * against what was applied before the frame, since rows of one record are never split between frames.
   * Throws `frames-missing` when the frame follows a row that never arrived.
   */
  take(frame: Frame): number {
    const name = sourceName(frame.source)
    if (frame.finishes !== '')
      this.source(sourceName({ ...frame.source, incarnation: frame.finishes }), frame.source.topic).finished = true
    const source = this.source(name, frame.source.topic)
    const { rows } = frame
    if (source.finished) return rows.length
    if (frame.after > source.applied) {
      throw new ClearStop(
        'frames-missing',
        `${name}: a frame follows position ${frame.after}, but only ${source.applied} is applied here`,
      )
    }
    let from = 0
    while (from < rows.length && (rows.position[from] as number) <= source.applied) from++
    if (from < rows.length) source.applied = rows.position[rows.length - 1] as number
    const stale = frame.heartbeat && frame.upto <= source.applied
    if (!stale) {
      if (frame.watermark > source.watermark) source.watermark = frame.watermark
      source.idle = frame.heartbeat
      source.live ||= frame.live
    }
    this.announced.set(frame.source.topic, Math.max(frame.partitions, this.announced.get(frame.source.topic) ?? 0))
    this.clock = Math.max(this.clock, this.lowest())
    return from
  }

  /** True once every source has been heard and has been at the end of its log, since the task opened. */
  get live(): boolean {
    return this.allHeard() && [...this.known.values()].every((source) => source.finished || source.live)
  }

  /** Sets the clock by hand: a task that reads its source directly moves it itself. */
  advance(clock: Millis): void {
    this.clock = Math.max(this.clock, clock)
  }

  private source(name: string, topic: string): SourceState {
    let source = this.known.get(name)
    if (!source) {
      source = { topic, applied: -1, watermark: Number.NEGATIVE_INFINITY, idle: false, live: false, finished: false }
      this.known.set(name, source)
    }
    return source
  }

  private allHeard(): boolean {
    return this.topics.every((topic) => {
      let heard = 0
      for (const source of this.known.values()) if (source.topic === topic && !source.finished) heard++
      return heard >= (this.announced.get(topic) ?? Number.POSITIVE_INFINITY)
    })
  }

  /** The lowest watermark of the sources that are not idle; when all are, the highest of all. */
  private lowest(): Millis {
    if (!this.allHeard()) return Number.NEGATIVE_INFINITY
    let lowest = Number.POSITIVE_INFINITY
    let highest = Number.NEGATIVE_INFINITY
    for (const { finished, idle, watermark } of this.known.values()) {
      if (finished || watermark === Number.NEGATIVE_INFINITY) continue
      highest = Math.max(highest, watermark)
      if (!idle) lowest = Math.min(lowest, watermark)
    }
    return lowest === Number.POSITIVE_INFINITY ? highest : lowest
  }

  encode(to: ByteWriter): void {
    to.double(this.clock)
    to.varint(this.announced.size)
    for (const [topic, partitions] of this.announced) {
      to.text(topic)
      to.varint(partitions)
    }
    to.varint(this.known.size)
    for (const [name, source] of this.known) {
      to.text(name)
      to.text(source.topic)
      to.double(source.applied)
      to.double(source.watermark)
      to.byte((source.idle ? 1 : 0) | (source.finished ? 4 : 0))
    }
  }

  decode(from: ByteReader): void {
    this.clock = from.number()
    for (let n = from.varint(); n > 0; n--) this.announced.set(from.text(), from.varint())
    for (let n = from.varint(); n > 0; n--) {
      const name = from.text()
      const topic = from.text()
      const applied = from.number()
      const watermark = from.number()
      const flags = from.byte()
      this.known.set(name, {
        topic,
        applied,
        watermark,
        idle: (flags & 1) !== 0,
        // as of then: what has come since is not yet read
        live: false,
        finished: (flags & 4) !== 0,
      })
    }
  }
}
