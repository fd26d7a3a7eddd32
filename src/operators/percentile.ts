import { z } from 'zod'
import type { ByteReader, ByteWriter } from '../core/bytes.ts'
import type { Operator } from '../core/model.ts'
import type { Part } from '../core/part.ts'

const config = z.strictObject({
  percentile: z
    .number()
    .min(0)
    .max(100)
    .describe('Which one, 0 to 100: 50 is the median, 99.9 the slowest of a thousand.'),
})
type Config = z.output<typeof config>

/** Each bucket is so much wider than the one before it. */
const GROWTH = 1.02
const LOG_GROWTH = Math.log(GROWTH)
const SMALLEST = 1e-9
const LARGEST = 1e18
/** Bucket numbers begin here, so that those of positive values are positive: 0 is for what counts as zero. */
const BEFORE_FIRST = Math.ceil(Math.log(SMALLEST) / LOG_GROWTH) - 1

/** Buckets in order of the values: -3 holds less than -2, 0 what is next to zero, 3 more than 2. */
function bucketOf(value: number): number {
  const size = Math.min(Math.abs(value), LARGEST)
  if (size < SMALLEST) return 0
  const number = Math.ceil(Math.log(size) / LOG_GROWTH) - BEFORE_FIRST
  return value < 0 ? -number : number
}

/** The value that is off by the same share from both ends of the bucket. */
function middleOf(bucket: number): number {
  if (bucket === 0) return 0
  const upper = Math.exp((Math.abs(bucket) + BEFORE_FIRST) * LOG_GROWTH)
  return (Math.sign(bucket) * 2 * upper) / (1 + GROWTH)
}

/** How many values there are per bucket, from bucket `first` on. */
class Buckets {
  private counts = new Float64Array(0)
  private first = 0
  private total = 0
  private min = Number.POSITIVE_INFINITY
  private max = Number.NEGATIVE_INFINITY

  add(value: number): void {
    this.put(bucketOf(value), 1)
    if (value < this.min) this.min = value
    if (value > this.max) this.max = value
  }

  merge({ counts, first, min, max }: Buckets): void {
    for (let i = 0; i < counts.length; i++) if (counts[i] !== 0) this.put(first + i, counts[i] as number)
    this.min = Math.min(this.min, min)
    this.max = Math.max(this.max, max)
  }

  private put(bucket: number, count: number): void {
    let at = bucket - this.first
    if (at < 0 || at >= this.counts.length) {
      this.grow(bucket)
      at = bucket - this.first
    }
    this.counts[at] = (this.counts[at] as number) + count
    this.total += count
  }

  /** Makes room for the bucket, and for some beyond it. */
  private grow(bucket: number): void {
    const { counts, first } = this
    const spare = 8 + (counts.length >> 2)
    const from = counts.length === 0 ? bucket - 4 : Math.min(first, bucket < first ? bucket - spare : first)
    const to = counts.length === 0 ? bucket + 4 : Math.max(first + counts.length, bucket >= first ? bucket + spare : 0)
    this.counts = new Float64Array(to - from)
    if (counts.length > 0) this.counts.set(counts, first - from)
    this.first = from
  }

  /** The value at the nearest rank. */
  at(percentile: number): number | null {
    if (this.total === 0) return null
    let left = Math.max(1, Math.ceil((percentile * this.total) / 100))
    let i = 0
    for (; i < this.counts.length - 1; i++) {
      left -= this.counts[i] as number
      if (left <= 0) break
    }
    return Math.min(this.max, Math.max(this.min, middleOf(this.first + i)))
  }

  encode(to: ByteWriter): void {
    const { counts, first } = this
    to.double(this.min)
    to.double(this.max)
    to.varint(counts.reduce((used, count) => used + (count === 0 ? 0 : 1), 0))
    let before = LOWEST
    for (const [i, count] of counts.entries()) {
      if (count === 0) continue
      to.varint(first + i - before)
      to.varint(count)
      before = first + i
    }
  }

  static decode(from: ByteReader): Buckets {
    const buckets = new Buckets()
    buckets.min = from.double()
    buckets.max = from.double()
    let bucket = LOWEST
    for (let left = from.varint(); left > 0; left--) {
      bucket += from.varint()
      if (bucket > -LOWEST) throw new RangeError(`no bucket has the number ${bucket}`)
      buckets.put(bucket, from.varint())
    }
    return buckets
  }
}

const LOWEST = bucketOf(Number.NEGATIVE_INFINITY)

function percentile({ percentile }: Config): Operator<Buckets, number> {
  return {
    of: 'required',
    takes: 'numbers',
    type: 'double',
    empty: null,
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
times the smallest, 6,281 at the very most.`,
  open: percentile,
}
export default part
