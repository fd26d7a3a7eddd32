import { z } from 'zod'
import type { Operator } from '../core/model.ts'
import { finite } from '../core/numbers.ts'
import type { Part } from '../core/part.ts'

interface Extreme {
  value: number
}
const NONE = Number.POSITIVE_INFINITY

const min: Operator<Extreme, number> = {
  of: 'required',
  takes: 'numbers',
  type: 'double',
  empty: null,
  create: () => ({ value: NONE }),
  add: (acc, value) => {
    acc.value = Math.min(acc.value, value)
  },
  merge: (into, from) => {
    into.value = Math.min(into.value, from.value)
  },
  result: (acc) => finite(acc.value),
  encode: (acc, to) => to.double(acc.value),
  decode: (from) => ({ value: from.double() }),
}

const part: Part<Record<string, never>, Operator<Extreme, number>> = {
  summary: 'The smallest of the values of `of`.',
  config: z.strictObject({}),
  example: 'fastest_pick_50: { last: 50, of: event.pickSeconds, as: min }',
  notes: 'In the unit of `of`; null over nothing. Exact.',
  open: () => min,
}
export default part
