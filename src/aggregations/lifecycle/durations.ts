import type { ByteReader, ByteWriter } from '../../core/bytes.ts'
import type { Column, FeatureSpec, FeatureValue, Millis, Slot } from '../../core/model.ts'
import { type Selection, selection } from '../../core/selection.ts'
import { type Entry, Ids, SEGMENTS_OF_IDS } from './ids.ts'
import { type Config, columnsOf } from './settings.ts'

/**
 * How long things took that were closed within `maxAge`. An opening matters for up to `maxAge` before a closing that itself
 * matters for `maxAge`, so events are remembered for twice the longest.
 */
export class DurationsSlot implements Slot<Ids> {
  readonly id: string
  readonly columns
  readonly features
  private readonly selected: Selection
  private readonly specs: readonly FeatureSpec<Config>[]
  private readonly kept: Millis
  /** Index of the id's column; those of `opens` and `closes` follow. */
  private readonly idAt: number

  constructor(id: string, specs: readonly FeatureSpec<Config>[]) {
    const [first] = specs as [FeatureSpec<Config>]
    this.id = id
    this.selected = selection(first)
    this.idAt = this.selected.columns.length
    this.columns = [...this.selected.columns, ...columnsOf(first)]
    this.features = specs.map(({ name }) => name)
    this.specs = specs
    this.kept = 2 * Math.max(...specs.map(({ config }) => config.maxAge))
  }

  create(): Ids {
    return new Ids(this.kept, 'number', true)
  }

  add(ids: Ids, columns: readonly (Column | undefined)[], row: number, time: Millis, tie: number, clock: Millis): void {
    const { idAt } = this
    if (time <= clock - this.kept || !this.selected.takes(columns, row)) return
    const closes = columns[idAt + 2]?.[row] === 1
    if (!closes && columns[idAt + 1]?.[row] !== 1) return
    const id = columns[idAt]?.[row]
    if (typeof id === 'string') ids.see(id, time, tie, closes, Number.NaN)
  }

  expire(ids: Ids, clock: Millis): void {
    ids.drop(clock - this.kept)
  }

  /** Once nothing counts any more, the time at which the clock will have passed all that is remembered. */
  nextExpiry(ids: Ids, now: Millis): Millis {
    let next = Number.POSITIVE_INFINITY
    if (ids.isEmpty) return next
    for (const { config } of this.specs)
      for (const entry of ids.all)
        if (counts(entry, config.maxAge, now)) next = Math.min(next, entry.time + config.maxAge)
    if (next < Number.POSITIVE_INFINITY) return next
    const forgotten = ids.newest + this.kept
    return forgotten > now ? forgotten : now + this.kept
  }

  isEmpty(ids: Ids): boolean {
    return ids.isEmpty
  }

  results(ids: Ids, now: Millis, out: FeatureValue[], at: number): void {
    for (const { operator, config } of this.specs) {
      const acc = operator.create()
      for (const entry of ids.all)
        if (counts(entry, config.maxAge, now))
          operator.add(acc, (entry.time - (entry.value as number)) / 1_000, entry.time, entry.tie)
      out[at++] = operator.result(acc, Number.NaN)
    }
  }

  encode(ids: Ids, to: ByteWriter): void {
    ids.encode(to)
  }

  decode(from: ByteReader): Ids {
    return this.create().decode(from)
  }

  readonly segments = SEGMENTS_OF_IDS
}

/** Was it closed within `maxAge`, and had been opened within `maxAge` before? False where its opening is not known. */
const counts = ({ closes, time, value }: Entry, maxAge: Millis, now: Millis): boolean =>
  closes && time > now - maxAge && time - (value as number) < maxAge
