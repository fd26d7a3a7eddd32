import { type Hash, hashNumber } from './hash.ts'

/** 2^12: a standard error of 1.04 / √4096. */
export const REGISTERS = 4096
/** Bits of the hash beside those that choose the register. */
const BITS = 32

const hash: Hash = { high: 0, low: 0 }

/** Registers hold the longest run of leading zeros of the hashes that fell to them, plus one: a function of the set. */
export class HyperLogLog {
  readonly registers: Uint8Array

  /** Throws RangeError for registers that no hash leads to. */
  constructor(registers: Uint8Array = new Uint8Array(REGISTERS)) {
    if (registers.some((run) => run > BITS + 1)) throw new RangeError('a register holds a run longer than a hash')
    this.registers = registers
  }

  add(value: number): void {
    hashNumber(value, hash)
    const at = hash.high & (REGISTERS - 1)
    const run = Math.clz32(hash.low) + 1
    if (run > (this.registers[at] as number)) this.registers[at] = run
  }

  merge({ registers: from }: HyperLogLog): void {
    const { registers } = this
    for (let i = 0; i < REGISTERS; i++)
      if ((from[i] as number) > (registers[i] as number)) registers[i] = from[i] as number
  }

  /** Ertl's improved raw estimator (2017, algorithm 6). */
  estimate(): number {
    const counts = new Int32Array(BITS + 2)
    const { registers } = this
    for (let i = 0; i < REGISTERS; i++) {
      const register = registers[i] as number
      counts[register] = (counts[register] as number) + 1
    }
    let z = REGISTERS * tau(1 - (counts[BITS + 1] as number) / REGISTERS)
    for (let run = BITS; run >= 1; run--) z = 0.5 * (z + (counts[run] as number))
    z += REGISTERS * sigma((counts[0] as number) / REGISTERS)
    return Math.round((REGISTERS * REGISTERS) / (2 * Math.LN2 * z))
  }
}

function sigma(share: number): number {
  if (share === 1) return Number.POSITIVE_INFINITY
  let x = share
  let y = 1
  let z = x
  for (let before = Number.NaN; z !== before; ) {
    x *= x
    before = z
    z += x * y
    y += y
  }
  return z
}

function tau(share: number): number {
  if (share === 0 || share === 1) return 0
  let x = share
  let y = 1
  let z = 1 - x
  for (let before = Number.NaN; z !== before; ) {
    x = Math.sqrt(x)
    before = z
    y *= 0.5
    z -= (1 - x) ** 2 * y
  }
  return z / 3
}
