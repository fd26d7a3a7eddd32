import type { ByteReader, ByteWriter } from '../../core/bytes.ts'
import { WideSum } from '../../core/numbers.ts'

/** Steps that count, the newest and those before it. */
const MOST_STEPS = 1_024

interface Step {
  count: number
  readonly sum: WideSum
}

/** Means of the values within steps of time, by number of the step; of the newest steps alone. */
export class Series {
  private readonly steps = new Map<number, Step>()
  private newest = Number.NEGATIVE_INFINITY

  add(number: number, value: number): void {
    const step = this.stepAt(number)
    if (!step) return
    step.count++
    step.sum.add(value)
  }

  merge(from: Series): void {
    for (const [number, { count, sum }] of from.steps) {
      const step = this.stepAt(number)
      if (!step) continue
      step.count += count
      step.sum.merge(sum)
    }
  }

  /** Undefined for a step that is too old to count. */
  private stepAt(number: number): Step | undefined {
    if (number <= this.newest - MOST_STEPS) return undefined
    const known = this.steps.get(number)
    if (known) return known
    const step = { count: 0, sum: new WideSum() }
    this.steps.set(number, step)
    if (number > this.newest) this.newest = number
    if (this.steps.size > 2 * MOST_STEPS)
      for (const old of this.steps.keys()) if (old <= this.newest - MOST_STEPS) this.steps.delete(old)
    return step
  }

  /** A mean for every step from the oldest to the newest; those without values lie on the line between their neighbours. */
  values(): Float64Array {
    const known = this.known()
    const [first] = known
    if (!first) return new Float64Array(0)
    const values = new Float64Array(this.newest - first[0] + 1)
    let [before, last] = [first[0], 0]
    for (const [number, { count, sum }] of known) {
      const mean = sum.value / count
      for (let gap = before + 1; gap < number; gap++)
        values[gap - first[0]] = last + ((mean - last) * (gap - before)) / (number - before)
      values[number - first[0]] = mean
      before = number
      last = mean
    }
    return values
  }

  private known(): [number, Step][] {
    const oldest = this.newest - MOST_STEPS + 1
    return [...this.steps].filter(([number]) => number >= oldest).sort(([a], [b]) => a - b)
  }

  encode(to: ByteWriter): void {
    const known = this.known()
    to.varint(known.length)
    for (const [number, { count, sum }] of known) {
      to.double(number)
      to.varint(count)
      sum.encode(to)
    }
  }

  static decode(from: ByteReader): Series {
    const series = new Series()
    for (let left = from.varint(); left > 0; left--) {
      const number = from.double()
      if (!Number.isSafeInteger(number) || number <= series.newest)
        throw new RangeError(`no step ${number} stands here`)
      series.steps.set(number, { count: from.varint(), sum: WideSum.decode(from) })
      series.newest = number
    }
    return series
  }
}
