import { Kafka, logLevel } from 'kafkajs'
import { expect, onTestFinished, test, vi } from 'vitest'
import { describeWith, uniqueName } from '../../services/index.ts'
import { openKafka } from './open.ts'

describeWith(['kafka'], 'a topic that takes no large records', ({ kafka: { brokers } }) => {
  const open = async () => {
    const admin = new Kafka({ brokers, logLevel: logLevel.NOTHING }).admin()
    onTestFinished(() => admin.disconnect())
    const transport = await openKafka(brokers)
    onTestFinished(() => transport.close())
    const topic = uniqueName('small')
    const configEntries = [{ name: 'max.message.bytes', value: '20000' }]
    await admin.createTopics({ topics: [{ topic, numPartitions: 3, configEntries }], waitForLeaders: false })
    await vi.waitFor(async () => expect(await transport.ranges(topic)).toHaveLength(3), { timeout: 20_000 })
    const draft = (partition: number, name: string, bytes = 0) => {
      const value = Buffer.from(name + '.'.repeat(bytes))
      return { topic, partition, key: null, value, headers: { name } }
    }
    const names = async (partition: number) => {
      const { records } = await transport.read({ topic, partition }, 0)
      return records.map(({ headers }) => String(headers.name))
    }
    return { transport, draft, names }
  }

  test('says so of one, and all is written but it and what follows it in its partition', async () => {
    const { transport, draft, names } = await open()
    const drafts = [draft(0, 'before'), draft(0, 'large', 30_000), draft(0, 'after'), draft(1, 'a'), draft(2, 'b')]
    await expect(transport.write(drafts)).rejects.toMatchObject({
      code: 'record-too-large',
      message: expect.stringMatching(/^a record of 30\d\d\d bytes is more than topic small/),
    })
    expect([await names(0), await names(1), await names(2)]).toEqual([['before'], ['a'], ['b']])
  })

  test('takes many that are large only together, in their order', async () => {
    const { transport, draft, names } = await open()
    const expected = Array.from({ length: 21 }, (_, i) => `r${i}`)
    await transport.write(expected.map((name) => draft(0, name, 9_000)))
    expect(await names(0)).toEqual(expected)
  })

  test('takes what many write at the same time and is large only together', async () => {
    const { transport, draft, names } = await open()
    const expected = Array.from({ length: 8 }, (_, i) => `r${i}`)
    await Promise.all(expected.map((name) => transport.write([draft(0, name, 9_000)])))
    expect((await names(0)).sort()).toEqual(expected)
  })
})
