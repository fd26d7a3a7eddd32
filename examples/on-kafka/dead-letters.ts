/** Prints the dead letters of the deployment from the first on, one a line, and goes on until Ctrl-C. */
import { randomUUID } from 'node:crypto'
import { Kafka } from 'kafkajs'

const { KAFKA = '', TOPIC = 'ratings-dead-letters' } = process.env
const consumer = new Kafka({ brokers: [KAFKA], clientId: 'dead-letters' }).consumer({ groupId: randomUUID() })
await consumer.connect()
await consumer.subscribe({ topic: TOPIC, fromBeginning: true })
await consumer.run({
  eachMessage: async ({ message: { key, value, headers = {} } }) => {
    const said = Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, String(text)]))
    console.log(JSON.stringify({ ...said, key: key?.toString(), bytes: value?.toString('base64') }))
  },
})
