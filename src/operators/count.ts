import { z } from 'zod'
import type { Operator } from '../core/model.ts'
import type { Part } from '../core/part.ts'

interface Count {
  n: number
}

const count: Operator<Count, number> = {
  of: 'optional',
  takes: 'hashes',
  type: 'long',
  empty: 0,
  create: () => ({ n: 0 }),
  add: (acc) => {
    acc.n++
  },
  remove: (acc) => {
    acc.n--
  },
  merge: (into, from) => {
    into.n += from.n
  },
  result: (acc) => acc.n,
  encode: (acc, to) => to.varint(acc.n),
  decode: (from) => ({ n: from.varint() }),
}

const part: Part<Record<string, never>, Operator<Count, number>> = {
  summary: 'How many events there are; with `of`, how many have that value.',
  config: z.strictObject({}),
  example: 'delivered_total: { lifetime: true, as: count, when: event.type == "ORDER_DELIVERED" }',
  notes: 'A whole number of events, 0 over none. Exact.',
  open: () => count,
}
export default part
