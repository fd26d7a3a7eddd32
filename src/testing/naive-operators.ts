/** What operators mean, written as plainly as possible: over all values at once, the definitions as they stand in books. */
import type { FeatureValue, Millis, Value } from '../core/model.ts'

/** An event as an operator sees it. */
export interface Sample {
  readonly value: Value
  readonly time: Millis
  readonly tie: number
}

/** An operator over all values at once, with its settings; `span` as in `Operator.result`. */
export type Naive = (samples: readonly Sample[], settings: unknown, span: Millis) => FeatureValue

type Values = readonly number[]
const sum = (values: Values) => values.reduce((total, value) => total + value, 0)
const mean = (values: Values) => sum(values) / values.length
const variance = (values: Values) => {
  const middle = mean(values)
  return mean(values.map((value) => (value - middle) ** 2))
}
const numbers = (samples: readonly Sample[]) => samples.map(({ value }) => value as number)

const orNull =
  (operator: (values: Values) => number): Naive =>
  (samples) =>
    samples.length === 0 ? null : operator(numbers(samples))

const inOrder = (samples: readonly Sample[]) => [...samples].sort((a, b) => a.time - b.time || a.tie - b.tie)

function percentile(samples: readonly Sample[], settings: unknown): number | null {
  const { percentile } = settings as { percentile: number }
  const sorted = numbers(samples).sort((a, b) => a - b)
  const [least, exact] = [sorted[0], sorted[Math.max(1, Math.ceil((percentile * sorted.length) / 100)) - 1]]
  if (least === undefined || exact === undefined) return null
  const size = Math.min(Math.abs(exact), 1e18)
  const upper = 1.02 ** Math.ceil(Math.log(size) / Math.log(1.02))
  const middle = size < 1e-9 ? 0 : (Math.sign(exact) * 2 * upper) / 2.02
  return Math.max(least, Math.min(sorted.at(-1) as number, middle))
}

function top(samples: readonly Sample[], settings: unknown): FeatureValue {
  const values = [...new Set(samples.map(({ value }) => value))]
  const times = (value: Value) => samples.filter((sample) => sample.value === value).length
  if (values.length === 0 || values.length > 1_000) return null
  values.sort((a, b) => times(b) - times(a) || (a < b ? -1 : 1))
  return values.slice(0, (settings as { top: number }).top) as string[]
}

function ewma(samples: readonly Sample[], settings: unknown): number | null {
  const newest = Math.max(...samples.map(({ time }) => time))
  const weights = samples.map(({ time }) => 0.5 ** ((newest - time) / (settings as { ewma: Millis }).ewma))
  if (samples.length === 0) return null
  return sum(numbers(samples).map((value, i) => value * (weights[i] as number))) / sum(weights)
}

function spectral(samples: readonly Sample[], settings: unknown): FeatureValue {
  const { spectral: step, points, between } = settings as { spectral: Millis; points: number; between?: Millis[] }
  const series = resampled(samples, step)
  const spectra: number[][] = []
  for (let end = series.length; end >= points; end -= points / 2)
    spectra.push(periodogram(series.slice(end - points, end), step / 1_000))
  if (spectra.length === 0) return null
  const densities = Array.from({ length: points / 2 }, (_, n) => mean(spectra.map((each) => each[n] as number)))
  if (!between) return densities
  const width = 1_000 / (step * points)
  const period = (n: number) => (step * points) / (n + 1)
  const isWithin = (n: number) => period(n) >= Math.min(...between) && period(n) <= Math.max(...between)
  return sum(densities.filter((_, n) => isWithin(n))) * width
}

/** Means of the newest 1,024 steps, with lines over the gaps. */
function resampled(samples: readonly Sample[], step: Millis): number[] {
  const all = samples.map(({ time, value }) => ({ step: Math.floor(time / step), value: value as number }))
  const newest = Math.max(...all.map(({ step }) => step))
  const counted = all.filter(({ step }) => step > newest - 1_024)
  const at = (number: number) => counted.filter(({ step }) => step === number).map(({ value }) => value)
  const known = [...new Set(counted.map(({ step }) => step))].sort((a, b) => a - b)
  const series: number[] = []
  for (let number = known[0] ?? 0; number <= newest; number++) {
    if (known.includes(number)) series.push(mean(at(number)))
    else {
      const left = known.filter((each) => each < number).at(-1) as number
      const right = known.find((each) => each > number) as number
      series.push(mean(at(left)) + ((mean(at(right)) - mean(at(left))) * (number - left)) / (right - left))
    }
  }
  return series
}

/** One-sided densities under a Hann window, by the definition of the Fourier transform. */
function periodogram(values: Values, seconds: number): number[] {
  const { length } = values
  const hann = values.map((_, i) => Math.sin((Math.PI * i) / length) ** 2)
  const weighed = values.map((value, i) => (value - mean(values)) * (hann[i] as number))
  return Array.from({ length: length / 2 }, (_, at) => {
    const angle = (i: number) => (2 * Math.PI * (at + 1) * i) / length
    const square =
      sum(weighed.map((value, i) => value * Math.cos(angle(i)))) ** 2 +
      sum(weighed.map((value, i) => value * Math.sin(angle(i)))) ** 2
    return ((at + 1 < length / 2 ? 2 : 1) * square * seconds) / sum(hann.map((weight) => weight ** 2))
  })
}

export const NAIVE_OPERATORS: Readonly<Record<string, Naive>> = {
  count: (samples) => samples.length,
  sum: (samples) => sum(numbers(samples)),
  mean: orNull(mean),
  min: orNull((values) => Math.min(...values)),
  max: orNull((values) => Math.max(...values)),
  variance: orNull(variance),
  stddev: orNull((values) => Math.sqrt(variance(values))),
  percentile,
  distinct: (samples) => new Set(samples.map(({ value }) => value)).size,
  first: (samples) => inOrder(samples)[0]?.value ?? null,
  last: (samples) => inOrder(samples).at(-1)?.value ?? null,
  top,
  ewma,
  rate: (samples, settings, span) => (sum(numbers(samples)) / span) * (settings as { rate: Millis }).rate,
  spectral,
}
