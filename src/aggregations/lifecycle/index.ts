import type { ByteReader, ByteWriter } from '../../core/bytes.ts'
import type {
  Aggregation,
  Column,
  ColumnSpec,
  FeatureSpec,
  FeatureValue,
  Millis,
  Slot,
  Value,
} from '../../core/model.ts'
import type { Part } from '../../core/part.ts'
import { type Selection, selection, slotText } from '../../core/selection.ts'
import { DurationsSlot } from './durations.ts'
import { type Entry, Ids, INLINE_IDS, SEGMENTS_OF_IDS } from './ids.ts'
import { type Config, columnsOf, config, EVERY, EXPRESSIONS } from './settings.ts'

/** Features over the same ids and values share what is known of them, for the longest `maxAge`. */
class LifecycleSlot implements Slot<Ids> {
  readonly id: string
  readonly columns: readonly ColumnSpec[]
  readonly features
  private readonly selected: Selection
  private readonly specs: readonly FeatureSpec<Config>[]
  private readonly ages: readonly Millis[]
  /** How often ages are told. */
  private readonly told: readonly Millis[]
  private readonly longest: Millis
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
    this.ages = [...new Set(specs.map((spec) => spec.config.maxAge))]
    this.longest = Math.max(...this.ages)
    const aged = specs.filter((spec) => spec.config.measure === 'age')
    this.told = [...new Set(aged.map(({ config }) => config.every ?? EVERY))]
  }

  create(): Ids {
    return new Ids(this.longest, this.selected.values)
  }

  add(ids: Ids, columns: readonly (Column | undefined)[], row: number, time: Millis, tie: number, clock: Millis): void {
    const { idAt } = this
    if (time <= clock - this.longest || !this.selected.takes(columns, row)) return
    const closes = columns[idAt + 2]?.[row] === 1
    if (!closes && columns[idAt + 1]?.[row] !== 1) return
    const id = columns[idAt]?.[row]
    if (typeof id === 'string') ids.see(id, time, tie, closes, closes ? 0 : this.selected.value(columns, row))
  }

  expire(ids: Ids, clock: Millis): void {
    ids.drop(clock - this.longest)
  }

  /**
   * Ages change every so often while anything is open. Without open ids no result changes any more, but the closed ones are
   * to be forgotten: then the time at which the clock will have passed all of them.
   */
  nextExpiry(ids: Ids, now: Millis): Millis {
    let next = Number.POSITIVE_INFINITY
    if (this.isEmpty(ids)) return next
    for (const { time } of ids.open) {
      for (const maxAge of this.ages) if (time + maxAge > now) next = Math.min(next, time + maxAge)
    }
    if (next < Number.POSITIVE_INFINITY)
      for (const every of this.told) next = Math.min(next, toldAt(every, now) + every)
    if (next < Number.POSITIVE_INFINITY) return next
    const forgotten = ids.newest + this.longest
    return forgotten > now ? forgotten : now + this.longest
  }

  isEmpty(ids: Ids): boolean {
    return ids.isEmpty
  }

  results(ids: Ids, now: Millis, out: FeatureValue[], at: number): void {
    for (const { operator, config } of this.specs) {
      const acc = operator.create()
      const measure = config.measure === 'age' ? ageAt(toldAt(config.every ?? EVERY, now)) : ownValue
      for (const entry of ids.open) {
        const value = measure(entry)
        if (entry.time > now - config.maxAge && !Number.isNaN(value)) operator.add(acc, value, entry.time, entry.tie)
      }
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

/** The newest of the times, `every` apart, at which ages are told. */
const toldAt = (every: Millis, now: Millis): Millis => Math.floor(now / every) * every

const ownValue = ({ value }: Entry): Value => value

/** Seconds since the opening; 0 of what was opened after `at`. */
const ageAt =
  (at: Millis) =>
  ({ time }: Entry): Value =>
    Math.max(0, at - time) / 1_000

const lifecycle: Aggregation<Config> = {
  memory: 'open',
  expressions: EXPRESSIONS,
  measures: ({ measure }) => measure !== undefined,
  slots: (features) => {
    const idOf = (spec: FeatureSpec<Config>) => {
      const { lifecycle, opens, closes } = spec.columns
      const of = spec.config.measure === 'duration' ? 'durations of ' : ''
      return `lifecycle/1 ${of}${slotText({ id: lifecycle, opens, closes })} ${selection(spec).text}`.trim()
    }
    return [...Map.groupBy(features, idOf)].map(([id, specs]) =>
      specs[0]?.config.measure === 'duration' ? new DurationsSlot(id, specs) : new LifecycleSlot(id, specs),
    )
  },
}

const part: Part<Config, Aggregation<Config>> = {
  summary: 'The things that are open now: between an event that opens an id and one that closes it.',
  config,
  example:
    'unpicked_orders: { lifecycle: event.orderId, opens: event.type == "ORDER_CREATED", closes: event.type == "ORDER_PICKED", as: count }',
  notes: `An id's newest event by event time decides, also when the closing event arrives first; of events at one time the
closing one. An event that opens and closes closes. An open id leaves by itself \`maxAge\` after its opening; events
that old are ignored on arrival. With \`of\`, the values that opening events brought are aggregated; an opening without that
value is not counted.

With \`measure: age\` the values are the seconds since each open id was opened, as of the newest full \`every\` since
1970-01-01T00:00:00Z (0 of what was opened since): so a value is a function of the events and the time, and only changes
with an event, when an id leaves, or at the next \`every\`, when each entity with open ids is evaluated and said again.

With \`measure: duration\` they are the seconds from the newest opening to the newest closing of each id that is closed, where the
closing is within \`maxAge\` and took less than \`maxAge\`. Also here the closing may arrive first. An id that is opened again
counts again once it is closed. Remembers ids for twice \`maxAge\`, and goes through all of them for every result: a
\`maxAge\` little longer than things take is best.

Keeps the id and about 10 bytes for every id seen within \`maxAge\`, in segments once there are more
than ${INLINE_IDS}.`,
  open: () => lifecycle,
}
export default part
