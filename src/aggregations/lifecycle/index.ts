import { z } from 'zod'
import type { ByteReader, ByteWriter } from '../../core/bytes.ts'
import { duration } from '../../core/duration.ts'
import type {
  Aggregation,
  Column,
  ColumnSpec,
  FeatureSpec,
  FeatureValue,
  Millis,
  Segments,
  Slot,
} from '../../core/model.ts'
import type { Part } from '../../core/part.ts'
import { type Selection, selection, slotText } from '../../core/selection.ts'
import { Ids } from './ids.ts'

const config = z.strictObject({
  lifecycle: z.unknown().describe('Expression: the id of the thing that is opened and closed, a text.'),
  opens: z.unknown().describe('Expression: true for the event that opens it.'),
  closes: z.unknown().describe('Expression: true for the events that close it.'),
  maxAge: duration
    .default(86_400_000)
    .describe('How long after its opening a thing counts at most, and how long its closing is remembered; 24h.'),
})
type Config = z.output<typeof config>

/** Features over the same ids and values share what is known of them, for the longest `maxAge`. */
class LifecycleSlot implements Slot<Ids> {
  readonly id: string
  readonly columns: readonly ColumnSpec[]
  readonly features
  private readonly selected: Selection
  private readonly specs: readonly FeatureSpec<Config>[]
  private readonly ages: readonly Millis[]
  private readonly longest: Millis
  /** Index of the id's column; those of `opens` and `closes` follow. */
  private readonly idAt: number

  constructor(id: string, specs: readonly FeatureSpec<Config>[]) {
    const [{ columns: names }] = specs as [FeatureSpec<Config>]
    this.id = id
    this.selected = selection(specs[0] as FeatureSpec<Config>)
    this.idAt = this.selected.columns.length
    this.columns = [
      ...this.selected.columns,
      ...Object.entries(lifecycle.expressions).map(([key, kind]) => ({ id: names[key] as string, kind })),
    ]
    this.features = specs.map(({ name }) => name)
    this.specs = specs
    this.ages = [...new Set(specs.map((spec) => spec.config.maxAge))]
    this.longest = Math.max(...this.ages)
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
   * Without open ids no result changes any more, but the closed ones are to be forgotten: then the time at which the
   * clock will have passed all of them.
   */
  nextExpiry(ids: Ids, now: Millis): Millis {
    let next = Number.POSITIVE_INFINITY
    if (this.isEmpty(ids)) return next
    for (const { time } of ids.open) {
      for (const maxAge of this.ages) if (time + maxAge > now) next = Math.min(next, time + maxAge)
    }
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
      for (const { time, tie, value } of ids.open)
        if (time > now - config.maxAge && !Number.isNaN(value)) operator.add(acc, value, time, tie)
      out[at++] = operator.result(acc, Number.NaN)
    }
  }

  encode(ids: Ids, to: ByteWriter): void {
    ids.encode(to)
  }

  decode(from: ByteReader): Ids {
    return this.create().decode(from)
  }

  readonly segments: Segments<Ids> = {
    missing: (ids) => ids.missing(),
    attach: (ids, name, bytes) => ids.attach(name, bytes),
    changed: (ids) => ids.changed(),
  }
}

const lifecycle: Aggregation<Config> = {
  memory: 'open',
  expressions: { lifecycle: 'text', opens: 'flag', closes: 'flag' },
  slots: (features) => {
    const idOf = (spec: FeatureSpec<Config>) => {
      const { lifecycle, opens, closes } = spec.columns
      return `lifecycle/1 ${slotText({ id: lifecycle, opens, closes })} ${selection(spec).text}`.trim()
    }
    return [...Map.groupBy(features, idOf)].map(([id, specs]) => new LifecycleSlot(id, specs))
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
value is not counted. Keeps the id and about 10 bytes for every id seen within \`maxAge\`, in segments once there are more
than 512.`,
  open: () => lifecycle,
}
export default part
