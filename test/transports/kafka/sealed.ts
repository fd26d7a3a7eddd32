import { crc32c } from '../../../src/transports/kafka/crc32c.ts'

const HEAD_BYTES = 61

/** The same record batches with the checksums of the bytes they have now: what else is wrong in them is then looked at. */
export function sealed(set: Buffer): Buffer {
  const to = Buffer.from(set)
  for (let at = 0; at + HEAD_BYTES <= to.length; ) {
    const end = at + 12 + to.readInt32BE(at + 8)
    if (end > to.length || end < at + HEAD_BYTES) break
    to.writeUInt32BE(crc32c(to, at + 21, end), at + 17)
    at = end
  }
  return to
}
