import { expect, it } from 'vitest'
import { hashOf } from '../../src/core/key.ts'
import type { Event, RowPlan } from '../../src/core/model.ts'
import { emptyColumn, RowBuffer } from '../../src/engine/rows.ts'

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

it('rows stand as they were added, whether there was room for all at first or not', () => {
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

it('texts and flags that are none are null and false in a row', () => {
  const rows = new RowBuffer(plan, 2)
  rows.add('a', hashOf('a'), 0, 0, 0, { t: 5, f: 'yes', n: 'seven' })
  rows.add('b', hashOf('b'), 1, 0, 0, { t: 'x', f: true, n: 7 })
  expect(Object.fromEntries(rows.columns)).toEqual({
    t: [null, 'x'],
    f: Uint8Array.of(0, 1),
    n: Float64Array.of(Number.NaN, 7),
  })
  // both keys, and the one text
  expect(rows.text).toBe(3 * 3)
  expect(emptyColumn('text', 2)).toEqual([null, null])
})
