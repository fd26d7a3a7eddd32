/** What a seed decides: draws, and what is done to bytes and texts that were right. */
import { seeded } from '../../bench/orders.ts'

/** A stream of draws that is the same for the same seed. */
export class Chance {
  /** In [0, 1). */
  readonly next: () => number

  constructor(seed: number) {
    // neighbouring seeds, and those that differ by much, begin far from each other
    this.next = seeded(Math.imul(seed ^ Math.floor(seed / 2 ** 32), 2_654_435_761))
  }

  /** A whole number from 0 to `n` - 1. */
  int(n: number): number {
    return Math.floor(this.next() * n)
  }

  /** True in `share` of the cases. */
  odds(share: number): boolean {
    return this.next() < share
  }

  pick<T>(from: readonly T[]): T {
    return from[this.int(from.length)] as T
  }

  list<T>(most: number, make: (index: number) => T): T[] {
    return Array.from({ length: this.int(most + 1) }, (_, i) => make(i))
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length)
    for (let i = 0; i < length; i++) bytes[i] = this.int(256)
    return bytes
  }

  text(most: number): string {
    return this.list(most, () => this.pick(CHARACTERS)).join('')
  }

  /** Small, large, at the edges of what fits somewhere. */
  whole(): number {
    const size = this.pick([0, 1, 7, 8, 15, 31, 32, 52])
    const value = size === 0 ? 0 : Math.floor(this.next() * 2 ** size) + this.pick([0, 0, 2 ** (size - 1), -1])
    return Math.min(Math.max(this.odds(0.4) ? -value : value, Number.MIN_SAFE_INTEGER), Number.MAX_SAFE_INTEGER) + 0
  }

  number(): number {
    return this.odds(0.5) ? this.whole() : this.pick([0.1, -0.5, 1e-9, 1e300, -1e300, 3.5, 2 ** 53, this.next()])
  }
}

const CHARACTERS = [
  'a',
  'b',
  'Z',
  '0',
  '_',
  ' ',
  '-',
  '"',
  '/',
  '\\',
  '\n',
  '\0',
  '\u00e9',
  '\u202e',
  '\u{1f6b2}',
  '%',
  ':',
]

/** Bytes that mean something to formats of lengths, counts, signs and doubles. */
const TELLING: readonly (readonly number[])[] = [
  [0],
  [1],
  [0x7f],
  [0x80],
  [0xff],
  [0xff, 0xff, 0xff, 0xff],
  [0x7f, 0xff, 0xff, 0xff],
  [0x80, 0, 0, 0],
  [0xff, 0xff, 0xff, 0xff, 0x0f],
  [0x80, 0x80, 0x80, 0x80, 0x01],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
  [0, 0, 0, 0, 0, 0, 0xf8, 0x7f],
  [0, 0, 0, 0, 0, 0, 0xf0, 0x7f],
  [0, 0, 0, 0, 0, 0, 0xf0, 0xff],
  [0x7f, 0xf8, 0, 0, 0, 0, 0, 0],
]

/** The bytes after one to four changes: bits, values, pieces cut out, put in, repeated or moved. The given ones stay as they are. */
export function mutated(chance: Chance, given: Uint8Array): Buffer {
  let bytes: Buffer = Buffer.from(given)
  for (let left = 1 + chance.int(4); left > 0; left--) bytes = once(chance, bytes)
  return bytes
}

function once(chance: Chance, bytes: Buffer): Buffer {
  const at = chance.int(bytes.length + 1)
  const length = chance.odds(0.8) ? chance.int(9) : chance.int(bytes.length + 1)
  const [before, here, after] = [bytes.subarray(0, at), bytes.subarray(at, at + length), bytes.subarray(at + length)]
  switch (chance.int(8)) {
    case 0:
    case 1:
      if (at < bytes.length) bytes[at] = (bytes[at] as number) ^ (1 << chance.int(8))
      return bytes
    case 2:
      if (at < bytes.length) bytes[at] = chance.int(256)
      return bytes
    case 3: {
      const telling = chance.pick(TELLING)
      return Buffer.concat([before, Buffer.from(telling), bytes.subarray(at + telling.length)])
    }
    case 4:
      return Buffer.concat([before, Buffer.from(chance.pick(TELLING)), bytes.subarray(at)])
    case 5:
      return Buffer.concat([before, after])
    case 6:
      return Buffer.concat([before, here, here, after])
    default:
      return Buffer.from(before)
  }
}
