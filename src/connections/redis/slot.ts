/** Hash slots of Redis Cluster: a key is kept by the primary that serves the slot of what stands in its braces, or of all of it. */
export const SLOTS = 16_384

/** CRC-16/XMODEM of every byte. */
const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1
  return crc
})

export function slotOf(key: string): number {
  const from = key.indexOf('{')
  const to = from < 0 ? -1 : key.indexOf('}', from + 1)
  const hashed = to > from + 1 ? key.slice(from + 1, to) : key
  let crc = 0
  for (const byte of Buffer.from(hashed)) crc = ((crc << 8) ^ (TABLE[((crc >> 8) ^ byte) & 255] as number)) & 0xffff
  return crc % SLOTS
}

const tags = new Map<number, string>()

/** A text whose slot this is; always the same. */
export function tagOf(slot: number): string {
  const known = tags.get(slot)
  if (known !== undefined) return known
  let number = 0
  while (slotOf(String(number)) !== slot) number++
  tags.set(slot, String(number))
  return String(number)
}
