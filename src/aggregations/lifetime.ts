import { z } from 'zod'
import type { ByteReader, ByteWriter } from '../core/bytes.ts'
import type { Aggregation, Column, FeatureSpec, FeatureValue, Millis, Operator, Slot } from '../core/model.ts'
import type { Part } from '../core/part.ts'
import { operatorText, type Selection, selection } from '../core/selection.ts'

const config = z.strictObject({
  lifetime: z.literal(true).describe('true: every event since the topology began counts, for ever.'),
})
type Config = z.output<typeof config>

/** `acc` is undefined until the first event. */
interface Total {
  acc: unknown
}

/** Features whose operators keep the same share one accumulator. */
class LifetimeSlot implements Slot<Total> {
  readonly id: string
  readonly columns
  readonly features
  private readonly selected: Selection
  /** By feature; the first stands for all in what they have in common. */
  private readonly operators: readonly Operator[]
  private readonly operator: Operator

  constructor(id: string, specs: readonly FeatureSpec<Config>[]) {
    const [first] = specs as [FeatureSpec<Config>]
    this.id = id
    this.selected = selection(first)
    this.columns = this.selected.columns
    this.features = specs.map(({ name }) => name)
    this.operators = specs.map(({ operator }) => operator)
    this.operator = first.operator
  }

  create(): Total {
    return { acc: undefined }
  }

  add(total: Total, columns: readonly (Column | undefined)[], row: number, time: Millis, tie: number): void {
    if (!this.selected.takes(columns, row)) return
    const value = this.selected.value(columns, row)
    if (Number.isNaN(value)) return
    total.acc ??= this.operator.create()
    this.operator.add(total.acc, value, time, tie)
  }

  expire(): void {
    // nothing is ever too old for a lifetime
  }

  nextExpiry(): Millis {
    return Number.POSITIVE_INFINITY
  }

  isEmpty(total: Total): boolean {
    return total.acc === undefined
  }

  results({ acc }: Total, _now: Millis, out: FeatureValue[], at: number): void {
    for (const operator of this.operators)
      out[at++] = acc === undefined ? operator.empty : operator.result(acc, Number.NaN)
  }

  encode({ acc }: Total, to: ByteWriter): void {
    to.byte(acc === undefined ? 0 : 1)
    if (acc !== undefined) this.operator.encode(acc, to)
  }

  decode(from: ByteReader): Total {
    return { acc: from.byte() === 0 ? undefined : this.operator.decode(from, this.selected.values) }
  }
}

const lifetime: Aggregation<Config> = {
  memory: 'all',
  expressions: {},
  slots: (features) => {
    const idOf = (spec: FeatureSpec<Config>) => `lifetime/1 ${operatorText(spec)} ${selection(spec).text}`.trim()
    return [...Map.groupBy(features, idOf)].map(([id, specs]) => new LifetimeSlot(id, specs))
  },
}

const part: Part<Config, Aggregation<Config>> = {
  summary: 'Every event there ever was.',
  config,
  example: 'delivered_total: { lifetime: true, as: count, when: event.type == "ORDER_DELIVERED" }',
  notes: `Counts from when the feature was declared, and from where the topology began to read. Only the operator's
accumulator is kept, a few bytes per key for most, kilobytes for some (their notes say it); nothing expires.`,
  open: () => lifetime,
}
export default part
