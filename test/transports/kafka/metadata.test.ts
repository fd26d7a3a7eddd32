import { describe, expect, it } from 'vitest'
import { metadataRequest, TopicRefused } from '../../../src/transports/kafka/metadata.ts'

/** Compact text: its length + 1, then its bytes. */
const text = (value: string) => Buffer.concat([Buffer.from([value.length + 1]), Buffer.from(value)])
const int16 = (value: number) => Buffer.from([value >> 8, value & 255])
const int32 = (...values: number[]) =>
  Buffer.concat(values.map((value) => Buffer.from(Int32Array.of(value).buffer).swap32()))
const noTags = Buffer.from([0])
const id = Buffer.from('00112233445566778899aabbccddeeff', 'hex')

const partition = (number: number, leader: number) =>
  Buffer.concat([
    int16(0),
    int32(number, leader, 7),
    ...[1, 2, 3].map((node) => Buffer.concat([Buffer.from([2]), int32(node)])),
    noTags,
  ])

const topic = (error: number, name: string, partitions: Buffer[]) =>
  Buffer.concat([
    ...[int16(error), text(name), id, Buffer.from([0]), Buffer.from([partitions.length + 1])],
    ...[...partitions, int32(-1), noTags],
  ])

const answer = (...topics: Buffer[]) =>
  Buffer.concat([
    ...[noTags, int32(0), Buffer.from([2]), int32(4), text('broker-4'), int32(9092), Buffer.from([0])],
    // a tag that we do not know, of three bytes
    ...[Buffer.from([1, 5, 3, 9, 9, 9]), text('cluster'), int32(4)],
    ...[Buffer.from([topics.length + 1]), ...topics, int32(-1), noTags],
  ])

const decode = (bytes: Buffer) => metadataRequest([]).response.decode(bytes)

describe('the Metadata request', () => {
  it('asks for topics by name and lets none be made', async () => {
    const { buffer } = await metadataRequest(['ab']).request.encode()
    const asked = [Buffer.from([2]), Buffer.alloc(16), text('ab'), noTags]
    const doNotCreate = Buffer.from([0])
    expect(buffer).toEqual(Buffer.concat([noTags, ...asked, doNotCreate, Buffer.from([0, 0]), noTags]))
  })

  it('tells brokers, topic ids and leaders, whatever the order of partitions', async () => {
    const metadata = await decode(answer(topic(0, 'orders', [partition(1, -1), partition(0, 4)])))
    expect(metadata.brokers).toEqual([{ nodeId: 4, host: 'broker-4', port: 9092 }])
    expect(metadata.controller).toBe(4)
    expect(metadata.topics.get('orders')).toEqual({ id: id.toString('hex'), leaders: [4, -1] })
  })

  it('leaves out a topic that does not exist', async () => {
    expect([...(await decode(answer(topic(3, 'gone', []), topic(0, 'there', [])))).topics.keys()]).toEqual(['there'])
  })

  it('throws for a topic that the broker refuses to tell about', async () => {
    await expect(decode(answer(topic(29, 'secret', [])))).rejects.toThrow(TopicRefused)
  })

  it('throws for an answer that is cut off', async () => {
    const whole = answer(topic(0, 'orders', [partition(0, 4)]))
    const unread = 5
    for (let length = 0; length < whole.length - unread; length++)
      await expect(decode(whole.subarray(0, length))).rejects.toThrow(RangeError)
  })
})
