/** Entity ids and where they go. */

/** Longest id of an entity, or of what its lifecycles are of, in bytes of UTF-8. A worker holds ids by the hundred thousand, and the API takes none that are longer. */
export const MOST_ID_BYTES = 1024

/** Why a text can't be an id; undefined when it can. */
export function idFault(id: string): string | undefined {
  if (id.length * 3 > MOST_ID_BYTES && Buffer.byteLength(id) > MOST_ID_BYTES)
    return `is longer than ${MOST_ID_BYTES} bytes of UTF-8`
  return id.includes('\0') ? 'holds a NUL character' : undefined
}

/**
 * One id from the parts of a dimension: a single part stays as it is; several are joined by `:`, with `%` and
 * `:` inside a part written as %25 and %3A, so that different parts never make the same id.
 */
export function entityId(parts: readonly string[]): string {
  if (parts.length === 1) return parts[0] as string
  return parts.map((part) => part.replaceAll('%', '%25').replaceAll(':', '%3A')).join(':')
}

/** The parts that `entityId` joined; `count` of them. */
export function entityParts(id: string, count: number): string[] {
  if (count === 1) return [id]
  return id.split(':').map((part) => part.replaceAll('%3A', ':').replaceAll('%25', '%'))
}

/** 32-bit murmur2 as Kafka's clients use it for keys. Source: org.apache.kafka.common.utils.Utils.murmur2. */
export function murmur2(bytes: Uint8Array): number {
  const m = 0x5bd1e995
  const length = bytes.length
  let h = 0x9747b28c ^ length
  let i = 0
  for (; i + 4 <= length; i += 4) {
    let k =
      (bytes[i] as number) |
      ((bytes[i + 1] as number) << 8) |
      ((bytes[i + 2] as number) << 16) |
      ((bytes[i + 3] as number) << 24)
    k = Math.imul(k, m)
    k ^= k >>> 24
    k = Math.imul(k, m)
    h = Math.imul(h, m) ^ k
  }
  const rest = length - i
  if (rest >= 3) h ^= (bytes[i + 2] as number) << 16
  if (rest >= 2) h ^= (bytes[i + 1] as number) << 8
  if (rest >= 1) h = Math.imul(h ^ (bytes[i] as number), m)
  h ^= h >>> 13
  h = Math.imul(h, m)
  h ^= h >>> 15
  return h | 0
}

/** `murmur2` of the key's UTF-8, not negative: what Kafka's default partitioner goes by. */
export function hashOf(key: string | Uint8Array): number {
  const hash = typeof key === 'string' ? (murmur2Ascii(key) ?? murmur2(Buffer.from(key))) : murmur2(key)
  return hash & 0x7fffffff
}

/** Without bytes made of it; undefined where the text is not ASCII. */
function murmur2Ascii(text: string): number | undefined {
  const m = 0x5bd1e995
  const { length } = text
  let h = 0x9747b28c ^ length
  let units = 0
  let i = 0
  for (; i + 4 <= length; i += 4) {
    const [a, b, c, d] = [text.charCodeAt(i), text.charCodeAt(i + 1), text.charCodeAt(i + 2), text.charCodeAt(i + 3)]
    units |= a | b | c | d
    let k = a | (b << 8) | (c << 16) | (d << 24)
    k = Math.imul(k, m)
    k ^= k >>> 24
    k = Math.imul(k, m)
    h = Math.imul(h, m) ^ k
  }
  let last = 0
  for (let shift = 0; i < length; i++, shift += 8) {
    const unit = text.charCodeAt(i)
    units |= unit
    last |= unit << shift
  }
  if (units > 127) return undefined
  if (length % 4 !== 0) h = Math.imul(h ^ last, m)
  h ^= h >>> 13
  h = Math.imul(h, m)
  h ^= h >>> 15
  return h | 0
}

/** Partition of a key, the same as Kafka's default partitioner gives. */
export function partitionOf(key: string | Uint8Array, partitions: number): number {
  return hashOf(key) % partitions
}

/** 53-bit hash of a text as a whole double, for ordering by an id that need not be kept. Source: two FNV-1a style rounds (cyrb53, public domain). */
export function hash53(text: string): number {
  let a = 0xdeadbeef
  let b = 0x41c6ce57
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    a = Math.imul(a ^ c, 2654435761)
    b = Math.imul(b ^ c, 1597334677)
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909)
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909)
  return 4294967296 * (2097151 & b) + (a >>> 0)
}
