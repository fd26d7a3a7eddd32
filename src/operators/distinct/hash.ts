/** The two halves of a hash of 64 bits, of the number hashed last. */
export interface Hash {
  high: number
  low: number
}

const double = new Float64Array(1)
const words = new Uint32Array(double.buffer)

/** Hashes the bits of a number, never -0, into `into`. Source of the mixing: the finalizer of MurmurHash3 (Appleby, public domain). */
export function hashNumber(value: number, into: Hash): void {
  double[0] = value
  const [a = 0, b = 0] = words
  const low = mix(a ^ Math.imul(b, 0x9e3779b1))
  const high = mix(b ^ Math.imul(low, 0x85ebca77) ^ 0x27d4eb2f)
  into.high = high
  into.low = mix(low ^ Math.imul(high, 0xc2b2ae3d))
}

/** Each bit of the answer depends on each bit of the word. */
function mix(word: number): number {
  let h = word
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
