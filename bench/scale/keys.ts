/**
 * W1 with cold keys: half as many as there are events, all alike popular, so that nearly no key is in memory when its event comes.
 * `--events 20000000` is ten million keys. One key in 50 is held against the oracle.
 */
import type { Draft } from '../../src/core/model.ts'
import { configOf } from '../millrace.ts'
import { Oracle } from '../oracle.ts'
import { orderEvents, seeded } from '../orders.ts'
import { openSetup, PARTITIONS } from '../setup.ts'
import { orderEncoder, orderNumber, writeProject } from '../w1.ts'
import { holdToOracle, homeOf, measureWorkers, type Scale } from './worker.ts'

const TOPIC = 'orders-of-many'
const WRITE_BATCH = 4_000
const ONE_IN = 50
const RUN = 'keys'

export async function measure({ events, profile }: Scale): Promise<void> {
  const keys = Math.ceil(events / 2)
  const setup = await openSetup(0)
  try {
    const { transport, registry, schemaId } = setup
    await transport.create({ name: TOPIC, partitions: PARTITIONS, retentionMs: -1 })
    const encode = await orderEncoder(schemaId)
    const oracle = new Oracle()
    const random = seeded(1)
    let drafts: Draft[] = []
    for (const made of orderEvents(events, 1)) {
      const store = Math.floor(random() * keys)
      const event = { ...made, storeId: `store-${store}` }
      if (store % ONE_IN === 0) oracle.add(event)
      const { orderId: key, occurredAt: timestamp } = event
      drafts.push({ topic: TOPIC, partition: orderNumber(event) % PARTITIONS, key, value: encode(event), timestamp })
      if (drafts.length < WRITE_BATCH) continue
      await transport.write(drafts)
      drafts = []
    }
    await transport.write(drafts)
    await registry.register(`${TOPIC}-value`, await registry.schema(schemaId))
    const home = homeOf(setup, RUN)
    const topics = { [TOPIC]: { time: 'occurredAt', schema: 'schemas/orders.avsc' } }
    await writeProject(home, { ...configOf(setup, RUN), topics }, (yaml) =>
      yaml.replace('from: orders', `from: ${TOPIC}`),
    )
    const measured = await measureWorkers(setup, home, events, { profile })
    await holdToOracle(setup, home, RUN, oracle)
    const [cpu, services] = [measured.cpuSeconds, measured.servicesCpuSeconds].map((s) =>
      ((s * 1e6) / events).toFixed(2),
    )
    console.log(
      `${keys} keys, uniform: ${cpu} µs CPU per event (services ${services}), ${Math.round(events / measured.seconds)} events/s, peak ${Math.round(measured.peakMb)} MB`,
    )
  } finally {
    await setup.close()
  }
}
