/** The README is run as it stands, and what operations.md adds: its commands in a copy of the project, its files held against those in `examples/`. */
import { spawn } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Kafka, Partitioners } from 'kafkajs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeWith, uniqueName } from '../services/index.ts'

const root = join(import.meta.dirname, '../..')

interface Block {
  /** What stands behind the opening fence. */
  readonly info: string
  readonly text: string
}

const readme = await readFile(join(root, 'README.md'), 'utf8')
const blocks: Block[] = [...readme.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)].map(([, info = '', text = '']) => ({
  info,
  text,
}))
const linesOf = (info: string) =>
  blocks.filter((block) => block.info === info).flatMap(({ text }) => text.trim().split('\n'))

let copy: string
let port: number
beforeAll(async () => {
  copy = await mkdtemp(join(tmpdir(), 'millrace-readme-'))
  for (const name of ['package.json', 'src', 'examples'])
    await cp(join(root, name), join(copy, name), { recursive: true })
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'))
  port = await freePort()
})
afterAll(() => rm(copy, { recursive: true, force: true }))

test('its files are those in examples/', async () => {
  const shown = blocks.flatMap(({ info, text }) => {
    const file = /^\w+ (examples\/\S+)$/.exec(info)?.[1]
    return file === undefined ? [] : [{ file, text }]
  })
  expect(shown.map(({ file }) => file)).toHaveLength(4)
  for (const { file, text } of shown) expect(text, file).toBe(await readFile(join(root, file), 'utf8'))
})

test('a first topology of your own: every command does what stands below it', { timeout: 120_000 }, async ({
  signal,
}) => {
  const serving: { readonly stop: () => Promise<void> }[] = []
  try {
    let printed = ''
    for (const [i, { info, text }] of blocks.entries()) {
      const command = text.trim().replaceAll(':8080', `:${port}`)
      const expected = blocks[i + 1]?.info === 'text output' ? timeless(blocks[i + 1]?.text ?? '') : undefined
      if (info === 'sh test') {
        // a person waits until it is computed; here the command is repeated until it says so
        if (serving.length > 0) await until((out) => timeless(out) === expected, command, signal)
        else printed = await shell(command)
        if (text.startsWith('cp ')) await useFreePort()
      } else if (info === 'sh test serves') {
        const server = serve(command)
        serving.push(server)
        await server.says('replayed 8 events', signal)
      } else if (info === 'text output' && serving.length === 0) expect(timeless(printed)).toBe(timeless(text))
      else if (info.startsWith('text slip')) expect(await slip(info)).toBe(text)
    }
    expect(serving).toHaveLength(1)
  } finally {
    for (const { stop } of serving) await stop()
  }
})

test('no block that is to be run is overlooked', () => {
  const marked = blocks.filter(({ info }) => /^(sh|text) ./.test(info)).map(({ info }) => info.split(' "')[0])
  expect(marked).toEqual([
    'sh test',
    'sh test',
    'text output',
    'text slip',
    'sh test serves',
    'sh test',
    'text output',
    'sh on-kafka',
  ])
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

const timeless = (text: string) =>
  text
    .trim()
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>')
    .replaceAll(/"age":[\d.]+/g, '"age":<age>')

async function useFreePort(): Promise<void> {
  const file = join(copy, 'my-project/millrace.yaml')
  await writeFile(file, `${await readFile(file, 'utf8')}http: { port: ${port} }\n`)
}

/** What `check` says when the first text stands as the second in the topology. */
async function slip(info: string): Promise<string> {
  const [, right = '', wrong = ''] = /"(.*)" "(.*)"/.exec(info) ?? []
  const file = join(copy, 'my-project/topologies/store-ratings.yaml')
  const text = await readFile(file, 'utf8')
  await writeFile(file, text.replace(right, wrong))
  const out = await shell('npm run -s millrace -- check -d my-project || true')
  await writeFile(file, text)
  return out
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((listening) => server.once('listening', listening))
  const { port: free } = server.address() as AddressInfo
  await new Promise((closed) => server.close(closed))
  return free
}
