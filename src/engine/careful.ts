/**
 * When code of one's own has failed in a batch: the rows again, one at a time, each with a copy of its key's memory to go back
 * to. A row that fails alone leaves no trace in any feature and goes to the dead letters. Since the code is a function of
 * its input, a repetition after a crash finds the same ones.
 */
import { ClearStop, type RecordError } from '../core/errors.ts'
import type { Millis, Reducer } from '../core/model.ts'
import { type Cause, Computed, evaluate, rowTaker, sayRow, segmentKey } from './compute.ts'
import type { DeadLetter } from './dead-letters.ts'
import { rowLetter } from './late.ts'
import type { Attempt, OwnCalls } from './own-code.ts'
import type { NewRows } from './rows-by-key.ts'

/** The bytes of a key. `main` is undefined where nothing is known of it. */
export interface Image {
  readonly main: Uint8Array | undefined
  readonly segments: ReadonlyMap<string, Uint8Array>
}

export interface CarefulWork {
  readonly topology: string
  readonly frames: readonly NewRows[]
  /** As committed: of every key that has rows or is due. */
  readonly images: ReadonlyMap<string, Image>
  readonly due: ReadonlySet<string>
  readonly each: boolean
  readonly clock: Millis
}

/** A key after one more row. */
interface Taken {
  readonly image: Image
  readonly told: Computed
}

/** Others get their turn after so long. */
const BREATH: Millis = 20

/**
 * Computes as `compute` does, without the rows that fail. `renew` makes a reducer, since one that was ended in the midst of something
 * is good for nothing any more. Throws a clear stop where failures shall stop the task.
 */
export async function computeCarefully<S>(
  renew: () => Reducer<S>,
  calls: OwnCalls,
  work: CarefulWork,
): Promise<{ readonly computed: Computed; readonly states: ReadonlyMap<string, S> }> {
  const careful = new Careful(renew, calls, work)
  await careful.applyAll()
  await careful.evaluateAll()
  return careful
}

class Careful<S> {
  readonly computed = new Computed()
  readonly states = new Map<string, S>()
  private readonly renew: () => Reducer<S>
  private readonly calls: OwnCalls
  private readonly work: CarefulWork
  private reducer: Reducer<S>
  /** Of keys that have taken a row, as they are since. */
  private readonly images = new Map<string, Image>()
  private readonly causes = new Map<string, Cause>()
  private restedAt: Millis

  constructor(renew: () => Reducer<S>, calls: OwnCalls, work: CarefulWork) {
    this.renew = renew
    this.calls = calls
    this.work = work
    this.reducer = renew()
    this.restedAt = calls.clock.monotonic()
  }

  async applyAll(): Promise<void> {
    for (const frame of this.work.frames) {
      const { rows } = frame
      for (let row = frame.from; row < rows.length; row++) {
        const key = rows.keys[rows.keyOf[row] as number] as string
        const result = this.attempt(key, () => this.take(frame, row, key))
        if ('answer' in result) this.keep(key, { frame, row }, result.answer)
        else this.refuse(rowLetter(this.work.topology, frame.source, rows, row, 'part', result.failure))
        await this.breathe()
      }
    }
  }

  async evaluateAll(): Promise<void> {
    const { images, due, clock } = this.work
    for (const [key, before] of images) {
      if (!this.causes.has(key) && !due.has(key)) continue
      const result = this.attempt(key, () => {
        const told = new Computed(this.computed.saidAt)
        evaluate(this.reducer, key, this.stateOf(key), clock, this.causes.get(key), told)
        return told
      })
      this.changes(key, before)
      if ('answer' in result) this.tell(result.answer)
      else this.giveUp(key, before, result.failure)
      await this.breathe()
    }
  }

  /** Runs what changes nothing but the key's state; what fails is undone, and answered. It may be ended at any point. */
  private attempt<T>(key: string, call: () => T, patience?: Millis): Attempt<T> {
    const result = this.calls.attempt(call, patience)
    if ('answer' in result) return result
    this.states.delete(key)
    this.reducer = this.renew()
    // a machine that is short of time may end what is right
    const again = result.failure.code === 'part-timeout' && patience === undefined
    return again ? this.attempt(key, call, 2 * this.calls.own.timeout) : result
  }

  /** Applies one row, and tries all that may be asked of the key then on a copy. */
  private take(frame: NewRows, row: number, key: string): Taken {
    const { topology, clock, each } = this.work
    const told = new Computed()
    const state = this.stateOf(key)
    const reached = rowTaker(topology, this.reducer, frame, told)(state, row)
    if (each) sayRow(this.reducer, key, state, reached, { frame, row }, told)
    const { main, segments } = this.reducer.encode(state)
    const image = { main, segments: new Map(this.imageOf(key).segments) }
    for (const [name, bytes] of segments)
      if (bytes) image.segments.set(name, bytes)
      else image.segments.delete(name)
    evaluate(this.reducer, key, this.decode(image), clock, { frame, row }, new Computed())
    return { image, told }
  }

  private keep(key: string, cause: Cause, { image, told }: Taken): void {
    this.images.set(key, image)
    this.causes.set(key, cause)
    this.computed.emissions.push(...told.emissions)
    for (const [said, at] of told.saidAt) this.computed.saidAt.set(said, at)
    this.computed.late += told.late
    this.computed.letters.push(...told.letters)
  }

  private stateOf(key: string): S {
    const state = this.states.get(key) ?? this.decode(this.imageOf(key))
    this.states.set(key, state)
    return state
  }

  private imageOf(key: string): Image {
    return this.images.get(key) ?? (this.work.images.get(key) as Image)
  }

  private decode({ main, segments }: Image): S {
    const { reducer } = this
    if (main === undefined) return reducer.create()
    const state = reducer.decode(main)
    for (const name of reducer.missing(state)) reducer.attach(state, name, segments.get(name) as Uint8Array)
    return state
  }

  /** Segments that the rows have changed on the way. */
  private changes(key: string, before: Image): void {
    const { segments } = this.imageOf(key)
    for (const [name, bytes] of segments)
      if (before.segments.get(name) !== bytes) this.computed.bytes.set(segmentKey(key, name), bytes)
    for (const name of before.segments.keys())
      if (!segments.has(name)) this.computed.bytes.set(segmentKey(key, name), null)
  }

  private tell({ bytes, timers, emissions, spent }: Computed): void {
    for (const [name, part] of bytes) this.computed.bytes.set(name, part)
    for (const [name, due] of timers) this.computed.timers.set(name, due)
    this.computed.emissions.push(...emissions)
    this.computed.spent.push(...spent)
  }

  /** A key that can't be evaluated though no row came would fail for ever: its memory goes to the dead letters, and it begins anew. */
  private giveUp(key: string, before: Image, error: RecordError): void {
    const { topology, clock } = this.work
    const record = { position: 0, timestamp: Math.max(0, clock), key: Buffer.from(key), value: null, headers: {} }
    const value = before.main === undefined ? null : Buffer.from(before.main)
    this.refuse({
      topology,
      source: { topic: 'state', partition: 0, incarnation: '' },
      record: { ...record, value },
      name: `key/${key}@${clock}`,
      error,
    })
    this.computed.bytes.set(key, null)
    for (const name of new Set([...before.segments.keys(), ...this.imageOf(key).segments.keys()]))
      this.computed.bytes.set(segmentKey(key, name), null)
    this.computed.timers.set(key, Number.POSITIVE_INFINITY)
    this.computed.spent.push(key)
    this.computed.emissions.push({ key, at: Math.max(0, clock), values: null, cause: `t${clock}` })
  }

  private refuse(letter: DeadLetter): void {
    const { error, source, record } = letter
    if (this.calls.own.stops)
      throw new ClearStop(error.code, `${source.topic}/${source.partition}@${record.position}: ${error.message}`)
    this.computed.letters.push(letter)
  }

  private async breathe(): Promise<void> {
    const { clock } = this.calls
    if (clock.monotonic() - this.restedAt < BREATH) return
    await clock.wait(0)
    this.restedAt = clock.monotonic()
  }
}
