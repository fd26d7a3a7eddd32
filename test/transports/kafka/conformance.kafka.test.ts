import { Kafka, logLevel } from 'kafkajs'
import { transportSuite } from '../../../src/testing/transport.ts'
import { describeWith } from '../../services/index.ts'
import { openKafka } from './open.ts'

describeWith(['kafka'], 'on a broker', ({ kafka: { brokers } }) => {
  transportSuite({
    name: 'kafka',
    async open() {
      const transport = await openKafka(brokers)
      const admin = new Kafka({ brokers, logLevel: logLevel.NOTHING }).admin()
      return {
        transport,
        async close() {
          await transport.close()
          await admin.disconnect()
        },
        async grow(topic, count) {
          await admin.createPartitions({ topicPartitions: [{ topic, count }] })
        },
      }
    },
  })
})
