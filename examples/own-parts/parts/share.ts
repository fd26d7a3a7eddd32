/** An operator of one's own: which share of the values is at least so large? */
import { type Operator, type Part, z } from 'millrace'

const config = z.strictObject({ atLeast: z.number().describe('Values from here on count, in the unit of `of`.') })
type Config = z.output<typeof config>

interface Share {
  values: number
  hits: number
}

const part: Part<Config, Operator<Share, number>> = {
  summary: 'The share of values that are at least `atLeast`, 0 to 1.',
  config,
  example: 'good_share_1h: { window: 1h, of: stars, as: { ./parts/share.ts: { atLeast: 4 } } }',
  open: ({ atLeast }) => ({
    of: 'required',
    takes: 'numbers',
    type: 'double',
    empty: null,
    create: () => ({ values: 0, hits: 0 }),
    add: (acc, value) => {
      acc.values++
      if (value >= atLeast) acc.hits++
    },
    merge: (into, from) => {
      into.values += from.values
      into.hits += from.hits
    },
    result: ({ values, hits }) => (values === 0 ? null : hits / values),
    encode: ({ values, hits }, to) => {
      to.varint(values)
      to.varint(hits)
    },
    decode: (from) => ({ values: from.varint(), hits: from.varint() }),
  }),
}
export default part
