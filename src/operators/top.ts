import { z } from 'zod'
import type { Operator, Value } from '../core/model.ts'
import type { Part } from '../core/part.ts'
import { MOST_ITEMS, readValue, writeValue } from '../core/values.ts'

const config = z.strictObject({
  top: z.int().min(1).max(MOST_ITEMS).describe(`How many values: 1 to ${MOST_ITEMS}.`),
})
type Config = z.output<typeof config>

/** Different values that are counted. */
const MOST_VALUES = 1_000

/** Times each value came; undefined once there were too many different ones. */
interface Tally {
  times: Map<Value, number> | undefined
}

function take(tally: Tally, value: Value, times: number): void {
  tally.times?.set(value, (tally.times.get(value) ?? 0) + times)
  if (tally.times && tally.times.size > MOST_VALUES) tally.times = undefined
}

function best(times: ReadonlyMap<Value, number>, count: number): readonly number[] | readonly string[] | null {
  const found: { readonly value: Value; readonly times: number }[] = []
  for (const [value, often] of times) {
    let at = found.length
    for (; at > 0; at--) {
      const before = found[at - 1] as (typeof found)[0]
      if (before.times > often || (before.times === often && before.value < value)) break
    }
    if (at < count) found.splice(at, 0, { value, times: often })
    if (found.length > count) found.pop()
  }
  return found.length === 0 ? null : (found.map(({ value }) => value) as string[])
}

function top({ top }: Config): Operator<Tally> {
  return {
    of: 'required',
    takes: 'given',
    type: 'list',
    empty: null,
    remembers: {},
    create: () => ({ times: new Map() }),
    add: (acc, value) => take(acc, value, 1),
    merge: (into, from) => {
      if (!from.times) into.times = undefined
      else for (const [value, times] of from.times) take(into, value, times)
    },
    result: (acc) => (acc.times ? best(acc.times, top) : null),
    encode: ({ times }, to) => {
      to.byte(times ? 1 : 0)
      if (!times) return
      to.varint(times.size)
      for (const [value, count] of times) {
        writeValue(value, to)
        to.varint(count)
      }
    },
    decode: (from, values) => {
      if (from.byte() === 0) return { times: undefined }
      const times = new Map<Value, number>()
      for (let left = from.varint(); left > 0; left--) times.set(readValue(from, values), from.varint())
      return { times }
    },
  }
}

const part: Part<Config, Operator<Tally>> = {
  summary: 'The values of `of` that come most often, the most frequent first.',
  config,
  example: 'top_types_1h: { window: 1h, of: event.type, as: { top: 3 } }',
  notes: `A list of numbers or of texts, as \`of\` is; shorter where there are fewer different values, null over nothing. Exact; of values
that came equally often the smaller number, or the text that sorts first by UTF-16, stands first. **Null over more than
1,000 different values**: no method is known that finds the most frequent of any number of values in bounded memory and does
not depend on the order of arrival (Misra-Gries and Space-Saving do; a sample of values may miss the very first). Take a
shorter window, or a field with fewer values. Keeps each different value and 1 to 4 bytes.`,
  open: top,
}
export default part
