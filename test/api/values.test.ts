import { afterEach, expect, it } from 'vitest'
import type { FeatureRecord } from '../../src/core/model.ts'
import { fetch } from './described.ts'
import { AT, mapStore, servers } from './fixture.ts'

const { start, stopAll } = servers()
afterEach(stopAll)

it('texts and lists are answered as JSON, with their defaults where nothing is known', async () => {
  const values = { status: 'a "quoted" \n text', top: ['pizza', '東京'], powers: [0.5, 1e300] }
  const known: FeatureRecord = { at: AT, version: { generation: 1, epoch: 1, step: 1 }, values }
  const { url } = await start({
    catalog: () => [
      {
        entity: 'store',
        topologies: [
          {
            topology: 'it',
            namespace: () => 'it@1',
            features: [
              { name: 'status', type: 'string', default: 'NONE' },
              { name: 'top', type: 'list of string', default: [] },
              { name: 'powers', type: 'list of double', default: null },
            ],
          },
        ],
      },
    ],
    store: mapStore({ 'it@1': { s1: known } }),
  })
  const read = async (id: string) => {
    const { features } = (await (await fetch(`${url}/v1/features/store/${id}`)).json()) as {
      features: Record<string, { value: unknown }>
    }
    return Object.fromEntries(Object.entries(features).map(([name, { value }]) => [name, value]))
  }
  expect(await read('s1')).toEqual(values)
  expect(await read('s2')).toEqual({ status: 'NONE', top: [], powers: null })
})
