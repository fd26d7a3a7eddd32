import { z } from 'zod'
import { duration } from '../core/duration.ts'
import type { Operator } from '../core/model.ts'
import { finite, WideSum } from '../core/numbers.ts'
import type { Part } from '../core/part.ts'

const config = z.strictObject({
  rate: duration.default(1_000).describe('Unit of time: events per so long. 1s, 1m, 1h.'),
})
type Config = z.output<typeof config>

function rate({ rate }: Config): Operator<WideSum, number> {
  return {
    of: 'optional',
    takes: 'numbers',
    type: 'double',
    empty: 0,
    remembers: {},
    over: { memories: ['span'], because: 'a rate is over a span of time' },
    create: () => new WideSum(),
    add: (acc, value) => acc.add(value),
    merge: (into, from) => into.merge(from),
    result: (acc, span) => finite((acc.value / span) * rate),
    encode: (acc, to) => acc.encode(to),
    decode: (from) => WideSum.decode(from),
  }
}

const part: Part<Config, Operator<WideSum, number>> = {
  summary: 'How many events there are per second, or another unit of time; with `of`, how much of it.',
  config,
  example: 'orders_per_minute: { window: 10m, as: { rate: 1m }, when: event.type == "ORDER_CREATED" }',
  notes: `Events, or the unit of \`of\`, per unit of time over the whole length of the window, also where it reaches back
before the first event; 0 over nothing. As exact as a sum: off by no more than 1e-9 of the sum of magnitudes. Keeps 16
bytes. \`as: rate\` is per second.`,
  open: rate,
}
export default part
