/** The source topic grows while workers run and one of them is killed. */
import { PARTITIONS } from '../lab.ts'
import type { Scenario } from '../scenario.ts'

const GROWN = 7

const scenario: Scenario = {
  summary: 'partitions are added to the source topic',
  async run({ addresses, lab: create, say }) {
    const lab = await create()
    const workers = await lab.startWorkers(2)
    lab.load.start()
    await lab.untilCounted()
    const { Kafka, logLevel } = await import('kafkajs')
    const admin = new Kafka({ brokers: [...addresses.kafka.brokers], logLevel: logLevel.NOTHING }).admin()
    await admin.connect()
    await admin.createPartitions({ topicPartitions: [{ topic: `${lab.name}-steps`, count: GROWN }] })
    await admin.disconnect()
    lab.load.grow(GROWN)
    const [victim] = workers.splice(0, 1)
    if (victim) await lab.bury(victim)
    workers.push(await lab.startWorker())
    say(`from ${PARTITIONS} to ${GROWN}: counts after ${Math.round(await lab.untilCounted())} ms`)
    await lab.expectExact()
    for (const worker of workers) await lab.stopWorker(worker)
    return `from ${PARTITIONS} to ${GROWN} partitions; ${lab.counted()}`
  },
}
export default scenario
