/**
 * 1, 10 and 100 topologies over one topic, by the same dimension. `shares`: each takes the events of cities of its own, so that together
 * they do what one does; `all`: each takes every event. Held against the oracle.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Draft, FeatureStore } from '../../src/core/model.ts'
import { checkProject } from '../../src/project/check.ts'
import { configOf } from '../millrace.ts'
import { Oracle } from '../oracle.ts'
import { type OrderEvent, orderEvents } from '../orders.ts'
import { openPart, openSetup, PARTITIONS, type Setup, STORES } from '../setup.ts'
import { differences, orderEncoder, orderNumber, writeProject } from '../w1.ts'
import { homeOf, measureWorkers, type Scale } from './worker.ts'

const TOPIC = 'orders-of-cities'
const CITIES = 100
const WRITE_BATCH = 4_000

type Kind = 'shares' | 'all'
const MOST: Record<Kind, readonly number[]> = { shares: [1, 10, 100], all: [10] }

const cityOf = (storeId: string): number => Number(storeId.slice('store-'.length)) % CITIES

async function produce({ transport, schemaId, registry }: Setup, events: number, oracle: Oracle): Promise<void> {
  await transport.create({ name: TOPIC, partitions: PARTITIONS, retentionMs: -1 })
  await registry.register(`${TOPIC}-value`, await registry.schema(schemaId))
  const encode = await orderEncoder(schemaId)
  const drafts: Draft[] = []
  for (const made of orderEvents(events, STORES)) {
    const event: OrderEvent = { ...made, cityCode: `C${cityOf(made.storeId)}` }
    oracle.add(event)
    const { orderId: key, occurredAt: timestamp } = event
    drafts.push({ topic: TOPIC, partition: orderNumber(event) % PARTITIONS, key, value: encode(event), timestamp })
    if (drafts.length === WRITE_BATCH) await transport.write(drafts.splice(0))
  }
  await transport.write(drafts)
}

/** Name and filter of each. */
function topologiesOf(kind: Kind, count: number): { name: string; where: string | undefined }[] {
  return Array.from({ length: count }, (_, i) => {
    const cities = Array.from({ length: CITIES }, (_, city) => city).filter((city) => city % count === i)
    const where = `event.cityCode in [${cities.map((city) => `"C${city}"`).join(', ')}]`
    return {
      name: `w1-${i}`,
      where: kind === 'all' || count === 1 ? undefined : where.replace(/in \[("C\d+")\]/, '== $1'),
    }
  })
}

async function run(setup: Setup, kind: Kind, count: number, scale: Scale, oracle: Oracle): Promise<number> {
  const run = `topologies-${kind}-${count}`
  const home = homeOf(setup, run)
  const topologies = topologiesOf(kind, count)
  await writeProject(
    home,
    { ...configOf(setup, run), topics: { [TOPIC]: { time: 'occurredAt', schema: 'schemas/orders.avsc' } } },
    (yaml) => {
      const [first, ...others] = topologies.map(({ name, where }) =>
        yaml
          .replace('topology: w1', `topology: ${name}`)
          .replace('entity: store', `entity: ${name}-store`)
          .replace('from: orders', `from: ${TOPIC}${where === undefined ? '' : `\nwhere: '${where}'`}`),
      )
      rest = others
      return first as string
    },
  )
  await mkdir(join(home, 'topologies'), { recursive: true })
  for (const [i, yaml] of rest.entries()) await writeFile(join(home, `topologies/w1-${i + 1}.yaml`), yaml)
  const rows = scale.events * (kind === 'all' ? count : 1)
  const measured = await measureWorkers(setup, home, rows, { profile: scale.profile && join(scale.profile, run) })
  await check(setup, home, run, topologies.length, kind, oracle)
  const micros = (measured.cpuSeconds * 1e6) / scale.events
  const services = (measured.servicesCpuSeconds * 1e6) / scale.events
  console.log(
    `${kind}, ${count}: ${micros.toFixed(2)} µs CPU per event (services ${services.toFixed(2)}), ${Math.round(scale.events / measured.seconds)} events/s, peak ${Math.round(measured.peakMb)} MB`,
  )
  return micros
}
let rest: string[] = []

/** Each store's values stand with the topology that takes its city, or with all. */
async function check(
  setup: Setup,
  home: string,
  run: string,
  count: number,
  kind: Kind,
  oracle: Oracle,
): Promise<void> {
  const { project } = await checkProject(home)
  const generations = new Map(project?.topologies.map(({ name, generation }) => [name, generation]))
  const store = await openPart<FeatureStore>('stores', 'redis', { url: setup.redisUrl, prefix: run })
  try {
    for (let i = 0; i < count; i++) {
      const takes = (id: string) => kind === 'all' || count === 1 || cityOf(id) % count === i
      const mine: Pick<Oracle, 'ids' | 'newest' | 'at'> = {
        ids: oracle.ids.filter(takes),
        newest: (id) => oracle.newest(id),
        at: (id, at) => oracle.at(id, at),
      }
      const wrong = await differences(store, `w1-${i}@${generations.get(`w1-${i}`)}`, mine)
      if (wrong.length > 0) throw new Error(`${wrong.length} values are wrong, such as ${wrong.slice(0, 3).join('; ')}`)
    }
  } finally {
    await store.close()
  }
}

export async function measure(scale: Scale): Promise<void> {
  const setup = await openSetup(0)
  try {
    const oracle = new Oracle()
    await produce(setup, scale.events, oracle)
    for (const kind of Object.keys(MOST) as Kind[]) {
      let one: number | undefined
      for (const count of MOST[kind]) {
        const micros = await run(setup, kind, count, scale, oracle)
        one ??= micros
        if (count > 1) console.log(`${kind}: ${count} topologies cost ${(micros / one).toFixed(2)} times what one does`)
      }
    }
  } finally {
    await setup.close()
  }
}
