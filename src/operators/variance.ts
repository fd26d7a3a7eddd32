import { z } from 'zod'
import type { Operator } from '../core/model.ts'
import { Moments } from '../core/numbers.ts'
import type { Part } from '../core/part.ts'

const variance: Operator<Moments, number> = {
  of: 'required',
  takes: 'numbers',
  type: 'double',
  empty: null,
  create: () => new Moments(),
  add: (acc, value) => acc.add(value),
  merge: (into, from) => into.merge(from),
  result: (acc) => acc.variance(),
  encode: (acc, to) => acc.encode(to),
  decode: (from) => Moments.decode(from),
}

const part: Part<Record<string, never>, Operator<Moments, number>> = {
  summary: 'The population variance of the values of `of`.',
  config: z.strictObject({}),
  example: 'accept_seconds_variance_50: { last: 50, of: event.acceptSeconds, as: variance }',
  notes: `In the unit of \`of\` squared; divided by the number of values, not by one less: 0 over one value, null over nothing, and null
where squares pass the range of doubles (values beyond 1e140; below 1e-140 they vanish). Sum and sum of squares are
carried by two doubles each (double-double arithmetic: Dekker 1971, Knuth TAOCP 4.2.2), and their difference is taken
before rounding: as stable as Welford's method for values far from zero with a small spread, while whole numbers give the
same bits in any order of events, which Welford's does not. Others differ by order by no more than 1e-9 of the squared
magnitude of the values.`,
  open: () => variance,
}
export default part
