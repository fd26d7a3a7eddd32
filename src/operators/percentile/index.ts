import { z } from 'zod'
import type { ByteReader, ByteWriter } from '../../core/bytes.ts'
import type { Operator } from '../../core/model.ts'
import type { Part } from '../../core/part.ts'
import { Counts } from './counts.ts'

const config = z.strictObject({
  percentile: z
    .number()
    .min(0)
    .max(100)
    .superRefine((percentile, context) => {
      if (percentile > 0 && percentile < 1)
        context.addIssue({
          code: 'custom',
          message: 'a share',
          params: {
            code: 'bad-value',
            expected: '0, or 1 to 100: the percentile',
            suggestion: `percentile: ${Number((percentile * 100).toPrecision(12))}`,
          },
        })
    })
    .describe('Which one, 0 to 100: 50 is the median, 99.9 the slowest of a thousand.'),
})
type Config = z.output<typeof config>

/** Each bucket is so much wider than the one before it. */
const GROWTH = 1.02
const LOG_GROWTH = Math.log(GROWTH)
const SMALLEST = 1e-9
const LARGEST = 1e18
/** The bucket before that of the smallest size, so that buckets are numbered from 1. */
const BEFORE_FIRST = Math.ceil(Math.log(SMALLEST) / LOG_GROWTH) - 1
const LAST = bucketOf(LARGEST)

/** Of a size from `SMALLEST` to `LARGEST`. */
function bucketOf(size: number): number {
  return Math.ceil(Math.log(size) / LOG_GROWTH) - BEFORE_FIRST
}

/** The size that is off by the same share from both ends of the bucket. */
function middleOf(bucket: number): number {
  return (2 * Math.exp((bucket + BEFORE_FIRST) * LOG_GROWTH)) / (1 + GROWTH)
}

/** How many values there are per bucket of their size, below and above zero, and the outermost values. */
class Buckets {
  private below = new Counts()
  private zeros = 0
  private above = new Counts()
  private min = Number.POSITIVE_INFINITY
  private max = Number.NEGATIVE_INFINITY

  add(value: number): void {
    const size = Math.min(Math.abs(value), LARGEST)
    if (size < SMALLEST) this.zeros++
    else (value < 0 ? this.below : this.above).add(bucketOf(size), 1)
    if (value < this.min) this.min = value
    if (value > this.max) this.max = value
  }

  merge(from: Buckets): void {
    this.below.merge(from.below)
    this.zeros += from.zeros
    this.above.merge(from.above)
    this.min = Math.min(this.min, from.min)
    this.max = Math.max(this.max, from.max)
  }

  /** The value at the nearest rank. */
  at(percentile: number): number | null {
    const { below, zeros, above } = this
    const total = below.total + zeros + above.total
    if (total === 0) return null
    const rank = Math.max(1, Math.ceil((percentile * total) / 100))
    return Math.min(this.max, Math.max(this.min, this.valueAt(rank)))
  }

  private valueAt(rank: number): number {
    const { below, zeros, above } = this
    if (rank <= below.total) return -middleOf(below.at(below.total + 1 - rank))
    return rank <= below.total + zeros ? 0 : middleOf(above.at(rank - below.total - zeros))
  }

  encode(to: ByteWriter): void {
    to.double(this.min)
    to.double(this.max)
    to.varint(this.zeros)
    this.below.encode(to)
    this.above.encode(to)
  }

  static decode(from: ByteReader): Buckets {
    const buckets = new Buckets()
    buckets.min = from.double()
    buckets.max = from.double()
    buckets.zeros = from.varint()
    buckets.below = Counts.decode(from, LAST)
    buckets.above = Counts.decode(from, LAST)
    return buckets
  }
}

function percentile({ percentile }: Config): Operator<Buckets, number> {
  return {
    of: 'required',
    takes: 'numbers',
    type: 'double',
    empty: null,
    remembers: {},
    create: () => new Buckets(),
    add: (acc, value) => acc.add(value),
    merge: (into, from) => into.merge(from),
    result: (acc) => acc.at(percentile),
    encode: (acc, to) => acc.encode(to),
    decode: (from) => Buckets.decode(from),
  }
}

const part: Part<Config, Operator<Buckets, number>> = {
  summary: 'The value below which a share of the values of `of` lies: the median, the 95th percentile.',
  config,
  example: 'pick_seconds_p95_1h: { window: 1h, of: event.pickSeconds, as: { percentile: 95 } }',
  notes: `In the unit of \`of\`; null over nothing. The value at the nearest rank (the 19th of 20 for 95), off by no more than
1 % of itself; smallest and largest value are kept exactly, so the percentiles 0 and 100, and those of equal values, are
exact. Values are counted in buckets, each 2 % wider than the one before: the same in any order of events, and
merging loses nothing (DDSketch: Masson, Rim, Lee, VLDB 2019, but never collapsing buckets). Below 1e-9 a value counts
as 0, beyond 1e18 as 1e18. Keeps about 3 bytes for every bucket in use: 349 buckets where the largest value is a thousand
times the smallest, 6,280 at the very most; percentiles of different ranks share
them.`,
  open: percentile,
}
export default part
