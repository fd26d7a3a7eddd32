import { createRequire } from 'node:module'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { boundOf, RecordBatch } from '../../../src/transports/kafka/record-batch.ts'
import { recordBatch } from './batch.ts'

const internal = createRequire(import.meta.url)
const Decoder = internal('kafkajs/src/protocol/decoder') as new (bytes: Buffer) => { readInt64(): unknown }
const decode = internal('kafkajs/src/protocol/recordBatch/v0/decoder') as (decoder: object) => Promise<{
  records: {
    key: Buffer | null
    value: Buffer | null
    timestamp: string
    offset: string
    headers: Record<string, Buffer>
  }[]
  maxTimestamp: string
}>
const crcOf = internal('kafkajs/src/protocol/recordBatch/crc32C') as (bytes: Buffer) => number

const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array))
const message = fc.record({
  key: fc.option(fc.oneof(bytes, fc.string())),
  value: fc.option(bytes),
  timestamp: fc.integer({ min: 0, max: 4_102_444_800_000 }),
  headers: fc.dictionary(fc.stringMatching(/^x-[a-z-]{1,20}$/), fc.oneof(bytes, fc.string()), { maxKeys: 3 }),
})

it("is read by kafkajs's decoder as it was written, with the right checksum", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(message, { minLength: 1, maxLength: 20 }), async (messages) => {
      const batch = recordBatch(messages)
      expect(batch.readUInt32BE(17)).toBe(crcOf(batch.subarray(21)) >>> 0)
      expect(batch.readInt32BE(8)).toBe(batch.length - 12)
      const { records, maxTimestamp } = await decode(new Decoder(batch))
      const asBuffer = (part: string | Buffer | null) => (part === null ? null : Buffer.from(part))
      expect(
        records.map(({ key, value, timestamp, offset, headers }) => [
          key,
          value,
          Number(timestamp),
          Number(offset),
          headers,
        ]),
      ).toEqual(
        messages.map(({ key, value, timestamp, headers }, i) => [
          asBuffer(key),
          value,
          timestamp,
          i,
          Object.fromEntries(Object.entries(headers).map(([name, part]) => [name, Buffer.from(part)])),
        ]),
      )
      expect(Number(maxTimestamp)).toBe(Math.max(...messages.map(({ timestamp }) => timestamp)))
    }),
  )
})

it('has in its halves the same records, in their order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(message, { minLength: 2, maxLength: 20 }), async (messages) => {
      const batch = new RecordBatch()
      for (const one of messages) batch.add(one, boundOf(one), one.timestamp)
      const middle = messages.length >> 1
      const wanted = [messages.slice(0, middle), messages.slice(middle)].map(recordBatch)
      expect(batch.halves().map((half) => half.bytes())).toEqual(wanted)
    }),
  )
})
