import { z } from 'zod'
import type { Operator } from '../core/model.ts'
import { finite, WideSum } from '../core/numbers.ts'
import type { Part } from '../core/part.ts'

interface Mean {
  n: number
  readonly sum: WideSum
}

const mean: Operator<Mean, number> = {
  of: 'required',
  takes: 'numbers',
  type: 'double',
  empty: null,
  create: () => ({ n: 0, sum: new WideSum() }),
  add: (acc, value) => {
    acc.n++
    acc.sum.add(value)
  },
  remove: (acc, value) => {
    acc.n--
    acc.sum.add(-value)
  },
  merge: (into, from) => {
    into.n += from.n
    into.sum.merge(from.sum)
  },
  result: (acc) => finite(acc.sum.value / acc.n),
  encode: (acc, to) => {
    to.varint(acc.n)
    acc.sum.encode(to)
  },
  decode: (from) => ({ n: from.varint(), sum: WideSum.decode(from) }),
}

const part: Part<Record<string, never>, Operator<Mean, number>> = {
  summary: 'The arithmetic mean of the values of `of`.',
  config: z.strictObject({}),
  example: 'prep_seconds_mean_50: { last: 50, of: event.prepSeconds, as: mean }',
  notes: `In the unit of \`of\`; null over nothing, and once the sum passes the range of doubles. The sum of whole
numbers is exact, so their mean has the same bits in any order of events; others are off by no more than 1e-9 of the
magnitude of the values. Two doubles carry the sum (double-double arithmetic: Dekker 1971, Knuth TAOCP 4.2.2).`,
  open: () => mean,
}
export default part
