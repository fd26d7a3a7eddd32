/**
 * One-sided power spectral density by Welch's method: segments of `points` values (a power of two) that overlap by half,
 * from the newest back, each without its mean and under a periodic Hann window. The n-th number is that of the frequency
 * (n + 1) / (points * step), in squares of the unit per Hz. Null where there is no segment, or a value is not finite.
 */
export function welch(values: Float64Array, points: number, stepSeconds: number): number[] | null {
  const window = Float64Array.from({ length: points }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / points))
  const power = window.reduce((sum, weight) => sum + weight * weight, 0)
  const densities = new Float64Array(points / 2)
  const [real, imaginary] = [new Float64Array(points), new Float64Array(points)]
  let segments = 0
  for (let end = values.length; end >= points; end -= points / 2) {
    const segment = values.subarray(end - points, end)
    const mean = segment.reduce((sum, value) => sum + value, 0) / points
    for (let i = 0; i < points; i++) real[i] = ((segment[i] as number) - mean) * (window[i] as number)
    imaginary.fill(0)
    transform(real, imaginary)
    for (let n = 1; n <= points / 2; n++) {
      const square = (real[n] as number) ** 2 + (imaginary[n] as number) ** 2
      densities[n - 1] = (densities[n - 1] as number) + (n < points / 2 ? 2 * square : square)
    }
    segments++
  }
  if (segments === 0 || !densities.every(Number.isFinite)) return null
  return Array.from(densities, (sum) => (sum * stepSeconds) / power / segments)
}

/** Fourier transform in place, radix 2 (Cooley, Tukey 1965). */
function transform(real: Float64Array, imaginary: Float64Array): void {
  const { length } = real
  for (let i = 1, j = 0; i < length; i++) {
    let bit = length >> 1
    for (; j & bit; bit >>= 1) j ^= bit
    j ^= bit
    if (i >= j) continue
    ;[real[i], real[j]] = [real[j] as number, real[i] as number]
    ;[imaginary[i], imaginary[j]] = [imaginary[j] as number, imaginary[i] as number]
  }
  for (let size = 2; size <= length; size *= 2) {
    const half = size / 2
    for (let k = 0; k < half; k++) {
      const angle = (-2 * Math.PI * k) / size
      const [cos, sin] = [Math.cos(angle), Math.sin(angle)]
      for (let low = k; low < length; low += size) {
        const high = low + half
        const re = (real[high] as number) * cos - (imaginary[high] as number) * sin
        const im = (real[high] as number) * sin + (imaginary[high] as number) * cos
        real[high] = (real[low] as number) - re
        imaginary[high] = (imaginary[low] as number) - im
        real[low] = (real[low] as number) + re
        imaginary[low] = (imaginary[low] as number) + im
      }
    }
  }
}
