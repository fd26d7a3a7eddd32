import { Kafka, logLevel } from 'kafkajs'
import { afterAll, expect, test } from 'vitest'
import type { Transport } from '../../../src/core/model.ts'
import { drafts, key, numbers, Recorder, until } from '../../../src/testing/transport/recorder.ts'
import { describeWith, uniqueName } from '../../services/index.ts'
import { openKafka, Said } from './open.ts'
import { Progress, StrictReader } from './strict-reader.ts'

describeWith(['kafka'], 'a member of a Kafka group', async ({ kafka: { brokers } }) => {
  const log = new Said()
  const client = new Kafka({ brokers, logLevel: logLevel.NOTHING })
  const admin = client.admin()
  const opened: Transport[] = []
  afterAll(async () => {
    await admin.disconnect()
    await Promise.all(opened.map((transport) => transport.close()))
  })

  async function transportWith(partitions: number, settings = {}): Promise<{ transport: Transport; topic: string }> {
    const transport = await openKafka(brokers, settings, log)
    opened.push(transport)
    const topic = uniqueName('member')
    await transport.create({ name: topic, partitions, retentionMs: -1 })
    return { transport, topic }
  }

  test('asks again where to start when its position has left the log, and delivers nothing before', async () => {
    const { transport, topic } = await transportWith(1)
    const partition = { topic, partition: 0 }
    const starts = [0, 50]
    const reader = new Recorder(() => starts.shift() as number)
    reader.held.add(key(partition))
    await transport.write(drafts(topic, numbers(10)))
    const member = await transport.join(uniqueName('group'), [topic], reader)
    await until('a batch is pending', () => reader.batches.length === 1)
    await transport.write(drafts(topic, numbers(90, 10)))
    // kafkajs deletes only from topics that it has met
    await admin.fetchTopicOffsets(topic)
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '50' }] })
    reader.release(partition)
    await until('the rest is read', () => reader.values().includes('99'))
    expect(reader.values()).toEqual([...numbers(10), ...numbers(50, 50)])
    expect(reader.openings).toEqual([key(partition), key(partition)])
    expect(reader.closings).toEqual([key(partition)])
    await member.leave()
  })

  test('asks again where to start when its position is past the end of the log', async () => {
    const { transport, topic } = await transportWith(1)
    await transport.write(drafts(topic, numbers(10)))
    const starts = [1000, 8]
    const reader = new Recorder(() => starts.shift() as number)
    const member = await transport.join(uniqueName('group'), [topic], reader)
    await until('the rest is read', () => reader.values().length > 0)
    expect(reader.values()).toEqual(numbers(2, 8))
    await member.leave()
  })

  test.each([
    { what: 'in one fetch', maxBytesPerPartition: 1 << 20 },
    { what: 'longer than a fetch', maxBytesPerPartition: 1_000 },
  ])('reads on behind an aborted transaction $what', async ({ maxBytesPerPartition }) => {
    const { transport, topic } = await transportWith(1, { maxBytesPerPartition })
    const reader = new Recorder()
    const member = await transport.join(uniqueName('group'), [topic], reader)
    const producer = client.producer({ transactionalId: uniqueName('tx'), maxInFlightRequests: 1, idempotent: true })
    await producer.connect()
    for (const round of [0, 1, 2]) {
      const aborted = await producer.transaction()
      for (let send = 0; send < 4; send++) await aborted.send({ topic, messages: [{ value: 'aborted'.repeat(100) }] })
      await aborted.abort()
      await transport.write(drafts(topic, [`after ${round}`]))
      await until('the record is read', () => reader.values().includes(`after ${round}`))
    }
    await producer.disconnect()
    expect(reader.values()).toEqual(['after 0', 'after 1', 'after 2'])
    expect(reader.openings).toHaveLength(1)
    expect(reader.batches.at(-1)?.next).toBe((await transport.ranges(topic))[0]?.end)
    await member.leave()
  })

  test('reads exactly from the opened position while members come and go', async () => {
    const { transport, topic } = await transportWith(6)
    const group = uniqueName('group')
    const progress = new Progress()
    const readers: StrictReader[] = []
    const join = async () => {
      const reader = new StrictReader(progress)
      readers.push(reader)
      return { reader, member: await transport.join(group, [topic], reader) }
    }
    let written = 0
    let isDone = false
    const writing = (async () => {
      while (!isDone) {
        await transport.write(drafts(topic, numbers(100, written)))
        written += 100
      }
    })()
    const stays = await join()
    for (let round = 0; round < 6; round++) {
      const comes = await join()
      await until('both have their half', () => stays.reader.owned === 3 && comes.reader.owned === 3)
      await comes.member.leave()
      expect(comes.reader.owned).toBe(0)
      await until('one has all', () => stays.reader.owned === 6)
    }
    isDone = true
    await writing
    await until('all is read', () => progress.values.size === written)
    await stays.member.leave()
    expect(readers.flatMap((reader) => reader.faults)).toEqual([])
    expect(stays.reader.openings.length - stays.reader.closings.length).toBe(0)
  })

  test('takes up a subscribed topic again that was deleted and made again', async () => {
    const { transport, topic } = await transportWith(1)
    await transport.write(drafts(topic, numbers(5)))
    const reader = new Recorder()
    const member = await transport.join(uniqueName('group'), [topic], reader)
    await until('all is read', () => reader.values().length === 5)
    await admin.deleteTopics({ topics: [topic] })
    await until('the topic is gone', async () => (await transport.topics([topic])).size === 0)
    await transport.create({ name: topic, partitions: 1, retentionMs: -1 })
    await transport.write(drafts(topic, numbers(5, 100)))
    await until('the new records are read', () => reader.values().includes('104'))
    expect(reader.values()).toEqual([...numbers(5), ...numbers(5, 100)])
    await member.leave()
  })

  test('leaves before it has joined', async () => {
    const { transport, topic } = await transportWith(1)
    const reader = new Recorder()
    const member = await transport.join(uniqueName('group'), [topic], reader)
    await member.leave()
    expect(reader.openings).toEqual(reader.closings)
    await expect(member.commit([{ partition: { topic, partition: 0 }, position: 1 }])).resolves.toBeUndefined()
  })

  test('leaves while the engine does not accept a batch', async () => {
    const { transport, topic } = await transportWith(1)
    await transport.write(drafts(topic, numbers(5)))
    const reader = new Recorder()
    reader.held.add(key({ topic, partition: 0 }))
    const member = await transport.join(uniqueName('group'), [topic], reader)
    await until('a batch is pending', () => reader.batches.length === 1)
    await member.leave()
    expect(reader.owned()).toEqual([])
  })
})
