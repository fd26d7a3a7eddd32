import { z } from 'zod'
import type { Operator } from '../core/model.ts'
import { finite } from '../core/numbers.ts'
import type { Part } from '../core/part.ts'

interface Extreme {
  value: number
}
const NONE = Number.NEGATIVE_INFINITY

const max: Operator<Extreme, number> = {
  of: 'required',
  takes: 'numbers',
  type: 'double',
  empty: null,
  create: () => ({ value: NONE }),
  add: (acc, value) => {
    acc.value = Math.max(acc.value, value)
  },
  merge: (into, from) => {
    into.value = Math.max(into.value, from.value)
  },
  result: (acc) => finite(acc.value),
  encode: (acc, to) => to.double(acc.value),
  decode: (from) => ({ value: from.double() }),
}

const part: Part<Record<string, never>, Operator<Extreme, number>> = {
  summary: 'The largest of the values of `of`.',
  config: z.strictObject({}),
  example: 'slowest_pick_1h: { window: 1h, of: event.pickSeconds, as: max }',
  notes: 'In the unit of `of`; null over nothing. Exact.',
  open: () => max,
}
export default part
