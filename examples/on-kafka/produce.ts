/** A producer as any service may have one: Avro in Confluent wire format, keyed by the store, to a topic made for it. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry'
import { Kafka, Partitioners } from 'kafkajs'

const { KAFKA, REGISTRY } = process.env
if (!KAFKA || !REGISTRY) {
  console.error('KAFKA (host:port) and REGISTRY (http://host:port) are not set: docs/on-kafka.md starts both')
  process.exit(1)
}
const project = join(import.meta.dirname, '../first-topology')

const registry = new SchemaRegistry({ host: REGISTRY })
const schema = await readFile(join(project, 'schemas/ratings.avsc'), 'utf8')
const { id } = await registry.register({ type: SchemaType.AVRO, schema }, { subject: 'ratings-value' })

const kafka = new Kafka({ brokers: [KAFKA], clientId: 'rating-service' })
const admin = kafka.admin()
await admin.connect()
// event times are the records' timestamps here, so retention by age has to be chosen with replays of old events in mind
const configEntries = [{ name: 'retention.ms', value: '-1' }]
await admin.createTopics({ topics: [{ topic: 'ratings', numPartitions: 4, configEntries }] })
await admin.disconnect()

const lines = (await readFile(join(project, 'events.ndjson'), 'utf8')).trim().split('\n')
const events = lines.map((line) => JSON.parse(line).event)
const messages = events.map(async (event) => ({
  key: event.storeId,
  value: await registry.encode(id, event),
  timestamp: String(event.ratedAt),
}))
const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner })
await producer.connect()
await producer.send({ topic: 'ratings', acks: -1, messages: await Promise.all(messages) })
await producer.disconnect()
console.log(`${events.length} ratings written`)
