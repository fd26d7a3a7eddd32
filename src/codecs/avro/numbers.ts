/** Numbers that mean something else than they say: times in milliseconds, decimals. */
import type { AvroType, TimeType } from '../../core/schema.ts'

export const DAY_MS = 86_400_000

export function isTime(type: AvroType): type is TimeType {
  return type.kind === 'timestamp' || type.kind === 'time' || type.kind === 'date'
}

export function unitOf(type: TimeType): 'days' | 'millis' | 'micros' | 'nanos' {
  return type.kind === 'date' ? 'days' : type.unit
}

/** More digits would make a double infinite, and cost time to find that out. */
const MAX_DECIMAL_BYTES = 128

/** The double nearest to `unscaled / 10^scale`; undefined when it has no double or too many bytes. */
export function decimalOf(unscaled: Buffer, scale: number): number | undefined {
  if (unscaled.length === 0) return 0
  if (unscaled.length <= 6) return Number(`${unscaled.readIntBE(0, unscaled.length)}e-${scale}`)
  if (unscaled.length > MAX_DECIMAL_BYTES) return undefined
  const magnitude = BigInt(`0x${unscaled.toString('hex')}`)
  const value = Number(`${BigInt.asIntN(unscaled.length * 8, magnitude)}e-${scale}`)
  return Number.isFinite(value) ? value : undefined
}

/** Two's complement of `value * 10^scale`, rounded, in `size` bytes or as few as it needs; undefined when it does not fit. */
export function unscaledOf(value: number, scale: number, size?: number): Buffer | undefined {
  if (!Number.isFinite(value)) return undefined
  const unscaled = BigInt(shift(value, scale))
  let bytes = size ?? 1
  const isWithin = () => BigInt.asIntN(bytes * 8, unscaled) === unscaled
  while (!isWithin()) {
    if (size !== undefined) return undefined
    bytes++
  }
  const hex = BigInt.asUintN(bytes * 8, unscaled).toString(16)
  return Buffer.from(hex.padStart(bytes * 2, '0'), 'hex')
}

/** The whole number nearest to `value * 10^scale`, by its digits: 1.005 with scale 2 is 101, not 100. */
function shift(value: number, scale: number): string {
  const [digits = '0', exponent = '0'] = value.toExponential().split('e')
  const [whole = '0', fraction = ''] = digits.replace('-', '').split('.')
  const places = Number(exponent) + scale
  const all = whole + fraction
  const kept = places < -1 ? '' : all.slice(0, places + 1).padEnd(places + 1, '0')
  const next = places < -1 ? '0' : (all[places + 1] ?? '0')
  const magnitude = BigInt(kept === '' ? '0' : kept) + (next >= '5' ? 1n : 0n)
  return `${value < 0 ? '-' : ''}${magnitude}`
}
