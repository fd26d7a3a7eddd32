import { z } from 'zod'
import { Buckets } from '../core/buckets.ts'
import type { ByteReader, ByteWriter } from '../core/bytes.ts'
import { duration } from '../core/duration.ts'
import type { Aggregation, Column, FeatureSpec, FeatureValue, Millis, Operator, Segments, Slot } from '../core/model.ts'
import type { Part } from '../core/part.ts'
import { operatorText, type Selection, selection } from '../core/selection.ts'

const config = z
  .strictObject({
    tumbling: duration.describe('Length of the windows, which follow on each other: 10m, 1h, 1d.'),
    offset: duration
      .optional()
      .describe('How long after full lengths since 1970-01-01T00:00:00Z windows begin; less than the length.'),
    allowance: duration
      .optional()
      .describe(
        'How long after its end a window still takes events, and says a corrected result; at most the length. Left out, not at all.',
      ),
  })
  .refine(({ tumbling, offset = 0 }) => offset < tumbling, {
    path: ['offset'],
    message: 'offset is not less than the length of the windows',
  })
  .refine(({ tumbling, allowance = 0 }) => allowance <= tumbling, {
    path: ['allowance'],
    message: 'allowance is longer than the windows: by then the next one has taken the place of what it would correct',
  })
type Config = z.output<typeof config>

interface Windows {
  /** Number of the newest window that the clock has passed: the one that is said. */
  closed: number
  readonly buckets: Buckets
}

/** Features whose operators keep the same share accumulators. */
class TumblingSlot implements Slot<Windows> {
  readonly id: string
  readonly columns
  readonly features
  private readonly selected: Selection
  /** By feature; the first stands for all in what they have in common. */
  private readonly operators: readonly Operator[]
  private readonly operator: Operator
  private readonly length: Millis
  private readonly offset: Millis
  private readonly allowance: Millis

  constructor(id: string, specs: readonly FeatureSpec<Config>[]) {
    const [{ operator, config }] = specs as [FeatureSpec<Config>]
    this.id = id
    this.selected = selection(specs[0] as FeatureSpec<Config>)
    this.columns = this.selected.columns
    this.features = specs.map(({ name }) => name)
    this.operators = specs.map((spec) => spec.operator)
    this.operator = operator
    this.length = config.tumbling
    this.offset = config.offset ?? 0
    this.allowance = config.allowance ?? 0
  }

  /** Number of the window that a time is in. */
  private numberOf(time: Millis): number {
    return Math.floor((time - this.offset) / this.length)
  }

  private endOf(number: number): Millis {
    return (number + 1) * this.length + this.offset
  }

  private buckets(): Buckets {
    return new Buckets(this.operator, this.selected.values)
  }

  create(): Windows {
    return { closed: Number.NEGATIVE_INFINITY, buckets: this.buckets() }
  }

  add(
    { buckets }: Windows,
    columns: readonly (Column | undefined)[],
    row: number,
    time: Millis,
    tie: number,
    clock: Millis,
  ): void {
    if (this.isTooLate(time, clock) || !this.selected.takes(columns, row)) return
    const value = this.selected.value(columns, row)
    if (!Number.isNaN(value)) buckets.add(this.numberOf(time), value, time, tie)
  }

  isLate(columns: readonly (Column | undefined)[], row: number, time: Millis, clock: Millis): boolean {
    if (!this.isTooLate(time, clock) || !this.selected.takes(columns, row)) return false
    return !Number.isNaN(this.selected.value(columns, row))
  }

  private isTooLate(time: Millis, clock: Millis): boolean {
    return this.endOf(this.numberOf(time)) + this.allowance <= clock
  }

  /** An allowance is never longer than a window, so what is before the newest closed one takes no more events. */
  expire(windows: Windows, clock: Millis): void {
    const closed = this.numberOf(clock) - 1
    if (!(closed > windows.closed)) return
    windows.closed = closed
    windows.buckets.drop(closed)
  }

  /** The closing after the one that is said, where that has events; else that of the first window that has. */
  nextExpiry({ closed, buckets }: Windows): Millis {
    const first = buckets.firstFrom(closed)
    if (first === undefined) return Number.POSITIVE_INFINITY
    return this.endOf(first === closed ? closed + 1 : first)
  }

  isEmpty({ buckets }: Windows): boolean {
    return buckets.isEmpty
  }

  results({ closed, buckets }: Windows, _now: Millis, out: FeatureValue[], at: number): void {
    const acc = buckets.get(closed)
    for (const operator of this.operators)
      out[at++] = acc === undefined ? operator.empty : operator.result(acc, this.length)
  }

  encode({ closed, buckets }: Windows, to: ByteWriter): void {
    to.double(closed)
    buckets.encode(to)
  }

  decode(from: ByteReader): Windows {
    const closed = from.double()
    if (!Number.isInteger(closed) && closed !== Number.NEGATIVE_INFINITY)
      throw new RangeError(`${closed} is the number of no window`)
    return { closed, buckets: this.buckets().decode(from) }
  }

  readonly segments: Segments<Windows> = {
    missing: ({ buckets }) => buckets.missing(),
    attach: ({ buckets }, name, bytes) => buckets.attach(name, bytes),
    changed: ({ buckets }) => buckets.changed(),
  }
}

const tumbling: Aggregation<Config> = {
  memory: 'span',
  expressions: {},
  slots: (features) => {
    const idOf = (spec: FeatureSpec<Config>) => {
      const { tumbling, offset = 0, allowance = 0 } = spec.config
      return `tumbling/1 ${tumbling}+${offset} allowance=${allowance} ${operatorText(spec)} ${selection(spec).text}`.trim()
    }
    return [...Map.groupBy(features, idOf)].map(([id, specs]) => new TumblingSlot(id, specs))
  },
}

const part: Part<Config, Aggregation<Config>> = {
  summary:
    'The newest window that is over, of windows that follow on each other: said once it has closed, and held until the next closes.',
  config,
  example: 'orders_hourly: { tumbling: 1h, allowance: 5m, as: count, when: event.type == "ORDER_CREATED" }',
  notes: `Window k has the events with k · length + offset ≤ time < (k + 1) · length + offset, in milliseconds since
1970-01-01T00:00:00Z: hours and days begin as in UTC, weeks (7d) on Thursdays. It closes when the task's clock reaches its end,
also with no new event; what is said then holds until the next window closes, and goes back to the value over nothing when
that one has no event. An event of a closed window within \`allowance\` gives a corrected result at once. One that comes later
still is late: it is not counted, and goes to the dead letters with the code \`late\`, with its key, its time and what the topology
read of it, under a name that is the same each time. An event too late for one feature may be in time for another.

In any order of arrival the result is that of the set of events that came in time. When the clock passes several windows in
one step, as while catching up, only the newest of them is said. Keeps an accumulator per window that has not closed and
the one that is said: two, and more while some of a key's events are ahead of the clock. Changing length, offset, allowance or
operator begins anew.`,
  open: () => tumbling,
}
export default part
