import { expect, it } from 'vitest'
import { Samples, WrittenIds } from '../../../src/commands/dev/samples.ts'
import { checkProject, type Project } from '../../../src/project/check.ts'
import { featuresOf } from '../../../src/project/kinds.ts'
import { MemoryStore } from '../../../src/testing/memory-store.ts'

const TOPOLOGIES = ['customer-waiting', 'store-backlog', 'store-load']
const all = featuresOf(((await checkProject('.')).project as Project).topologies)
const topologies = all.filter(({ name }) => TOPOLOGIES.includes(name))

async function watched() {
  const written = new WrittenIds()
  const memory = new MemoryStore()
  const store = written.watching(memory)
  const write = async (name: string, values: readonly (number | null)[] | null, ...ids: readonly string[]) => {
    const topology = topologies.find((each) => each.name === name)
    const emissions = ids.map((key) => ({ key, at: 1, values, cause: 'p1' }))
    const version = { generation: 1, epoch: 1, step: 1 }
    const names = topology?.features.map((feature) => feature.name) ?? []
    const namespace = `${name}@${topology?.generation}`
    await store.write({ namespace, names, batch: { task: 't', version, upto: 1, said: undefined, emissions } })
    return namespace
  }
  return { samples: new Samples(() => topologies, written), store, write }
}

const titles = (entities: { title: string }[]) => entities.map(({ title }) => title)

it('shows the entity with the most features first, and of each what most of its topologies know', async () => {
  const { samples, store, write } = await watched()
  await write('customer-waiting', [1], 'c-1')
  await write('store-load', [1, 2, 3], 'store-2', 'store-10', 'store-3')
  await write('store-backlog', [4, 5], 'store-10', 'store-3')
  const shown = await samples.read(store)
  expect(titles(shown)).toEqual(['store store-3', 'store store-10', 'customer c-1'])
  expect(shown[0]?.features.toSorted()).toEqual([
    ['orders_10m', 2],
    ['orders_30m', 3],
    ['orders_5m', 1],
    ['orders_to_accept', 5],
    ['unpicked_orders', 4],
  ])
})

it('keeps what it has chosen, and takes one more where there was only one', async () => {
  const { samples, store, write } = await watched()
  await write('store-load', [1, 2, 3], 'store-9')
  expect(titles(await samples.read(store))).toEqual(['store store-9'])
  await write('store-load', [1, 2, 3], 'store-4', 'store-1')
  for (let i = 0; i < 2; i++) expect(titles(await samples.read(store))).toEqual(['store store-9', 'store store-1'])
})

it('leaves out what was forgotten', async () => {
  const { samples, store, write } = await watched()
  await write('store-load', null, 'store-9')
  expect(await samples.read(store)).toEqual([])
})

it('offers for reading what is served: the first entity while there is patience, then any', async () => {
  const { samples, store, write } = await watched()
  const load = await write('store-load', [1, 2, 3], 'store-1')
  const waiting = await write('customer-waiting', [1], 'c-1', 'c-2')
  await samples.read(store)
  await store.moveAlias('store-load', load, 1)
  await store.moveAlias('customer-waiting', waiting, 1)
  expect(await samples.served(store, true)).toBeUndefined()
  expect(await samples.served(store, false)).toEqual({ entity: 'customer', ids: ['c-1', 'c-2'] })
  await store.moveAlias('store-backlog', 'store-backlog@x', 1)
  expect(await samples.served(store, true)).toEqual({ entity: 'store', ids: ['store-1'] })
})
