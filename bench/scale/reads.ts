/**
 * Reads over HTTP from a worker that has nothing else to do, with the load beside it and Redis as the store: single entities of 4 and of 20
 * features, and batches of 100 entities of 20 features. Answers are held against the oracle.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FeatureRecord } from '../../src/core/model.ts'
import { cpuSeconds, endsWithUs } from '../children.ts'
import { percentile } from '../delay.ts'
import { configOf, counters } from '../millrace.ts'
import { openSetup, type Setup } from '../setup.ts'
import { differences, startWorker, writeProject } from '../w1.ts'
import { load } from './load.ts'
import { homeOf, type Scale } from './worker.ts'

const EVENTS = 100_000
const SECONDS = 10
const BATCH = 100
const FEATURES = 20
/** Added to the four of W1. */
const MORE = Array.from(
  { length: FEATURES - 4 },
  (_, i) => `  mean_${i + 1}: { last: ${i + 1}, of: prepSeconds, as: mean }\n`,
)

const get = (path: string) => `GET ${path} HTTP/1.1\r\nhost: bench\r\n\r\n`
const post = (path: string, body: string) =>
  `POST ${path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`

const ASKED = [
  {
    name: 'one entity of 4 features',
    connections: 64,
    request: (id: () => string) => get(`/v1/features/store/${id()}`),
  },
  {
    name: `one entity of ${FEATURES} features`,
    connections: 64,
    request: (id: () => string) => get(`/v1/features/shop/${id()}`),
  },
  {
    name: `${BATCH} entities of ${FEATURES} features`,
    connections: 8,
    request: (id: () => string) =>
      post('/v1/features', JSON.stringify({ reads: [{ entity: 'shop', ids: Array.from({ length: BATCH }, id) }] })),
  },
] as const

interface Entity {
  readonly id: string
  readonly features: Readonly<Record<string, { readonly value: number | null; readonly asOf: string }>>
}

/** Throws where an answer is not what the oracle says. */
async function check(answers: readonly string[], { oracle }: Setup): Promise<void> {
  const entities = answers.flatMap((text) => {
    const answer = JSON.parse(text) as Entity | { readonly results: readonly Entity[] }
    return 'results' in answer ? answer.results : [answer]
  })
  const found = new Map(
    entities.map(({ id, features }) => {
      const at = Date.parse(Object.values(features)[0]?.asOf as string)
      const values = Object.fromEntries(Object.entries(features).map(([name, { value }]) => [name, value as number]))
      return [id, { at, values, version: { generation: 0, epoch: 0, step: 0 } } satisfies FeatureRecord] as const
    }),
  )
  const mine = {
    ids: [...found.keys()],
    newest: (id: string) => oracle.newest(id),
    at: (id: string, at: number) => oracle.at(id, at),
  }
  const wrong = await differences({ read: async (_, ids) => ids.map((id) => found.get(id)) }, '', mine)
  if (wrong.length > 0 || found.size === 0)
    throw new Error(`${wrong.length} values are wrong, such as ${wrong.slice(0, 3).join('; ')}`)
}

export async function measure({ profile }: Scale): Promise<void> {
  const setup = await openSetup(EVENTS)
  try {
    const home = homeOf(setup, 'reads')
    await writeProject(home, configOf(setup, 'reads'))
    const yaml = await readFile(join(home, 'topologies/store-load.yaml'), 'utf8')
    const larger = yaml.replace('topology: w1', 'topology: w20').replace('entity: store', 'entity: shop')
    await writeFile(join(home, 'topologies/w20.yaml'), larger.replace('features:\n', `features:\n${MORE.join('')}`))
    const nodeArgs = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]
    const worker = await startWorker(home, { nodeArgs })
    endsWithUs(worker.process)
    try {
      while ((await counters(worker))('batch_records_sum', 'role="reduce"') < EVENTS * 2) await sleep(500)
      // aliases move once all tasks have caught up
      await sleep(5_000)
      const { ids } = setup.oracle
      const id = () => ids[Math.floor(Math.random() * ids.length)] as string
      for (const { name, connections, request } of ASKED) {
        await load(worker.url, connections, 2, () => request(id))
        const before = [await cpuSeconds(worker.pid), await cpuSeconds(setup.pids.redis), process.cpuUsage()] as const
        const { perSecond, count, times, samples } = await load(worker.url, connections, SECONDS, () => request(id))
        const own = process.cpuUsage(before[2])
        const micros = (seconds: number) => ((seconds * 1e6) / count).toFixed(1)
        console.log(
          `${name}, ${connections} connections: ${Math.round(perSecond)}/s, p50 ${percentile(times, 0.5).toFixed(1)} ms, p99 ${percentile(times, 0.99).toFixed(1)} ms; CPU µs per request: server ${micros((await cpuSeconds(worker.pid)) - before[0])}, Redis ${micros((await cpuSeconds(setup.pids.redis)) - before[1])}, load ${micros((own.user + own.system) / 1e6)}`,
        )
        await check(samples, setup)
      }
    } finally {
      await worker.stop()
    }
  } finally {
    await setup.close()
  }
}
