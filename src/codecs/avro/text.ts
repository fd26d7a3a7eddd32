import type { Cursor } from './cursor.ts'

/** Of ten thousand ids of skewed popularity, nine in ten are found again. */
const SLOTS = 16_384
const LONGEST = 32
/** After so many texts it is known whether remembering pays. */
const TRIAL = 4096

/**
 * Reads the texts of one field. Most fields repeat few texts (a type, a city, a store), and finding one again is
 * cheaper than making it; a field whose texts hardly repeat is found out, and read plainly from then on.
 */
export function repeatedText(): (cursor: Cursor) => string {
  const seen: string[] = new Array(SLOTS).fill('')
  let reads = 0
  let found = 0
  let pays = true
  return (cursor) => {
    if (!pays) return cursor.text()
    const length = cursor.length()
    const from = cursor.take(length)
    const { bytes, at } = cursor
    if (length > LONGEST) return bytes.toString('utf8', from, at)
    if (++reads === TRIAL) {
      pays = found * 2 > reads
      reads = 0
      found = 0
    }
    const slot = slotOf(bytes, from, at)
    const there = seen[slot] as string
    if (isThere(there, bytes, from, length)) {
      found++
      return there
    }
    const text = bytes.toString('utf8', from, at)
    seen[slot] = text
    return text
  }
}

/** Of the length and the last bytes, in which ids differ most: what is not told apart here only takes longer. */
function slotOf(bytes: Buffer, from: number, to: number): number {
  let hash = to - from
  for (let i = Math.max(from, to - 6); i < to; i++) hash = (Math.imul(hash, 31) + (bytes[i] as number)) | 0
  return (hash ^ (hash >>> 12)) & (SLOTS - 1)
}

/** Only ASCII can be equal unit by byte at equal length, so what is found is right. */
function isThere(text: string, bytes: Buffer, from: number, length: number): boolean {
  if (text.length !== length) return false
  for (let i = 0; i < length; i++) if (text.charCodeAt(i) !== bytes[from + i]) return false
  return true
}
