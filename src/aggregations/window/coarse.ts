import { Buckets } from '../../core/buckets.ts'
import type { ByteReader, ByteWriter } from '../../core/bytes.ts'
import type { Column, FeatureSpec, FeatureValue, Millis, Operator, Segments, Slot } from '../../core/model.ts'
import { type Selection, selection } from '../../core/selection.ts'

/** Most stretches that a window is cut into. */
export const MOST_BUCKETS = 1_000

/** Windows of any length, of one operator over the same values, share accumulators over stretches of `resolution`. */
export class CoarseSlot implements Slot<Buckets> {
  readonly id: string
  readonly columns
  readonly features
  private readonly selected: Selection
  /** By feature; the first stands for all in what they have in common. */
  private readonly operators: readonly Operator[]
  private readonly operator: Operator
  private readonly resolution: Millis
  /** Length of each feature's window. */
  private readonly windows: readonly Millis[]
  private readonly longest: Millis

  constructor(id: string, specs: readonly FeatureSpec<{ readonly window: Millis }>[], resolution: Millis) {
    const [first] = specs as [FeatureSpec]
    this.id = id
    this.selected = selection(first)
    this.columns = this.selected.columns
    this.features = specs.map(({ name }) => name)
    this.operators = specs.map(({ operator }) => operator)
    this.operator = first.operator
    this.resolution = resolution
    this.windows = specs.map(({ config }) => config.window)
    this.longest = Math.max(...this.windows)
  }

  private bucketOf(time: Millis): number {
    return Math.floor(time / this.resolution)
  }

  /** The first that has a millisecond of the window in it. */
  private firstIn(window: Millis, now: Millis): number {
    return this.bucketOf(now - window + 1)
  }

  create(): Buckets {
    return new Buckets(this.operator, this.selected.values)
  }

  add(
    buckets: Buckets,
    columns: readonly (Column | undefined)[],
    row: number,
    time: Millis,
    tie: number,
    clock: Millis,
  ): void {
    const bucket = this.bucketOf(time)
    if (bucket < this.firstIn(this.longest, clock) || !this.selected.takes(columns, row)) return
    const value = this.selected.value(columns, row)
    if (!Number.isNaN(value)) buckets.add(bucket, value, time, tie)
  }

  expire(buckets: Buckets, clock: Millis): void {
    buckets.drop(this.firstIn(this.longest, clock))
  }

  /** When all have left but the clock has not passed them yet: a time by which it will have, to be rid of them. */
  nextExpiry(buckets: Buckets, now: Millis): Millis {
    let next = Number.POSITIVE_INFINITY
    if (buckets.isEmpty) return next
    for (const window of this.windows) {
      const first = buckets.firstFrom(this.firstIn(window, now))
      if (first !== undefined) next = Math.min(next, (first + 1) * this.resolution + window - 1)
    }
    return next === Number.POSITIVE_INFINITY ? now + this.longest + this.resolution : next
  }

  isEmpty(buckets: Buckets): boolean {
    return buckets.isEmpty
  }

  results(buckets: Buckets, now: Millis, out: FeatureValue[], at: number): void {
    for (const [i, window] of this.windows.entries())
      out[at++] = (this.operators[i] as Operator).result(buckets.allFrom(this.firstIn(window, now)), window)
  }

  encode(buckets: Buckets, to: ByteWriter): void {
    buckets.encode(to)
  }

  decode(from: ByteReader): Buckets {
    return this.create().decode(from)
  }

  readonly segments: Segments<Buckets> = {
    missing: (buckets) => buckets.missing(),
    attach: (buckets, name, bytes) => buckets.attach(name, bytes),
    changed: (buckets) => buckets.changed(),
  }
}
