import { expect, it } from 'vitest'
import { hashOf } from '../../src/core/key.ts'
import type { Event, RowPlan } from '../../src/core/model.ts'
import { RowBuffer } from '../../src/engine/rows.ts'

it('rows stand as they were added, whether there was room for all at first or not', () => {
  const fill = (id: string) => (event: Event) => event[id] as string
  const plan: RowPlan = {
    columns: [
      { id: 't', kind: 'text', fill: fill('t') },
      { id: 'f', kind: 'flag', fill: fill('f') },
      { id: 'n', kind: 'number', fill: fill('n') },
    ],
    where: () => true,
    key: () => '',
    time: undefined,
    id: undefined,
  }
  const filled = (first: number) => {
    const rows = new RowBuffer(plan, 50, first)
    for (let round = 0; round < 2; round++) {
      rows.clear()
      for (let i = 0; i < 50; i++) {
        const key = `k${(i * i) % 23}`
        rows.add(key, hashOf(key), round + i, 2 * i, 3 * i, { t: i % 3 ? `t${i}` : null, f: i % 2 === 0, n: i / 2 })
      }
    }
    const { length, keys, position, time, tie, keyOf, columns, text } = rows
    return { length, keys, position, time, tie, keyOf, columns, text }
  }
  expect(filled(1)).toEqual(filled(50))
})
