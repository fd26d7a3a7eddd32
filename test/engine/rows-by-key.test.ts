import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type NewRows, RowsByKey } from '../../src/engine/rows-by-key.ts'

const KEYS = ['a', 'b', 'c', 'd']
const frames = fc.array(fc.record({ keyOf: fc.array(fc.nat(KEYS.length - 1), { maxLength: 8 }), from: fc.nat(8) }), {
  maxLength: 5,
})

const frameOf = (keyOf: readonly number[], from: number): NewRows => {
  const length = keyOf.length
  const numbers = () => new Float64Array(length)
  const columns = { position: numbers(), time: numbers(), tie: numbers(), columns: new Map() }
  const source = { topic: 'orders', partition: 0, incarnation: 'a' }
  return { source, from, clock: 0, rows: { length, keys: KEYS, keyOf: Uint16Array.from(keyOf), ...columns } }
}

it('every new row is found under its key, in the order in which rows came, and no other', () => {
  fc.assert(
    fc.property(frames, (given) => {
      const rows = new RowsByKey()
      const expected = new Map<string, string[]>()
      for (const [frame, { keyOf, from }] of given.entries()) {
        rows.add(frameOf(keyOf, Math.min(from, keyOf.length)))
        for (const [row, key] of keyOf.entries())
          if (row >= from)
            expected.set(KEYS[key] as string, [...(expected.get(KEYS[key] as string) ?? []), `${frame}.${row}`])
      }
      expect(rows.length).toBe([...expected.values()].flat().length)
      const { starts, frame, row } = rows.order()
      const found = [...rows.keys].map(([key, number]): [string, string[]] => {
        const places = Array.from({ length: rows.length }, (_, i) => `${frame[i]}.${row[i]}`)
        return [key, places.slice(starts[number], starts[number + 1])]
      })
      expect(new Map(found)).toEqual(expected)
    }),
  )
})
