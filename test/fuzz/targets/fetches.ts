import { createRequire } from 'node:module'
import type { InputRecord } from '../../../src/core/model.ts'
import { readFetch } from '../../../src/transports/kafka/fetch.ts'
import { sealed } from '../../transports/kafka/sealed.ts'
import { type Chance, mutated } from '../chance.ts'
import type { Target } from '../target.ts'

const internal = createRequire(import.meta.url)
interface Encoder {
  readonly buffer: Buffer
}
const batchOf = internal('kafkajs/src/protocol/recordBatch/v0') as {
  RecordBatch(options: object): Promise<Encoder>
}
const recordOf = internal('kafkajs/src/protocol/recordBatch/record/v0') as (options: object) => Encoder
const theirs = internal('kafkajs/src/protocol/requests/fetch/v11/response') as {
  decode(
    bytes: Buffer,
  ): Promise<{ responses: { partitions: { messages: { offset: string; value: Buffer | null }[] }[] }[] }>
}
const GZIP = 1
const INPUTS = 20
/** Of the smallest record: length, attributes, time, offset, key, value and number of headers. */
const SMALLEST = 7

const target: Target = {
  about:
    'an answer to a Fetch request, of batches that kafkajs wrote, mutated: refused, or whole records in their order',
  slice: 2_000,
  open: async () => ({
    async try(chance, { input, outcome }) {
      const good = await answer(chance)
      for (let i = 0; i < INPUTS; i++) {
        const bytes = i === 0 ? good : chance.odds(0.5) ? mutated(chance, good) : await answer(chance, true)
        input(() => bytes.toString('base64'))
        const read = await readFetch(bytes, 11).catch((error: unknown) => {
          if (i === 0 || !(error instanceof Error)) throw error
          return undefined
        })
        outcome(read ? 'read' : 'refused')
        const sets = read?.responses.flatMap(({ partitions }) => partitions.flatMap(({ messages }) => messages)) ?? []
        for (const { records, offset } of sets) sound(records, Number(offset), bytes.length)
        if (i === 0)
          await same(
            good,
            sets.flatMap(({ records }) => records),
          )
      }
    },
  }),
}
export default target

/** `spoiled`: batches are mutated, and have the checksum of what they are then. */
async function answer(chance: Chance, spoiled = false): Promise<Buffer> {
  const partitions = await Promise.all(
    Array.from({ length: 1 + chance.int(2) }, async (_, partition) => {
      let base = chance.int(1_000)
      const batches: Buffer[] = []
      for (let left = 1 + chance.int(3); left > 0; left--) {
        const { count, bytes } = await batch(chance, base)
        batches.push(spoiled && chance.odds(0.7) ? mutated(chance, bytes) : bytes)
        base += count + chance.int(3)
      }
      const set = sealed(Buffer.concat(batches))
      const aborted = chance.odds(0.1) ? [int64(7), int64(0)] : []
      return [
        ...[int32(partition), int16(0), int64(base), int64(base), int64(0), int32(aborted.length / 2), ...aborted],
        ...[int32(-1), int32(set.length), set],
      ]
    }),
  )
  const topic = Buffer.from('orders')
  return Buffer.concat([
    ...[int32(0), int16(0), int32(0), int32(1), int16(topic.length), topic, int32(partitions.length)],
    ...partitions.flat(),
  ])
}

async function batch(chance: Chance, base: number): Promise<{ count: number; bytes: Buffer }> {
  const firstTimestamp = 1_700_000_000_000
  const count = 1 + chance.int(4)
  const records = Array.from({ length: count }, (_, offsetDelta) =>
    recordOf({
      offsetDelta,
      timestampDelta: chance.int(1_000),
      key: chance.odds(0.3) ? null : Buffer.from(chance.text(6)),
      value: chance.odds(0.1) ? null : chance.bytes(chance.int(40)),
      headers: Object.fromEntries(chance.list(2, (i) => [chance.pick(['__proto__', `h${i}`]), chance.bytes(3)])),
    }),
  )
  const compression = chance.odds(0.2) ? GZIP : 0
  const transactional = chance.odds(0.1)
  const options = {
    compression,
    records,
    firstTimestamp,
    maxTimestamp: firstTimestamp + 1_000,
    partitionLeaderEpoch: 0,
  }
  const producer = { transactional, producerId: transactional ? '7' : '-1', producerEpoch: 0, firstSequence: 0 }
  const { buffer } = await batchOf.RecordBatch({ ...options, ...producer, lastOffsetDelta: count - 1 })
  const bytes = Buffer.from(buffer)
  bytes.writeBigInt64BE(BigInt(base), 0)
  return { count, bytes }
}

const int16 = (value: number) => Buffer.from([(value >> 8) & 255, value & 255])
const int32 = (value: number) => Buffer.concat([int16(value >> 16), int16(value & 0xffff)])
const int64 = (value: number) => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(BigInt(value))
  return bytes
}

function sound(records: readonly InputRecord[], last: number, size: number): void {
  let before = -1
  // gzip makes at most a thousand bytes of one
  if (records.length > (size * 1_032) / SMALLEST) throw new Error(`${records.length} records in ${size} bytes`)
  for (const { position, timestamp, key, value, headers } of records) {
    if (!Number.isSafeInteger(position) || position <= before || position > last)
      throw new Error(`position ${position} after ${before}, before ${last}`)
    if (!Number.isFinite(timestamp)) throw new Error(`a record at ${timestamp}`)
    if (!(key === null || Buffer.isBuffer(key)) || !(value === null || Buffer.isBuffer(value)))
      throw new Error('a record of something else')
    if (Object.getPrototypeOf(headers) !== Object.prototype && Object.getPrototypeOf(headers) !== null)
      throw new Error('headers with a prototype of their own')
    before = position
  }
}

/** The same records as kafkajs finds. It knows no aborted transactions until later: their records are left out here. */
async function same(bytes: Buffer, records: readonly InputRecord[]): Promise<void> {
  const { responses } = await theirs.decode(bytes)
  const wanted = responses.flatMap(({ partitions }) => partitions.flatMap(({ messages }) => messages))
  const all = new Set(wanted.map(({ offset, value }) => `${offset} ${value?.toString('hex')}`))
  const strange = records.find(({ position, value }) => !all.has(`${position} ${value?.toString('hex')}`))
  if (strange) throw new Error(`kafkajs finds no record ${strange.position} like this`)
}
