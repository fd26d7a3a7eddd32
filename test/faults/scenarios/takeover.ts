/** How long work stands still after kill -9, with few keys in the state and with many. */
import { start as startRedis } from '../../services/redis.ts'
import type { Lab } from '../lab.ts'
import type { Scenario } from '../scenario.ts'

const FEW = 1_000
const MANY = 10_000_000
const MANY_IN_SHORT = 1_000_000
const KILLS = 3
const PAGE = 100_000

/** Copies of one key's bytes, under other names, into the state of every reducer of a topology; by Redis itself. */
const FILL = `
local bytes = redis.call('HRANDFIELD', KEYS[1], 1, 'WITHVALUES')[2]
local at, stop = tonumber(ARGV[1]), tonumber(ARGV[2])
while at < stop do
  redis.call('HSET', KEYS[1], 'other-' .. at, bytes)
  at = at + 1
end`

async function takeovers(lab: Lab): Promise<number[]> {
  const took: number[] = []
  for (let kill = 0; kill < KILLS; kill++) {
    const workers = await lab.startWorkers(2)
    await lab.untilCounted()
    const [victim, other] = workers
    if (!victim || !other) throw new Error('there are no workers')
    await lab.bury(victim)
    took.push(await lab.untilCounted())
    await lab.stopWorker(other)
  }
  return took.sort((a, b) => a - b)
}

const inSeconds = (took: readonly number[]) => took.map((ms) => (ms / 1000).toFixed(1)).join(', ')

const scenario: Scenario = {
  summary: 'takeover after kill -9, with few and with many keys in the state',
  async run({ lab: create, onEnd, long, say }) {
    const redis = await startRedis()
    onEnd(() => redis.stop())
    const lab = await create({ keys: FEW }, { redis })
    await lab.load.touchAll()
    lab.load.start()
    const few = await takeovers(lab)
    say(`${lab.load.acknowledged.size} keys: ${inSeconds(few)} s`)
    const { Redis } = await import('ioredis')
    const client = new Redis(redis.url)
    onEnd(() => client.disconnect())
    const tasks = (await client.keys(`${lab.name}:state:{reduce/*}:keys`)).sort()
    const keys = long ? MANY : MANY_IN_SHORT
    for (let at = 0; at < keys / tasks.length; at += PAGE)
      for (const task of tasks)
        await client.eval(FILL, 1, task, at, Math.min(at + PAGE, Math.ceil(keys / tasks.length)))
    const counts = await Promise.all(tasks.map((task) => client.hlen(task)))
    const held = counts.reduce((sum, count) => sum + count, 0)
    const many = await takeovers(lab)
    say(`${held} keys: ${inSeconds(many)} s`)
    const worker = await lab.startWorker()
    await lab.expectExact()
    await lab.stopWorker(worker)
    return `goes on after ${inSeconds(few)} s with ${lab.load.acknowledged.size} keys, ${inSeconds(many)} s with ${held}; ${lab.counted()}`
  },
}
export default scenario
