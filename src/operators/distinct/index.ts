import { z } from 'zod'
import type { Operator } from '../../core/model.ts'
import type { Part } from '../../core/part.ts'
import { HyperLogLog, REGISTERS } from './hyperloglog.ts'
import { NumberSet } from './number-set.ts'

/** Up to so many different values are told exactly. */
export const MOST_EXACT = 256

/** The values themselves, or once there were more than `MOST_EXACT` a sketch of them. */
interface Seen {
  exact: NumberSet | undefined
  sketch: HyperLogLog | undefined
}

const NONE = new NumberSet()

function add(seen: Seen, value: number): void {
  if (!seen.exact) seen.sketch?.add(value)
  else if (seen.exact.add(value) && seen.exact.size > MOST_EXACT) sketched(seen)
}

function sketched(seen: Seen): HyperLogLog {
  seen.sketch ??= new HyperLogLog()
  const { places } = seen.exact ?? NONE
  for (let i = 0; i < places.length; i++) {
    const value = places[i] as number
    if (!Number.isNaN(value)) seen.sketch.add(value)
  }
  seen.exact = undefined
  return seen.sketch
}

const distinct: Operator<Seen, number> = {
  of: 'required',
  takes: 'hashes',
  type: 'long',
  empty: 0,
  create: () => ({ exact: new NumberSet(), sketch: undefined }),
  add,
  merge: (into, from) => {
    if (from.sketch) sketched(into).merge(from.sketch)
    const { places } = from.exact ?? NONE
    for (let i = 0; i < places.length; i++) {
      const value = places[i] as number
      if (!Number.isNaN(value)) add(into, value)
    }
  },
  result: ({ exact, sketch }) => (sketch ? Math.max(MOST_EXACT + 1, sketch.estimate()) : (exact as NumberSet).size),
  encode: ({ exact, sketch }, to) => {
    to.byte(sketch ? 1 : 0)
    if (sketch) to.bytes(sketch.registers)
    else exact?.encode(to)
  },
  decode: (from) =>
    from.byte() === 1
      ? { exact: undefined, sketch: new HyperLogLog(Uint8Array.from(from.bytes(REGISTERS))) }
      : { exact: NumberSet.decode(from), sketch: undefined },
}

const part: Part<Record<string, never>, Operator<Seen, number>> = {
  summary: 'How many different values of `of` there are, numbers or texts.',
  config: z.strictObject({}),
  example: 'stores_7d: { window: 7d, of: event.storeId, as: distinct }',
  notes: `A whole number, 0 over nothing. Exact up to 256 different values; beyond, an estimate with a standard error of 1.6 %
(95 of 100 are within 3.3 %). Both, and where one turns into the other, depend on the set of values alone. Texts count by
their hash of 53 bits: of 100,000 texts two share one with a chance of 1 in two million. Keeps 8 bytes for each value up
to 256, then 4 KiB. Source: HyperLogLog (Flajolet, Fusy, Gandouet, Meunier, AofA 2007) with the estimator of Ertl
("New cardinality estimation algorithms for HyperLogLog sketches", 2017), which needs no corrections.`,
  open: () => distinct,
}
export default part
