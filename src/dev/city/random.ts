/** Seeded chance. The same name always gives the same sequence, on every machine. */
import { hash53 } from '../../core/key.ts'

export interface Random {
  /** Uniform in [0, 1). */
  unit(): number
  between(low: number, high: number): number
  /** Uniform in the logarithm: small values as likely per decade as large ones. */
  logBetween(low: number, high: number): number
  chance(probability: number): boolean
  exponential(mean: number): number
  /** Lognormal with this median; `spread` is the deviation of the logarithm. Clamped to [low, high]. */
  around(median: number, spread: number, low: number, high: number): number
  /** An index, as likely as its share; `shares` as made by `cumulative`. */
  pick(shares: Float64Array): number
}

/** Running totals of weights, for `Random.pick`. */
export function cumulative(weights: readonly number[]): Float64Array {
  let total = 0
  return Float64Array.from(weights, (weight) => {
    total += weight
    return total
  })
}

/** Generator: sfc32 (Chris Doty-Humphrey's, public domain). */
export function random(name: string): Random {
  const seed = hash53(name)
  let a = seed | 0
  let b = Math.floor(seed / 2 ** 32) | 0
  let c = 0x9e3779b9 | 0
  let count = 1

  function unit(): number {
    const sum = (a + b + count) | 0
    count = (count + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + sum) | 0
    return (sum >>> 0) / 2 ** 32
  }
  for (let i = 0; i < 12; i++) unit()

  const exponential = (mean: number) => -Math.log(1 - unit()) * mean
  const normal = () => Math.sqrt(exponential(2)) * Math.cos(2 * Math.PI * unit())
  return {
    unit,
    between: (low, high) => low + unit() * (high - low),
    logBetween: (low, high) => low * (high / low) ** unit(),
    chance: (probability) => unit() < probability,
    exponential,
    around: (median, spread, low, high) => Math.min(high, Math.max(low, median * Math.exp(spread * normal()))),
    pick(shares) {
      const at = unit() * (shares[shares.length - 1] as number)
      let low = 0
      let high = shares.length - 1
      while (low < high) {
        const middle = (low + high) >> 1
        if (at < (shares[middle] as number)) high = middle
        else low = middle + 1
      }
      return low
    },
  }
}
