import { z } from 'zod'
import type { ByteReader, ByteWriter } from '../core/bytes.ts'
import type { Aggregation, Column, FeatureSpec, FeatureValue, Millis, Operator, Slot, Value } from '../core/model.ts'
import { pack, unpack, unpackAscending } from '../core/packing.ts'
import type { Part } from '../core/part.ts'
import { type Selection, selection } from '../core/selection.ts'
import { copyValues, newValues, packValues, unpackValues, type Values } from '../core/values.ts'

const MOST_EVENTS = 10_000

const config = z.strictObject({
  last: z.int().min(1).max(MOST_EVENTS).describe(`How many of the newest events count: 1 to ${MOST_EVENTS}.`),
})
type Config = z.output<typeof config>

/** An accumulator over the events at `from` to `to - 1`, of which some may have been pushed out meanwhile. */
interface Taken {
  readonly acc: unknown
  from: number
  to: number
}

/** Whole numbers up to this may be taken back: ten thousand of them, and of their squares, are summed without rounding. */
const MOST_WHOLE = 2 ** 40

/**
 * The newest events, oldest first by (time, tie), at `from` to `to - 1` of the arrays. Appending moves `to`, dropping
 * the oldest moves `from`; when the arrays end, they grow or their content moves to the front.
 */
class Newest {
  from = 0
  to = 0
  times: Float64Array
  ties: Float64Array
  /** Undefined where events have no value of their own. */
  values: Values | undefined
  /** Results per feature; the same array for as long as the key is in memory. */
  results: FeatureValue[] | undefined
  /** Are `results` of all events that are here? */
  isCurrent = false
  /** By number of the feature: what its operator has taken; undefined where nothing may be taken back. */
  taken: (Taken | undefined)[] | undefined

  constructor(capacity: number, values: Selection['values']) {
    this.times = new Float64Array(capacity)
    this.ties = new Float64Array(capacity)
    this.values = values && newValues(values, capacity)
  }

  /** Answers its place; undefined where `most` newer ones are kept. */
  insert(time: Millis, tie: number, value: Value, most: number): number | undefined {
    const full = this.to - this.from === most
    if (full && this.isOlder(time, tie, this.from)) return undefined
    this.isCurrent = false
    if (this.to === this.times.length) this.makeRoom()
    if (full) this.from++
    let at = this.to
    while (at > this.from && this.isOlder(time, tie, at - 1)) at--
    if (at < this.to) {
      this.times.copyWithin(at + 1, at, this.to)
      this.ties.copyWithin(at + 1, at, this.to)
      this.values?.copyWithin(at + 1, at, this.to)
    }
    this.to++
    this.times[at] = time
    this.ties[at] = tie
    if (this.values) this.values[at] = value
    return at
  }

  private isOlder(time: Millis, tie: number, than: number): boolean {
    const other = this.times[than] as number
    return time < other || (time === other && tie < (this.ties[than] as number))
  }

  private makeRoom(): void {
    const count = this.to - this.from
    // as much again as needed, so that moving to the front is rare
    const capacity = count * 2
    this.times = moved(this.times, this.from, this.to, capacity) as Float64Array
    this.ties = moved(this.ties, this.from, this.to, capacity) as Float64Array
    this.values &&= moved(this.values, this.from, this.to, capacity)
    for (const [number, known] of this.taken?.entries() ?? []) {
      if (!known) continue
      if (known.from < this.from) {
        // what was pushed out and not yet taken back is gone
        ;(this.taken as (Taken | undefined)[])[number] = undefined
      } else {
        known.from -= this.from
        known.to -= this.from
      }
    }
    this.from = 0
    this.to = count
  }
}

/** The same array where it is as large as wanted. */
function moved(array: Values, from: number, to: number, capacity: number): Values {
  if (capacity > array.length) return copyValues(array, from, to, capacity)
  array.copyWithin(0, from, to)
  return array
}

/** Features over the same values share the events of the longest. */
class LastSlot implements Slot<Newest> {
  readonly id: string
  readonly columns
  readonly features
  private readonly selected: Selection
  private readonly specs: readonly FeatureSpec<Config>[]
  private readonly most: number

  constructor(id: string, specs: readonly FeatureSpec<Config>[]) {
    this.id = id
    this.selected = selection(specs[0] as FeatureSpec<Config>)
    this.columns = this.selected.columns
    this.features = specs.map(({ name }) => name)
    this.specs = specs
    this.most = Math.max(...specs.map((spec) => spec.config.last))
  }

  create(): Newest {
    return new Newest(Math.min(8, this.most + 1), this.selected.values)
  }

  add(newest: Newest, columns: readonly (Column | undefined)[], row: number, time: Millis, tie: number): void {
    if (!this.selected.takes(columns, row)) return
    const value = this.selected.value(columns, row)
    if (Number.isNaN(value)) return
    const at = newest.insert(time, tie, value, this.most)
    if (at === undefined || at === newest.to - 1 || !newest.taken) return
    for (const [i, { operator }] of this.specs.entries()) {
      const known = newest.taken[i]
      if (known && !squeeze(operator, known, at, value, time, tie)) newest.taken[i] = undefined
    }
  }

  expire(): void {
    // only newer events push older ones out
  }

  nextExpiry(): Millis {
    return Number.POSITIVE_INFINITY
  }

  isEmpty({ from, to }: Newest): boolean {
    return from === to
  }

  results(newest: Newest, _now: Millis, out: FeatureValue[], at: number): void {
    const { specs } = this
    newest.results ??= new Array(specs.length)
    newest.taken ??= new Array(specs.length)
    const { results, taken } = newest
    for (let i = 0; i < specs.length; i++) {
      if (!newest.isCurrent) results[i] = resultOf(specs[i] as FeatureSpec<Config>, i, newest, taken)
      out[at++] = results[i] as FeatureValue
    }
    newest.isCurrent = true
  }

  encode({ from, to, times, ties, values }: Newest, writer: ByteWriter): void {
    writer.varint(to - from)
    if (from === to) return
    pack(times, from, to, writer)
    pack(ties, from, to, writer)
    if (values) packValues(values, from, to, writer)
  }

  /** Of more events than a later definition asks for, the newest stay. */
  decode(reader: ByteReader): Newest {
    const count = reader.varint()
    if (count === 0) return this.create()
    if (count > MOST_EVENTS) throw new RangeError(`${count} events, at most ${MOST_EVENTS} are kept`)
    const newest = new Newest(count + 1, this.selected.values)
    unpackAscending(reader, newest.times, count)
    unpack(reader, newest.ties, count)
    if (newest.values) unpackValues(reader, newest.values, count)
    newest.to = count
    newest.from = Math.max(0, count - this.most)
    return newest
  }
}

function resultOf(
  spec: FeatureSpec<Config>,
  number: number,
  newest: Newest,
  taken: (Taken | undefined)[],
): FeatureValue {
  const { operator, config } = spec
  const start = Math.max(newest.from, newest.to - config.last)
  const known = taken[number]
  if (known && start - known.from + newest.to - known.to < newest.to - start && slide(operator, known, start, newest))
    return operator.result(known.acc, Number.NaN)
  const acc = operator.create()
  const areWhole = take(operator, acc, newest, start)
  taken[number] = operator.remove && areWhole ? { acc, from: start, to: newest.to } : undefined
  return operator.result(acc, Number.NaN)
}

/** Takes out what lies before `start`, and in what came since. False where that would not be exact. */
function slide(operator: Operator, known: Taken, start: number, newest: Newest): boolean {
  const { values } = newest
  for (; known.from < start; known.from++) operator.remove?.(known.acc, values ? (values[known.from] as Value) : 1)
  const from = known.to
  known.to = newest.to
  return take(operator, known.acc, newest, from)
}

/** An event came in at `at`, before others. False where it could not be taken back. */
function squeeze(operator: Operator, known: Taken, at: number, value: Value, time: Millis, tie: number): boolean {
  if (at >= known.to) return true
  known.to++
  if (at < known.from) known.from++
  else if (isWhole(value)) operator.add(known.acc, value, time, tie)
  else return false
  return true
}

const isWhole = (value: Value): boolean => Number.isInteger(value) && Math.abs(value as number) <= MOST_WHOLE

/** Gives the operator the events from `from` on; answers whether all of their values may be taken back. */
function take(operator: Operator, acc: unknown, { to, times, ties, values }: Newest, from: number): boolean {
  let areWhole = true
  for (let i = from; i < to; i++) {
    const value = values ? (values[i] as Value) : 1
    areWhole &&= isWhole(value)
    operator.add(acc, value, times[i] as number, ties[i] as number)
  }
  return areWhole
}

const last: Aggregation<Config> = {
  memory: 'newest',
  expressions: {},
  slots: (features) =>
    [...Map.groupBy(features, (spec) => `last/1 ${selection(spec).text}`.trim())].map(
      ([id, specs]) => new LastSlot(id, specs),
    ),
}

const part: Part<Config, Aggregation<Config>> = {
  summary: 'The N newest events by event time.',
  config,
  example: 'prep_seconds_mean_50: { last: 50, of: event.prepSeconds, as: mean }',
  notes: `Exact, whatever the order of arrival: of events at one time, the one whose declared \`id\` has the higher hash is the
newer, else the one further on in its topic. With \`of\`, an event without that value takes no place. Over fewer than N events,
those count. A raised N fills up from then on. Keeps 9 to 24 bytes per event; of texts,
each different one once, and 1 or 2 bytes per event.`,
  open: () => last,
}
export default part
