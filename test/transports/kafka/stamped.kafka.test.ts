import { expect, onTestFinished, test, vi } from 'vitest'
import { describeWith, uniqueName } from '../../services/index.ts'
import { openKafka } from './open.ts'

const DAY = 86_400_000

describeWith(['kafka'], 'a topic that the log stamps', ({ kafka: { brokers } }) => {
  test.for([
    ['ahead', DAY],
    ['behind', -DAY],
  ] as const)("takes records of a writer whose clock is a day %s, under the broker's time", async ([, wrong]) => {
    const transport = await openKafka(brokers)
    onTestFinished(() => transport.close())
    const topic = uniqueName('stamped')
    await transport.create({ name: topic, partitions: 1, retentionMs: 3_600_000, stampedByLog: true })
    const before = Date.now()
    vi.useFakeTimers({ toFake: ['Date'], now: before + wrong })
    onTestFinished(() => void vi.useRealTimers())
    await transport.write([{ topic, partition: 0, key: null, value: Buffer.from('a') }])
    vi.useRealTimers()
    const { records } = await transport.read({ topic, partition: 0 }, 0)
    expect(records.length).toBe(1)
    expect(Math.abs((records[0]?.timestamp ?? 0) - before)).toBeLessThan(DAY / 2)
  })
})
