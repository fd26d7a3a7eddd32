/**
 * The oracle's eye: folds the values of a key in the order in which they are applied. It breaks the rule that an operator
 * is a function of the set of events, on purpose: what the engine repeats, leaves out or turns around shows in the result.
 */
import { type Operator, type Part, z } from 'millrace'
import { fold } from './fold.ts'

const operator: Operator<{ hash: number }, number> = {
  of: 'required',
  takes: 'numbers',
  type: 'long',
  empty: 0,
  create: () => ({ hash: 0 }),
  add: (acc, value) => {
    acc.hash = fold(acc.hash, value)
  },
  merge: () => {
    throw new Error('chains have no merge')
  },
  result: ({ hash }) => hash,
  encode: ({ hash }, to) => to.double(hash),
  decode: (from) => ({ hash: from.double() }),
}

const part: Part<Record<string, never>, Operator<{ hash: number }, number>> = {
  summary: 'Hash chain over the values in the order in which they are applied.',
  config: z.strictObject({}),
  example: 'chain: { lifetime: true, of: value, as: ./parts/chain.ts }',
  open: () => operator,
}
export default part
