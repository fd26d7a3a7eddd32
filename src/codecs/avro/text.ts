import { textOf } from '../../core/text.ts'
import type { Cursor } from './cursor.ts'

/** Of ten thousand ids of skewed popularity, nine in ten are found again. */
const SLOTS = 16_384
const LONGEST = 32
/** Of a place that is being filled. */
const NO_LENGTH = 255
/** After so many texts it is known whether remembering pays. */
const TRIAL = 4096

/**
 * Reads the texts of one field. Most fields repeat few texts (a type, a city, a store), and finding one again is
 * cheaper than making it; a field whose texts hardly repeat is found out, and read plainly from then on.
 */
export function repeatedText(): (cursor: Cursor) => string {
  let texts: string[] = new Array(SLOTS).fill('')
  /** Bytes of each text, which are cheaper to compare with than the text itself. */
  let known = new Uint8Array(SLOTS * LONGEST)
  const lengths = new Uint8Array(SLOTS)
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
      if (!pays) {
        texts = []
        known = new Uint8Array(0)
        return bytes.toString('utf8', from, at)
      }
    }
    const slot = slotOf(bytes, from, at)
    if (lengths[slot] === length && isThere(known, slot * LONGEST, bytes, from, length)) {
      found++
      return texts[slot] as string
    }
    const text = textOf(bytes, from, at)
    // found by nobody until all of it stands: code of one's own that takes too long is ended anywhere
    lengths[slot] = NO_LENGTH
    texts[slot] = text
    for (let i = 0; i < length; i++) known[slot * LONGEST + i] = bytes[from + i] as number
    lengths[slot] = length
    return text
  }
}

/** Of the length and the last bytes, in which ids differ most: what is not told apart here only takes longer. */
function slotOf(bytes: Buffer, from: number, to: number): number {
  let hash = to - from
  for (let i = Math.max(from, to - 6); i < to; i++) hash = (Math.imul(hash, 31) + (bytes[i] as number)) | 0
  return (hash ^ (hash >>> 12)) & (SLOTS - 1)
}

/** The same bytes are always the same text. */
function isThere(known: Uint8Array, at: number, bytes: Buffer, from: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (known[at + i] !== bytes[from + i]) return false
  return true
}
