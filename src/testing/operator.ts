/**
 * What every operator must hold to. For an operator of your own, call `operatorSuite` from a vitest file with a
 * plain function that computes the same over all values at once.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteReader, ByteWriter } from '../core/bytes.ts'
import type { Operator } from '../core/model.ts'
import { isNear } from './oracle.ts'

export interface OperatorUnderTest {
  readonly name: string
  readonly operator: Operator
  readonly naive: (values: readonly number[]) => number | null
}

const WHOLE = fc.integer({ min: -(2 ** 40), max: 2 ** 40 })
const FLOAT = fc.double({ min: -1e6, max: 1e6, noNaN: true }).map((value) => value + 0)
/** Groups of values: each becomes an accumulator, which are then merged. */
const groupsOf = (value: fc.Arbitrary<number>) => fc.array(fc.array(value, { maxLength: 8 }), { maxLength: 6 })

/** Declares the suite; call it at the top of a vitest file. */
export function operatorSuite({ name, operator, naive }: OperatorUnderTest): void {
  const over = (values: readonly number[]) => {
    const acc = operator.create()
    for (const value of values) operator.add(acc, value, 0)
    return acc
  }
  const merged = (groups: readonly (readonly number[])[]) => {
    const acc = operator.create()
    for (const group of groups) operator.merge(acc, over(group))
    return operator.result(acc)
  }
  const again = (acc: unknown) => {
    const to = new ByteWriter()
    operator.encode(acc, to)
    const from = new ByteReader(to.take())
    const decoded = operator.decode(from)
    expect(from.left).toBe(0)
    return decoded
  }

  describe(`${name}: an operator`, () => {
    it('says its empty value over nothing', () => {
      expect(operator.result(operator.create())).toBe(operator.empty)
      expect(naive([])).toBe(operator.empty)
    })

    it('says what the naive reference says, in one go or merged from groups', () => {
      fc.assert(
        fc.property(groupsOf(fc.oneof(WHOLE, FLOAT)), (groups) => {
          const values = groups.flat()
          const largest = Math.max(1, ...values.map(Math.abs))
          const magnitude = largest * Math.max(largest, values.length)
          expect(isNear(operator.result(over(values)), naive(values), magnitude)).toBe(true)
          expect(isNear(merged(groups), naive(values), magnitude)).toBe(true)
        }),
      )
    })

    it('says the same bits of whole numbers in any order and any grouping', () => {
      fc.assert(
        fc.property(groupsOf(WHOLE), fc.infiniteStream(fc.nat()), (groups, random) => {
          const values = groups.flat()
          const result = operator.result(over(values))
          expect(merged(groups)).toBe(result)
          expect(merged([...groups].reverse())).toBe(result)
          expect(operator.result(over(shuffled(values, random)))).toBe(result)
        }),
      )
    })

    it('goes on from its bytes as if nothing had happened', () => {
      fc.assert(
        fc.property(fc.array(FLOAT), fc.array(FLOAT), (before, after) => {
          const straight = over([...before, ...after])
          const restored = again(over(before))
          for (const value of after) operator.add(restored, value, 0)
          expect(operator.result(restored)).toBe(operator.result(straight))
        }),
      )
    })

    it('leaves alone what it merges from', () => {
      const from = over([3, 4])
      operator.merge(over([1, 2]), from)
      operator.merge(from, operator.create())
      expect(operator.result(from)).toBe(operator.result(over([3, 4])))
    })
  })
}

/** The same items in another order. */
export function shuffled<T>(items: readonly T[], random: Iterator<number>): T[] {
  const places = items.map((item) => ({ item, place: random.next().value as number }))
  return places.sort((a, b) => a.place - b.place).map(({ item }) => item)
}
