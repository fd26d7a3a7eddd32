import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { parseSchema } from '../../src/core/schema.ts'
import { type FeatureTopology, outputSchema } from '../../src/features/compile.ts'
import { checkProject, renderProblems } from '../../src/project/check.ts'
import { featuresOf } from '../../src/project/kinds.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const temporary: string[] = []
afterEach(async () => {
  for (const directory of temporary.splice(0)) await rm(directory, { recursive: true })
})

async function topologyOf(text: string, config = ''): Promise<FeatureTopology> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-compile-'))
  temporary.push(directory)
  await cp(join(root, 'schemas'), join(directory, 'schemas'), { recursive: true })
  await mkdir(join(directory, 'topologies'))
  await writeFile(join(directory, 'millrace.yaml'), config)
  await writeFile(join(directory, 'topologies', 'it.yaml'), text)
  const { problems, project } = await checkProject(directory)
  expect(renderProblems(problems)).toBe('')
  return project?.topologies[0] as FeatureTopology
}
const flowOf = async (text: string, config?: string) => (await topologyOf(text, config)).flow([])

const LOAD = `topology: load
kind: features
from: orders
entity: store
by: storeId
features:
  made: { lifetime: true, as: count, when: event.type == "ORDER_CREATED" }
`
const order = {
  type: 'ORDER_CREATED',
  storeId: 's1',
  courierId: null,
  occurredAt: 5,
  eventId: 'e1',
  orderId: 'o1',
  city: 'TURIN',
  totalCents: 0,
  prepSeconds: 90,
}

describe('the examples', () => {
  it('of this repository are right', async () => {
    const { problems, project } = await checkProject(root)
    expect(renderProblems(problems)).toBe('')
    expect(
      featuresOf(project?.topologies ?? []).map(({ name, entity, features }) => [
        name,
        entity,
        features.map((one) => one.name),
      ]),
    ).toEqual([
      ['city-pickups', 'city', ['slowness_mean_200', 'slow_pickups_1h']],
      ['courier-acceptance', 'courier', ['seconds_to_accept_mean_50', 'seconds_to_accept_variance_50']],
      ['courier-deliveries', 'courier', ['delivered_total']],
      ['customer-waiting', 'customer', ['waiting_seconds_mean_7d']],
      ['store-backlog', 'store', ['unpicked_orders', 'orders_to_accept']],
      ['store-load', 'store', ['orders_5m', 'orders_10m', 'orders_30m']],
      [
        'store-quality',
        'store',
        [
          'prep_seconds_p90_2h',
          'prep_seconds_rolling',
          'customers_2h',
          'couriers_top_2h',
          'cancelled_2h',
          'ended_2h',
          'cancelled_share_2h',
        ],
      ],
      ['store-shifts', 'store', ['orders_per_10m', 'revenue_cents_per_10m']],
      ['store-waiting', 'store', ['longest_wait_seconds', 'pick_seconds_p90_1h']],
    ])
  })
})

describe('a row plan', () => {
  it('takes what `where` lets through, by key, time and id of the topic', async () => {
    const config = 'topics: { orders: { time: occurredAt, id: eventId } }'
    const flow = await flowOf(LOAD.replace('entity:', 'where: event.city != "TEST"\nentity:'), config)
    const { plan } = flow.sources[0]!
    expect(plan.where(order)).toBe(true)
    expect(plan.where({ ...order, city: 'TEST' })).toBe(false)
    expect(plan.where({ ...order, city: null })).toBe(false)
    expect([plan.key(order), plan.time?.(order), plan.id?.(order)]).toEqual(['s1', 5, 'e1'])
    expect(plan.columns.map(({ id, kind }) => [id, kind])).toEqual([['flag:event.type == "ORDER_CREATED"', 'flag']])
    expect(plan.columns[0]?.fill(order)).toBe(true)
  })

  it('refuses ids of a lifecycle that are too long to be kept; an event may have none', async () => {
    const waiting = `${LOAD}  open: { lifecycle: orderId, opens: event.type == "ORDER_CREATED", closes: event.type == "ORDER_PICKED", as: count }\n`
    const { key } = (await flowOf(waiting)).sources[0]!.plan
    expect(() => key({ ...order, orderId: 'x'.repeat(1025) })).toThrow(
      'the id of a lifecycle is longer than 1024 bytes',
    )
    expect(key({ ...order, orderId: 'x'.repeat(1024) })).toBe('s1')
    expect(key({ ...order, orderId: null })).toBe('s1')
    expect((await flowOf(LOAD)).sources[0]!.plan.key({ ...order, orderId: 'x'.repeat(1025) })).toBe('s1')
  })

  it('refuses ids that are too long or could be taken for the parts of another, whatever joins them', async () => {
    const single = (await flowOf(LOAD)).sources[0]!.plan
    const pair = (await flowOf(LOAD.replace('by: storeId', 'by: [city, storeId]'))).sources[0]!.plan
    for (const { key } of [single, pair]) {
      expect(() => key({ ...order, storeId: 's1\0w' })).toThrow(expect.objectContaining({ code: 'id-unfit' }))
      expect(() => key({ ...order, storeId: 'x'.repeat(1025) })).toThrow(expect.objectContaining({ code: 'id-unfit' }))
      expect(() => key({ ...order, storeId: '\u{1f600}'.repeat(257) })).toThrow(/1024 bytes/)
    }
    const longest = '\u{1f600}'.repeat(256)
    expect(single.key({ ...order, storeId: longest })).toBe(longest)
    expect(single.key({ ...order, storeId: 'a:b\n{c}@..' })).toBe('a:b\n{c}@..')
  })

  it('leaves time and id to the record where the topic declares none', async () => {
    const { plan } = (await flowOf(LOAD)).sources[0]!
    expect([plan.time, plan.id]).toEqual([undefined, undefined])
    expect(plan.where(order)).toBe(true)
  })

  it('joins a key of several fields, and makes no row where one is null', async () => {
    const { plan } = (await flowOf(LOAD.replace('by: storeId', 'by: [storeId, courierId]'))).sources[0]!
    expect(plan.key({ ...order, courierId: 'c:1' })).toBe('s1:c%3A1')
    expect(plan.key(order)).toBeNull()
  })

  it('reads only the fields that are used', async () => {
    const flow = await flowOf(LOAD, 'topics: { orders: { time: occurredAt, id: eventId } }')
    expect(flow.sources[0]?.fields).toEqual([['eventId'], ['occurredAt'], ['storeId'], ['type']])
  })

  it('fills one column for expressions that mean the same', async () => {
    const more = `  again: { last: 5, as: count, when: '(event.type=="ORDER_CREATED")' }\n  prep: { last: 5, as: mean, of: prepSeconds }\n  sum: { last: 9, as: sum, of: event.prepSeconds }\n`
    const { plan } = (await flowOf(LOAD + more)).sources[0]!
    expect(plan.columns.map(({ id }) => id)).toEqual(['flag:event.type == "ORDER_CREATED"', 'number:event.prepSeconds'])
    expect(plan.columns[1]?.fill(order)).toBe(90)
    expect(plan.columns[1]?.fill({ ...order, prepSeconds: null })).toBeNull()
  })

  it('has, for a topic that a mapping leaves out, columns that never match and have no value', async () => {
    const text = LOAD.replace('from: orders', 'from: [orders, acceptances]')
      .replace(/when: .* }/, 'when: { acceptances: event.by == "STORE" }, of: { orders: totalCents } }')
      .replace('as: count', 'as: sum')
    const [orders, acceptances] = (await flowOf(text)).sources
    const ids = ['number:{orders: event.totalCents}', 'flag:{acceptances: event.by == "STORE"}']
    expect(orders?.plan.columns.map(({ id }) => id).sort()).toEqual([...ids].sort())
    const fill = (source: typeof orders, id: string | undefined) =>
      source?.plan.columns.find((column) => column.id === id)?.fill
    expect(fill(orders, ids[0])?.(order)).toBe(0)
    expect(fill(orders, ids[1])?.(order)).toBe(false)
    expect(fill(acceptances, ids[0])?.({ by: 'STORE' })).toBeNull()
    expect(fill(acceptances, ids[1])?.({ by: 'STORE' })).toBe(true)
  })

  it('lets nothing through from a topic that `where` leaves out', async () => {
    const text = LOAD.replace(
      'from: orders',
      'from: [orders, acceptances]\nwhere: { orders: event.city == "TURIN" }',
    ).replace(', when: event.type == "ORDER_CREATED"', '')
    const [orders, acceptances] = (await flowOf(text)).sources
    expect([orders?.plan.where(order), acceptances?.plan.where(order)]).toEqual([true, false])
  })
})

describe('a topology', () => {
  const KEYED = 'topics: { orders: { key: storeId, partitions: 4 } }'

  it('reads a topic directly that is keyed by its dimension, and shuffles others', async () => {
    expect((await flowOf(LOAD, KEYED)).shuffle).toBeUndefined()
    expect((await flowOf(LOAD)).shuffle).toBe(8)
    expect((await flowOf(LOAD, 'engine: { shufflePartitions: 3 }')).shuffle).toBe(3)
    expect((await flowOf(LOAD.replace('by: storeId', 'by: courierId'), KEYED)).shuffle).toBe(8)
    expect((await flowOf(LOAD.replace('by: storeId', 'by: [storeId, courierId]'), KEYED)).shuffle).toBe(8)
    const two = LOAD.replace('from: orders', 'from: [orders, acceptances]').replace(
      ', when: event.type == "ORDER_CREATED"',
      '',
    )
    expect((await flowOf(two, KEYED)).shuffle).toBe(8)
  })

  it('keeps its generation while only features, outputs or words change', async () => {
    const first = await topologyOf(LOAD)
    for (const text of [
      `${LOAD}  more: { last: 5, as: count }\n`,
      LOAD.replace('entity: store', 'description: words\nentity: store\nto: [{ topic: out }]\ntags: [a]'),
      LOAD.replace('from: orders', 'from: [orders]'),
    ]) {
      const next = await topologyOf(text)
      expect(next.generation).toBe(first.generation)
      expect(next.definition).not.toBe(first.definition)
    }
    expect(first.generation).toMatch(/^[0-9a-f]{8}$/)
  })

  it('gets another generation when another row goes there, or another way', async () => {
    const others = await Promise.all([
      topologyOf(LOAD),
      topologyOf(LOAD.replace('by: storeId', 'by: courierId')),
      topologyOf(LOAD.replace('entity:', 'where: event.city == "A"\nentity:')),
      topologyOf(
        LOAD.replace('from: orders', 'from: [orders, acceptances]').replace(
          ', when: event.type == "ORDER_CREATED"',
          '',
        ),
      ),
      topologyOf(LOAD, 'engine: { shufflePartitions: 9 }'),
      topologyOf(LOAD, KEYED),
      topologyOf(LOAD, KEYED.replace('4', '8')),
    ])
    expect(new Set(others.map(({ generation }) => generation)).size).toBe(others.length)
  })

  it('starts where it says, else where the configuration says', async () => {
    expect((await flowOf(LOAD)).start).toBe('earliest')
    expect((await flowOf(LOAD, 'engine: { start: latest }')).start).toBe('latest')
    const text = LOAD.replace('entity:', 'start: 2026-01-31T00:00:00+01:00\nentity:')
    expect((await flowOf(text, 'engine: { start: latest }')).start).toBe(Date.UTC(2026, 0, 30, 23))
  })

  it('has its features with their types, defaults and operators', async () => {
    const { features } = await topologyOf(
      `${LOAD}  prep: { last: 5, as: mean, of: prepSeconds, default: 300, description: Preparation. }\n`,
    )
    expect(features).toEqual([
      { name: 'made', type: 'long', default: 0, as: 'count', aggregation: 'lifetime', description: undefined },
      { name: 'prep', type: 'double', default: 300, as: 'mean', aggregation: 'last', description: 'Preparation.' },
    ])
  })

  it('has outputs by the names of their sinks', async () => {
    expect((await topologyOf(LOAD)).outputs).toMatchObject([{ kind: 'store', settings: {} }])
    const { outputs } = await topologyOf(LOAD.replace('entity:', 'to: [store, { topic: out }]\nentity:'))
    expect(outputs).toMatchObject([{ kind: 'store' }, { kind: 'topic', settings: { topic: 'out' } }])
  })

  it('makes a reducer that answers in the order of its features', async () => {
    const flow = await flowOf(`${LOAD}  prep: { last: 5, as: mean, of: prepSeconds, default: 300 }\n`)
    expect(flow.features).toEqual(['made', 'prep'])
    const reducer = flow.reducer([])
    expect(reducer.evaluate(reducer.create(), 0)).toEqual([0, 300])
  })

  it('derives an Avro schema of its results', async () => {
    const topology = await topologyOf(
      LOAD.replace('by: storeId', 'by: [storeId, courierId]').replace('topology: load', 'topology: store-load'),
    )
    const schema = outputSchema(topology)
    expect(schema).toMatchObject({ type: 'record', name: 'StoreLoad', namespace: 'millrace' })
    expect(schema.fields.map(({ name, type }) => [name, type])).toEqual([
      ['storeId', 'string'],
      ['courierId', 'string'],
      ['at', { type: 'long', logicalType: 'timestamp-millis' }],
      ['made', ['null', 'long']],
    ])
    expect(parseSchema(schema)).toMatchObject({ kind: 'record', name: 'millrace.StoreLoad' })
  })
})
