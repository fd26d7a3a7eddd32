import { expect, onTestFinished, test } from 'vitest'
import { drafts, numbers, until } from '../../../src/testing/transport/recorder.ts'
import { describeWith } from '../../services/index.ts'
import { start } from '../../services/kafka.ts'
import { openKafka } from './open.ts'
import { Progress, StrictReader } from './strict-reader.ts'

// the shared broker is asked for only to know whether Kafka can run here
describeWith(['kafka'], 'when the broker is killed and comes back', () => {
  test('all that was acknowledged is read, and no position is left out', { timeout: 180_000 }, async () => {
    const broker = await start()
    onTestFinished(() => broker.stop())
    const transport = await openKafka(broker.brokers, { retryFor: '1s' })
    onTestFinished(() => transport.close())
    await transport.create({ name: 'events', partitions: 3, retentionMs: -1 })
    const progress = new Progress()
    const reader = new StrictReader(progress)
    const member = await transport.join('readers', ['events'], reader)

    const acknowledged = new Set<string>()
    let isDone = false
    let refused = 0
    const writing = (async () => {
      for (let n = 0; !isDone; n += 20) {
        const values = numbers(20, n)
        await transport.write(drafts('events', values)).then(
          () => {
            for (const value of values) acknowledged.add(value)
          },
          () => refused++,
        )
      }
    })()
    for (let kill = 0; kill < 2; kill++) {
      const before = progress.values.size
      await until('records flow', () => progress.values.size > before + 200)
      await broker.kill9()
      await expect(transport.ranges('events')).rejects.toMatchObject({ code: 'transport-failed' })
      await until('writes are refused', () => refused > kill)
      await until('the member says that it is out of the group', () => member.trouble !== undefined)
      await broker.restart()
      const restarted = acknowledged.size
      await until('writes are acknowledged', () => acknowledged.size > restarted)
    }
    isDone = true
    await writing
    await until('all is read', () => [...acknowledged].every((value) => progress.values.has(value)))
    expect(member.trouble).toBeUndefined()
    expect(reader.faults).toEqual([])
    await member.leave()
    expect(reader.owned).toBe(0)
  })
})
