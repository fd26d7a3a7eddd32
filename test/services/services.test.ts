import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { Redis } from 'ioredis'
import { Kafka, logLevel } from 'kafkajs'
import { expect, onTestFinished, test, vi } from 'vitest'
import { dockerAnswers } from './docker.ts'
import { describeWith, uniqueName } from './index.ts'
import { start as startKafka } from './kafka.ts'
import { ask, type Service } from './recipe.ts'
import { start as startRedis } from './redis.ts'

const event = { type: 'record', name: 'Event', fields: [{ name: 'id', type: 'string' }] }

describeWith(['kafka'], 'Kafka for tests', ({ kafka }) => {
  test('gives back what was produced', async () => {
    const topic = uniqueName('given-back')
    await createTopic(kafka.brokers, topic)
    await produce(kafka.brokers, topic, 'hello')
    expect(await consume(kafka.brokers, topic, 1)).toEqual(['hello'])
  })

  test('makes no topic that nobody created', async () => {
    await expect(produce(kafka.brokers, uniqueName('absent'), 'lost')).rejects.toThrow('does not host this')
  })

  test('keeps its records and its address through kill -9', async () => {
    const own = await owned(startKafka())
    const { brokers } = own
    await createTopic(brokers, 'kept')
    await produce(brokers, 'kept', 'before')
    await own.kill9()
    await expect(ask(Number(brokers[0]?.split(':')[1]), '')).rejects.toThrow('ECONNREFUSED')
    await own.restart()
    await produce(brokers, 'kept', 'after')
    expect(await consume(brokers, 'kept', 2)).toEqual(['before', 'after'])
    // three starts of a JVM take long on a busy machine
  }, 120_000)
})

describeWith(['registry'], 'schema registry for tests', ({ registry }) => {
  const call = async (path: string, body?: object) => {
    const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
    const response = await fetch(`${registry.url}${path}`, body && init)
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }

  test('gives back a registered schema by its id', async () => {
    const { body } = await call(`/subjects/${uniqueName('event')}-value/versions`, { schema: JSON.stringify(event) })
    const { body: found } = await call(`/schemas/ids/${body.id}`)
    expect(JSON.parse(found.schema as string)).toEqual(event)
  })

  test('refuses a schema that cannot read what was written before', async () => {
    const subject = `/subjects/${uniqueName('event')}-value/versions`
    await call(subject, { schema: JSON.stringify(event) })
    const incompatible = { ...event, fields: [...event.fields, { name: 'added', type: 'string' }] }
    expect((await call(subject, { schema: JSON.stringify(incompatible) })).status).toBe(409)
  })
})

describeWith(['redis'], 'Redis for tests', async ({ redis }) => {
  test('gives back what was set', async () => {
    const client = connectRedis(redis.url)
    const key = uniqueName('set')
    await client.set(key, 'value')
    expect(await client.get(key)).toBe('value')
  })

  test.each([
    { appendonly: true, kept: 'value' },
    { appendonly: false, kept: null },
  ])('with appendonly $appendonly has $kept after kill -9', async ({ appendonly, kept }) => {
    const own = await owned(startRedis({ appendonly, settings: { appendfsync: 'always' } }))
    const client = connectRedis(own.url)
    await client.set('key', 'value')
    await own.kill9()
    await own.restart()
    expect(await client.get('key')).toBe(kept)
  })

  // a container is ended by testcontainers' own reaper, and its data is not in a directory of this machine
  const asProcess = test.skipIf(await dockerAnswers())

  asProcess('leaves neither process nor data behind when the process that started it is killed', async () => {
    const script = `import { start } from './redis.ts'
      const { pid, url } = await start()
      process.stdout.write(JSON.stringify({ pid, url }))
      setInterval(() => {}, 1000)`
    const starter = spawn(process.execPath, ['--input-type=module', '-e', script], { cwd: import.meta.dirname })
    const [said] = (await once(starter.stdout, 'data')) as [Buffer]
    const { url } = JSON.parse(said.toString()) as { url: string }
    const client = connectRedis(url)
    const directory = ((await client.config('GET', 'dir')) as string[])[1] as string
    expect(existsSync(directory)).toBe(true)
    starter.kill('SIGKILL')
    await expect.poll(() => existsSync(directory)).toBe(false)
    await expect(ask(Number(new URL(url).port), 'PING\r\n')).rejects.toThrow('ECONNREFUSED')
  })

  asProcess('answers no longer and has no data once it is stopped', async () => {
    const own = await startRedis()
    const port = Number(new URL(own.url).port)
    const directory = (await ask(port, 'CONFIG GET dir\r\n')).toString().split('\r\n')[4] as string
    expect(existsSync(directory)).toBe(true)
    await own.stop()
    await expect(ask(port, 'PING\r\n')).rejects.toThrow('ECONNREFUSED')
    expect(existsSync(directory)).toBe(false)
  })
})

async function owned<S extends Service>(starting: Promise<S>): Promise<S> {
  const service = await starting
  onTestFinished(() => service.stop())
  return service
}

function connectRedis(url: string): Redis {
  const client = new Redis(url, { maxRetriesPerRequest: 20 })
  client.on('error', () => 'told by the command that fails')
  onTestFinished(() => client.disconnect())
  return client
}

const kafkaClient = (brokers: string[]) => new Kafka({ brokers, logLevel: logLevel.NOTHING, retry: { retries: 3 } })

async function createTopic(brokers: string[], topic: string): Promise<void> {
  const admin = kafkaClient(brokers).admin()
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: false })
  // kafkajs's own wait for leaders gives up where the broker does not know its new topic yet
  await vi.waitFor(() => admin.fetchTopicMetadata({ topics: [topic] }), 10_000)
  await admin.disconnect()
}

async function produce(brokers: string[], topic: string, value: string): Promise<void> {
  const producer = kafkaClient(brokers).producer()
  await producer.connect()
  try {
    await producer.send({ topic, messages: [{ value }], acks: -1 })
  } finally {
    await producer.disconnect()
  }
}

async function consume(brokers: string[], topic: string, count: number): Promise<string[]> {
  const consumer = kafkaClient(brokers).consumer({ groupId: uniqueName('reader'), maxWaitTimeInMs: 200 })
  onTestFinished(() => consumer.disconnect())
  await consumer.subscribe({ topic, fromBeginning: true })
  const values: string[] = []
  await new Promise<void>((resolve, reject) => {
    consumer
      .run({
        eachMessage: async ({ message }) => {
          values.push(String(message.value))
          if (values.length === count) resolve()
        },
      })
      .catch(reject)
  })
  return values
}
