/** An aggregation of one's own: the first events of a key, by event time. Late events find their place among them. */
import {
  type Aggregation,
  type ByteReader,
  type ByteWriter,
  type FeatureSpec,
  operatorText,
  type Part,
  type Slot,
  selection,
  slotText,
  z,
} from 'millrace'

const config = z.strictObject({ events: z.int().min(1).max(1_000).describe('How many events are remembered.') })
type Config = z.output<typeof config>

interface Remembered {
  readonly time: number
  readonly tie: number
  readonly value: number
}

/** Memory of one feature; the accumulator is the events, the first one first. */
function slotOf(spec: FeatureSpec<Config>): Slot<Remembered[]> {
  const { name, operator, config } = spec
  const selected = selection(spec)
  return {
    id: `first ${slotText({ events: String(config.events) })} ${operatorText(spec)} ${selected.text}`,
    columns: selected.columns,
    features: [name],
    create: () => [],
    add: (events, columns, row, time, tie) => {
      if (!selected.takes(columns, row)) return
      const value = selected.value(columns, row)
      if (typeof value !== 'number' || Number.isNaN(value)) return
      events.push({ time, tie, value })
      events.sort((a, b) => a.time - b.time || a.tie - b.tie)
      if (events.length > config.events) events.pop()
    },
    expire: () => undefined,
    nextExpiry: () => Number.POSITIVE_INFINITY,
    isEmpty: (events) => events.length === 0,
    results: (events, _now, out, at) => {
      const acc = operator.create()
      for (const { time, tie, value } of events) operator.add(acc, value, time, tie)
      out[at] = operator.result(acc, Number.NaN)
    },
    encode: (events, to: ByteWriter) => {
      to.varint(events.length)
      for (const { time, tie, value } of events) {
        to.double(time)
        to.double(tie)
        to.double(value)
      }
    },
    decode: (from: ByteReader) =>
      Array.from({ length: from.varint() }, () => ({ time: from.double(), tie: from.double(), value: from.double() })),
  }
}

const part: Part<Config, Aggregation<Config>> = {
  summary: 'The first events of a key, by event time.',
  config,
  example: 'first_stars_mean_3: { ./parts/first.ts: { events: 3 }, of: stars, as: mean }',
  open: () => ({ memory: 'newest', expressions: {}, slots: (features) => features.map(slotOf) as Slot[] }),
}
export default part
