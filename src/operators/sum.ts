import { z } from 'zod'
import type { Operator } from '../core/model.ts'
import { finite, WideSum } from '../core/numbers.ts'
import type { Part } from '../core/part.ts'

const sum: Operator<WideSum, number> = {
  of: 'required',
  takes: 'numbers',
  type: 'double',
  empty: 0,
  create: () => new WideSum(),
  add: (acc, value) => acc.add(value),
  remove: (acc, value) => acc.add(-value),
  merge: (into, from) => into.merge(from),
  result: (acc) => finite(acc.value),
  encode: (acc, to) => acc.encode(to),
  decode: (from) => WideSum.decode(from),
}

const part: Part<Record<string, never>, Operator<WideSum, number>> = {
  summary: 'The sum of the values of `of`.',
  config: z.strictObject({}),
  example: 'revenue_1h: { window: 1h, of: event.total, as: sum }',
  notes: `In the unit of \`of\`; 0 over nothing; null once it passes the range of doubles (1.8e308). Whole numbers are
summed exactly and said exactly up to 2^53; other sums are off by no more than 1e-9 of the sum of magnitudes, in any
order of events. Two doubles carry the sum (double-double arithmetic: Dekker 1971, Knuth TAOCP 4.2.2).`,
  open: () => sum,
}
export default part
