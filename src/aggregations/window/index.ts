import { z } from 'zod'
import type { ByteReader, ByteWriter } from '../../core/bytes.ts'
import { duration } from '../../core/duration.ts'
import type {
  Aggregation,
  Column,
  FeatureSpec,
  FeatureValue,
  Millis,
  Operator,
  Segments,
  Slot,
} from '../../core/model.ts'
import type { Part } from '../../core/part.ts'
import { operatorText, type Selection, selection } from '../../core/selection.ts'
import type { Kept } from './block.ts'
import { CoarseSlot, MOST_BUCKETS } from './coarse.ts'
import { Events, type Window } from './events.ts'

const config = z
  .strictObject({
    window: duration.describe('Length of the sliding window: events younger than this count. 500ms, 30s, 10m, 2h, 7d.'),
    resolution: duration.optional().describe(
      `Events leave the window together with all of so long a stretch of time, up to so much too late; \`window\` is 1 to \
${MOST_BUCKETS} times as long. Bounds the memory; left out, the window is exact.`,
    ),
  })
  .refine(({ window, resolution = window }) => window % resolution === 0 && window / resolution <= MOST_BUCKETS, {
    path: ['resolution'],
    message: `window is not 1 to ${MOST_BUCKETS} times as long as resolution`,
  })
type Config = z.output<typeof config>

/** Windows of any length over the same values share the events of the longest. */
class WindowSlot implements Slot<Events> {
  readonly id: string
  readonly columns
  readonly features
  private readonly selected: Selection
  private readonly windows: readonly Window[]
  /** One for all that keep the same. */
  private readonly operators: readonly Operator[]
  private readonly lengths: readonly Millis[]
  private readonly longest: Millis
  private readonly kept: Kept

  constructor(id: string, specs: readonly FeatureSpec<Config>[]) {
    this.id = id
    this.selected = selection(specs[0] as FeatureSpec<Config>)
    this.columns = this.selected.columns
    this.features = specs.map(({ name }) => name)
    const texts = specs.map(operatorText)
    const kinds = [...new Set(texts)]
    this.operators = kinds.map((text) => (specs[texts.indexOf(text)] as FeatureSpec).operator)
    this.windows = specs.map(({ config, operator }, number) => ({
      length: config.window,
      operator,
      operatorNumber: kinds.indexOf(texts[number] as string),
      number: specs.findIndex((other, i) => other.config.window === config.window && texts[i] === texts[number]),
    }))
    this.lengths = [...new Set(specs.map(({ config }) => config.window))]
    this.longest = Math.max(...this.lengths)
    this.kept = { values: this.selected.values, ties: this.operators.some(({ ordered }) => ordered) }
  }

  create(): Events {
    return new Events(this.kept)
  }

  add(
    events: Events,
    columns: readonly (Column | undefined)[],
    row: number,
    time: Millis,
    tie: number,
    clock: Millis,
  ): void {
    if (time <= clock - this.longest || !this.selected.takes(columns, row)) return
    const value = this.selected.value(columns, row)
    if (!Number.isNaN(value)) events.insert(time, tie, value, this.operators)
  }

  expire(events: Events, clock: Millis): void {
    events.drop(clock - this.longest)
  }

  /** When all events have left but the clock has not passed them yet: a time by which it will have, to be rid of them. */
  nextExpiry(events: Events, now: Millis): Millis {
    let next = Number.POSITIVE_INFINITY
    if (this.isEmpty(events)) return next
    for (const length of this.lengths) {
      const earliest = events.earliestAfter(now - length)
      if (earliest !== undefined) next = Math.min(next, earliest + length)
    }
    return next === Number.POSITIVE_INFINITY ? now + this.longest : next
  }

  isEmpty(events: Events): boolean {
    return events.blocks.length === 0
  }

  results(events: Events, now: Millis, out: FeatureValue[], at: number): void {
    for (const window of this.windows) out[at++] = events.result(window, now)
  }

  encode(events: Events, to: ByteWriter): void {
    events.encode(to)
  }

  decode(from: ByteReader): Events {
    return Events.decode(from, this.kept)
  }

  readonly segments: Segments<Events> = {
    missing: (events) => events.missing(),
    attach: (events, name, bytes) => events.attach(name, bytes),
    changed: (events) => events.changed(),
  }
}

const window: Aggregation<Config> = {
  memory: 'span',
  expressions: {},
  slots: (features) => {
    const idOf = (spec: FeatureSpec<Config>) => {
      const { resolution } = spec.config
      const { text } = selection(spec)
      if (resolution !== undefined) return `window/1 by ${resolution} ${operatorText(spec)} ${text}`.trim()
      return `window/1 ${text}${spec.operator.ordered ? ' with ties' : ''}`.trim()
    }
    return [...Map.groupBy(features, idOf)].map(([id, specs]) => {
      const { resolution } = (specs[0] as FeatureSpec<Config>).config
      return resolution === undefined ? new WindowSlot(id, specs) : new CoarseSlot(id, specs, resolution)
    })
  },
}

const part: Part<Config, Aggregation<Config>> = {
  summary: 'The events of the last while: exact, sliding, and back to nothing by itself when no new event comes.',
  config,
  example: 'orders_10m: { window: 10m, as: count, when: event.type == "ORDER_CREATED" }',
  notes: `At time T the events with T - window < time ≤ T count, whatever the order of arrival. Every event is kept for the
longest of the windows that share \`of\` and \`when\`: 2 to 16 bytes each (for \`first\` and \`last\` up to 8 more), more
than 512 of them in segments of which only changed ones are written. Nothing is ever subtracted, so float sums do not drift. A lengthened window fills up from then on.

With \`resolution: R\`, time is cut into stretches [k · R, (k + 1) · R), in milliseconds since 1970-01-01T00:00:00Z, and a
stretch counts as a whole as long as any millisecond of it is in the window. So the events with time ≤ T count that are not
before the stretch of T - window + 1ms: all that are in the window, and some that left it less than R ago (a \`rate\` divides by
\`window\` all the same); still a function of the
set of events, in any order. Keeps one accumulator of the operator per stretch, at most window / R + 1 of them, however many
events there are, and results change at most once per R with no new event.`,
  open: () => window,
}
export default part
