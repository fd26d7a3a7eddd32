import { createRequire } from 'node:module'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import type { KafkaMessage } from 'kafkajs'
import { describe, expect, it } from 'vitest'
import { readFetch } from '../../../src/transports/kafka/fetch.ts'
import { type Message, recordBatch } from './batch.ts'
import { sealed } from './sealed.ts'

const internal = createRequire(import.meta.url)
const theirs = internal('kafkajs/src/protocol/requests/fetch/v11/response') as {
  decode(bytes: Buffer): Promise<{
    clientSideThrottleTime: number
    responses: {
      topicName: string
      partitions: { partition: number; highWatermark: string; messages: KafkaMessage[] }[]
    }[]
  }>
}

interface Kind {
  readonly base?: number
  readonly attributes?: number
  readonly producer?: bigint
  readonly last?: number
}

/** A batch as a broker keeps it: at its offset, with the attributes given. */
function stored(messages: readonly Message[], { base = 0, attributes = 0, producer = -1n, last }: Kind = {}): Buffer {
  const batch = Buffer.from(recordBatch(messages))
  batch.writeBigInt64BE(BigInt(base), 0)
  batch.writeInt16BE(attributes, 21)
  batch.writeInt32BE(last === undefined ? messages.length - 1 : last - base, 23)
  batch.writeBigInt64BE(producer, 43)
  return batch
}

function compressed(batch: Buffer, codec: number, compress: (bytes: Buffer) => Buffer): Buffer {
  const zipped = Buffer.concat([batch.subarray(0, 61), compress(batch.subarray(61))])
  zipped.writeInt32BE(zipped.length - 12, 8)
  zipped.writeInt16BE(codec, 21)
  return zipped
}

const int16 = (value: number) => Buffer.from([(value >> 8) & 255, value & 255])
const int32 = (value: number) => Buffer.concat([int16(value >> 16), int16(value & 0xffff)])
const int64 = (value: number | bigint) => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(BigInt(value))
  return bytes
}

/** An answer of one topic, as version 11 has it. */
function answer(
  partitions: readonly { readonly set: Buffer; readonly aborted?: readonly (readonly [bigint, number])[] }[],
): Buffer {
  const parts = partitions.flatMap(({ set, aborted = [] }, partition) => [
    ...[int32(partition), int16(0), int64(100), int64(90), int64(0), int32(aborted.length)],
    ...aborted.flatMap(([producer, first]) => [int64(producer), int64(first)]),
    ...[int32(-1), int32(set.length), sealed(set)],
  ])
  const topic = Buffer.from('orders')
  return Buffer.concat([
    ...[int32(7), int16(0), int32(0), int32(1), int16(topic.length), topic, int32(partitions.length)],
    ...parts,
  ])
}

/** Records of the first partition. */
async function read(set: Buffer, aborted: readonly (readonly [bigint, number])[] = []) {
  const [message] = (await readFetch(answer([{ set, aborted }]), 11)).responses[0]?.partitions[0]?.messages ?? []
  return message
}

const values = (set: Awaited<ReturnType<typeof read>>) => set?.records.map(({ value }) => String(value))

const message = (value: string, timestamp = 1_700_000_000_000): Message => ({
  key: null,
  value: Buffer.from(value),
  timestamp,
})

const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array))
const anyMessage = fc.record({
  key: fc.option(bytes),
  value: fc.option(bytes),
  timestamp: fc.integer({ min: 0, max: 4_102_444_800_000 }),
  headers: fc.dictionary(fc.stringMatching(/^x-[a-z]{1,20}$/), bytes, { maxKeys: 3 }),
})

describe('an answer to a Fetch request', () => {
  it('gives the records that kafkajs reads in it', async () => {
    const batches = fc.array(fc.tuple(fc.array(anyMessage, { minLength: 1, maxLength: 8 }), fc.boolean()), {
      maxLength: 4,
    })
    await fc.assert(
      fc.asyncProperty(fc.array(batches, { minLength: 1, maxLength: 3 }), async (partitions) => {
        const bytes = answer(
          partitions.map((partition) => {
            let base = 2 ** 33
            const sets = partition.map(([messages, zip]) => {
              const batch = stored(messages, { base })
              base += messages.length
              return zip ? compressed(batch, 1, gzipSync) : batch
            })
            return { set: Buffer.concat(sets) }
          }),
        )
        const wanted = await theirs.decode(bytes)
        const got = await readFetch(bytes, 11)
        expect(got.clientSideThrottleTime).toBe(wanted.clientSideThrottleTime)
        expect(
          got.responses.map(({ topicName, partitions }) => [
            topicName,
            partitions.map(({ partition, highWatermark, messages }) => [
              partition,
              highWatermark,
              messages.flatMap(({ records }) =>
                records.map(({ position, timestamp, key, value, headers }) => [
                  position,
                  timestamp,
                  key,
                  value,
                  headers,
                ]),
              ),
            ]),
          ]),
        ).toEqual(
          wanted.responses.map(({ topicName, partitions }) => [
            topicName,
            partitions.map(({ partition, highWatermark, messages }) => [
              partition,
              highWatermark,
              messages.map(({ offset, timestamp, key, value, headers }) => [
                Number(offset),
                Number(timestamp),
                key,
                value,
                headers,
              ]),
            ]),
          ]),
        )
      }),
    )
  })

  it('says where it ends, also when the newest records are no longer there', async () => {
    expect(await read(stored([message('a')], { base: 10, last: 14 }))).toMatchObject({
      offset: '14',
      isControlRecord: false,
    })
  })

  it('leaves a batch that is cut off for the next answer', async () => {
    const whole = stored([message('a')])
    const cut = stored([message('b')], { base: 1 })
    for (let length = 0; length < cut.length; length++) {
      const set = await read(Buffer.concat([whole, cut.subarray(0, length)]))
      expect([set?.offset, values(set)]).toEqual(['0', ['a']])
    }
    expect(await read(whole.subarray(0, -1))).toBeUndefined()
  })

  it('has no records of aborted transactions, however they are listed and interleaved', async () => {
    const [transactional, control] = [0x10, 0x30]
    const set = Buffer.concat([
      stored([message('1a')], { base: 0, attributes: transactional, producer: 1n }),
      stored([message('2a')], { base: 1, attributes: transactional, producer: 2n }),
      stored([message('1b')], { base: 2, attributes: transactional, producer: 1n }),
      stored([message('marker')], { base: 3, attributes: control, producer: 1n }),
      stored([message('1c')], { base: 4, attributes: transactional, producer: 1n }),
      stored([message('2b')], { base: 5, attributes: transactional, producer: 2n }),
      stored([message('marker')], { base: 6, attributes: control, producer: 2n }),
      stored([message('plain')], { base: 7 }),
      stored([message('marker')], { base: 8, attributes: control, producer: 1n }),
    ])
    expect(values(await read(set))).toEqual(['1a', '2a', '1b', '1c', '2b', 'plain'])
    expect(values(await read(set, [[1n, 0]]))).toEqual(['2a', '1c', '2b', 'plain'])
    const both = await read(set, [
      [2n, 1],
      [1n, 0],
    ])
    expect([values(both), both?.offset]).toEqual([['1c', 'plain'], '8'])
  })

  it('may be compressed with Zstandard; with a codec that is not there, it is refused', async () => {
    const batch = stored([message('a'), message('b')])
    expect(values(await read(compressed(batch, 4, zstdCompressSync)))).toEqual(['a', 'b'])
    await expect(read(compressed(batch, 2, (bytes) => bytes))).rejects.toThrow('Snappy')
    await expect(read(compressed(batch, 7, (bytes) => bytes))).rejects.toThrow('unknown compression 7')
  })

  it('has the time of the broker where the topic asks for that', async () => {
    const set = stored([message('a', 1_000), message('b', 3_000), message('c', 2_000)], { attributes: 0x08 })
    expect((await read(set))?.records.map(({ timestamp }) => timestamp)).toEqual([3_000, 3_000, 3_000])
  })

  it('has the last value of a header that comes twice, none without a value, and __proto__ as a name', async () => {
    const name = '__proto__'
    const set = stored([{ ...message('a'), headers: { [name]: 'x', ab: '1', ba: '2' } }])
    set.write('ab', set.lastIndexOf('ba'))
    const [record] = (await read(set))?.records ?? []
    expect(Object.entries(record?.headers ?? {})).toEqual([
      ['__proto__', Buffer.from('x')],
      ['ab', Buffer.from('2')],
    ])
    expect(Object.getPrototypeOf(record?.headers)).toBe(Object.prototype)
  })

  it('is refused when it is of an older format', async () => {
    const batch = stored([message('a'), message('b')])
    const old = Buffer.from(batch)
    old[16] = 1
    await expect(read(old)).rejects.toThrow('older than Kafka 0.11')
    await expect(readFetch(answer([{ set: batch }]), 3)).rejects.toThrow('Kafka 0.11')
  })

  it('is refused, naming the place, where one bit of a batch has changed', async () => {
    const batch = stored([message('a'), message('b')], { base: 5 })
    const whole = answer([{ set: stored([message('a')]) }, { set: batch }])
    // from the attributes on: offset and epoch before them are the broker's to set, and not part of the checksum
    for (let bit = 21 * 8; bit < batch.length * 8; bit++) {
      const harmed = Buffer.from(whole)
      const at = whole.length - batch.length + (bit >> 3)
      harmed[at] = (harmed[at] as number) ^ (1 << (bit & 7))
      await expect(readFetch(harmed, 11)).rejects.toThrow('orders/1: the batch at 5 is damaged')
    }
  })

  it('is refused where records do not fill their batch, reach beyond it, or stand out of order', async () => {
    const two = stored([message('a'), message('b')], { base: 5 })
    const harmed = (harm: (batch: Buffer) => void) => {
      const batch = Buffer.from(two)
      harm(batch)
      return read(Buffer.concat([batch, stored([message('c')], { base: 7 })]))
    }
    expect(values(await harmed(() => undefined))).toEqual(['a', 'b', 'c'])
    // more or fewer records than the batch says it has
    await expect(harmed((batch) => batch.writeInt32BE(1, 57))).rejects.toThrow('ends after byte')
    await expect(harmed((batch) => batch.writeInt32BE(3, 57))).rejects.toThrow()
    // a batch that is all of its head and no more, or less
    await expect(harmed((batch) => batch.writeInt32BE(30, 8))).rejects.toThrow('shorter than its head')
    // a key as long as what stands behind the batch
    await expect(
      harmed((batch) => {
        const at = batch.length - 8
        batch[at] = 2 * 40
        batch[at + 4] = 2 * 33
      }),
    ).rejects.toThrow('does not end where it should')
    // offsets
    await expect(harmed((batch) => batch.writeBigInt64BE(7n, 0))).rejects.toThrow('a batch from 7 to 7 stands after 8')
    await expect(harmed((batch) => batch.writeInt32BE(0, 23))).rejects.toThrow('record 6 stands after 5')
    await expect(harmed((batch) => batch.writeInt32BE(-1, 23))).rejects.toThrow('a batch from 5 to 4')
  })

  it('is read in parts where its batches decompress to more than a reader may hold', async () => {
    const large = compressed(stored([{ key: null, value: Buffer.alloc(65 << 20), timestamp: 1 }]), 4, zstdCompressSync)
    const sets = [0, 1, 2].map((base) => {
      const batch = Buffer.from(large)
      batch.writeBigInt64BE(BigInt(base), 0)
      return batch
    })
    const set = Buffer.concat(sets)
    const { responses } = await readFetch(answer([{ set }, { set }]), 11)
    expect(responses[0]?.partitions.map(({ messages }) => messages[0]?.offset)).toEqual(['1', '0'])
  })

  it('is refused where a header leads back to what was read already', async () => {
    const batch = stored([{ key: null, value: null, timestamp: 1, headers: { aaaaaaaa: Buffer.alloc(0) } }])
    // one record whose headers are so many that they never end, each with a name of -2 bytes and a value of none
    Buffer.from([0xfe, 0xff, 0xff, 0xff, 0x81, 0x80, 0x00, 0x03]).copy(batch, 61 + 6)
    await expect(read(batch)).rejects.toThrow('ends too early')
  })
})
