/** docs/on-kafka.md is run as it stands, and what operations.md says of dead letters. */
import { spawn } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Kafka, Partitioners } from 'kafkajs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeWith, uniqueName } from '../services/index.ts'
import { freePort } from '../services/recipe.ts'

const root = join(import.meta.dirname, '../..')

interface Block {
  /** What stands behind the opening fence. */
  readonly info: string
  readonly text: string
}

const page = await readFile(join(root, 'docs/on-kafka.md'), 'utf8')
const blocks: Block[] = [...page.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)].map(([, info = '', text = '']) => ({
  info,
  text,
}))
const linesOf = (info: string) =>
  blocks.filter((block) => block.info === info).flatMap(({ text }) => text.trim().split('\n'))

let copy: string
let port: number
beforeAll(async () => {
  copy = await mkdtemp(join(tmpdir(), 'millrace-on-kafka-'))
  for (const name of ['package.json', 'src', 'examples'])
    await cp(join(root, name), join(copy, name), { recursive: true })
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'))
  port = await freePort()
})
afterAll(() => rm(copy, { recursive: true, force: true }))

test('its project is that in examples/', async () => {
  const [shown, ...others] = blocks.filter(({ info }) => info.startsWith('yaml '))
  expect(others).toEqual([])
  expect(shown?.text).toBe(await readFile(join(root, shown?.info.split(' ')[1] ?? ''), 'utf8'))
})

describeWith(['kafka', 'registry', 'redis'], 'on Kafka, a schema registry and Redis', ({ kafka, registry, redis }) => {
  test('its commands end in the same features, and what is no Avro in the dead letters', { timeout: 120_000 }, async ({
    signal,
  }) => {
    const [produce, run, ...others] = linesOf('sh on-kafka') as [string, string]
    expect(others).toEqual([])
    const operations = await readFile(join(root, 'docs/operations.md'), 'utf8')
    const command = /^KAFKA=.*dead-letters.*$/m.exec(operations)?.[0] ?? ''
    const topic = uniqueName('ratings')
    const project = join(copy, 'examples/on-kafka')
    const edit = async (file: string, pattern: RegExp) =>
      writeFile(file, (await readFile(file, 'utf8')).replaceAll(pattern, topic))
    // a topic and a deployment that no other test has
    await edit(join(project, 'millrace.yaml'), /(?<=deployment: )ratings|(?<= {2})ratings(?=: \{)/g)
    await edit(join(project, 'produce.ts'), /(?<=topic: ')ratings/g)
    await edit(join(copy, 'examples/first-topology/topologies/store-ratings.yaml'), /(?<=from: )ratings/g)
    const environment = { KAFKA: kafka.brokers[0] as string, REGISTRY: registry.url, REDIS: redis.url }
    expect(await shell(produce, environment)).toBe('8 ratings written\n')
    const server = serve(`${run} --port ${port}`, environment)
    try {
      const url = `http://127.0.0.1:${port}/v1/features/store/S-1`
      const found = await until((out) => out.includes('"ratings_1h":{"value":3'), `curl -s ${url}`, signal)
      expect(JSON.parse(found).features).toMatchObject({ bad_ratings_total: { value: 1 } })
      await produceGarbage(kafka.brokers, topic)
      const reader = serve(command.replaceAll('ratings-', `${topic}-`).replace('127.0.0.1:9092', environment.KAFKA))
      try {
        await reader.says('"millrace-error-code":"record-malformed"', signal)
        await reader.says(`"bytes":"${Buffer.from('no Avro').toString('base64')}"`, signal)
      } finally {
        await reader.stop()
      }
    } finally {
      await server.stop()
    }
  })
})

async function produceGarbage(brokers: readonly string[], topic: string): Promise<void> {
  const producer = new Kafka({ brokers: [...brokers] }).producer({ createPartitioner: Partitioners.DefaultPartitioner })
  await producer.connect()
  await producer.send({ topic, messages: [{ value: 'no Avro' }] })
  await producer.disconnect()
}

/** Runs the lines as a person would; rejects when one fails. */
function shell(command: string, environment: Readonly<Record<string, string>> = {}): Promise<string> {
  const child = spawn('sh', ['-ec', command], { cwd: copy, env: { ...process.env, ...environment } })
  let out = ''
  let error = ''
  child.stdout.on('data', (bytes) => {
    out += bytes
  })
  child.stderr.on('data', (bytes) => {
    error += bytes
  })
  return new Promise((resolve, reject) =>
    child.on('close', (code) => (code === 0 ? resolve(out) : reject(new Error(`${command}: ${code}\n${out}${error}`)))),
  )
}

async function until(isDone: (out: string) => boolean, command: string, signal: AbortSignal): Promise<string> {
  for (;;) {
    const out = await shell(command).catch((error: Error) => error.message)
    if (isDone(out)) return out
    if (signal.aborted) throw new Error(`at last ${command} said: ${out}`)
    await sleep(200)
  }
}

/** In a process group of its own, so that npm and what it started end together. */
function serve(command: string, environment: Readonly<Record<string, string>> = {}) {
  const child = spawn('sh', ['-ec', command], { cwd: copy, detached: true, env: { ...process.env, ...environment } })
  let out = ''
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()))
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (bytes) => {
      out += bytes
    })
  return {
    says: async (text: string, signal: AbortSignal) => {
      while (!out.includes(text)) {
        signal.throwIfAborted()
        if (child.exitCode !== null) throw new Error(`${command} ended: ${out}`)
        await sleep(50)
      }
    },
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) process.kill(-(child.pid as number), 'SIGTERM')
      await ended
    },
  }
}
