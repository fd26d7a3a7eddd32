/**
 * What every operator must hold to: the naive reference, any order and grouping, bytes that say everything. For an operator of your
 * own, call `operatorSuite` from a vitest file with a plain function that computes the same over all values at once.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteReader, ByteWriter } from '../core/bytes.ts'
import type { FeatureValue, Operator, Value } from '../core/model.ts'
import type { Part } from '../core/part.ts'
import { openOperator } from './declare.ts'
import type { Naive, Sample } from './naive-operators.ts'
import { isNear } from './oracle.ts'

/** An operator opened with its settings, and a naive form of it to compare with. */
export interface OperatorUnderTest {
  readonly operator: Operator
  /** Given to `naive`. */
  readonly settings?: unknown
  /** The same, written as plainly as possible. */
  readonly naive: Naive
  /** Over whole numbers the same bits in any order; false: only to 1e-9. True when left out. */
  readonly isExact?: boolean
}

/** A property that holds, or `run` throws. */
export interface Check {
  readonly title: string
  readonly run: () => void
}

const SMALL = fc.integer({ min: -3, max: 9 })
const WHOLE = fc.oneof(fc.integer({ min: -(2 ** 40), max: 2 ** 40 }), SMALL)
const FLOAT = fc.double({ min: -1e6, max: 1e6, noNaN: true }).map((value) => value + 0)
const MIXED = fc.oneof(WHOLE, FLOAT)
const TEXT = fc.oneof(fc.constantFrom('', 'a', 'b', 'NULL', '東京 🚲'), fc.string({ maxLength: 12 }))
/** Long enough that samples of one test lie in several of whatever an operator cuts time into. */
const SPAN = 60_000

/**
 * Declares the suite in a vitest file, which calls it at its top and waits for it. `settings` are those of the operator, as they are
 * written in YAML; `naive` is given them validated.
 */
export async function operatorSuite<C, A, V extends Value>({
  name,
  part,
  settings = {},
  ...more
}: Pick<OperatorUnderTest, 'naive' | 'isExact'> & {
  readonly name: string
  readonly part: Part<C, Operator<A, V>>
  readonly settings?: object
}): Promise<void> {
  const operator = await openOperator(part, settings)
  const checks = operatorChecks({ operator, settings: part.config.parse(settings), ...more })
  describe(`${name}: an operator`, () => {
    for (const { title, run } of checks) it(title, run)
  })
}

/** What the suite checks. Run within a vitest test. */
export function operatorChecks({ operator, settings, naive, isExact = true }: OperatorUnderTest): readonly Check[] {
  const checks: Check[] = []
  const check = (title: string, run: () => void) => checks.push({ title, run })
  const over = (samples: readonly Sample[]) => {
    const acc = operator.create()
    for (const { value, time, tie } of samples) operator.add(acc, value, time, tie)
    return acc
  }
  const merged = (groups: readonly (readonly Sample[])[]) => {
    const acc = operator.create()
    for (const group of groups) operator.merge(acc, over(group))
    return operator.result(acc, SPAN)
  }
  const again = (acc: unknown) => {
    const to = new ByteWriter()
    operator.encode(acc, to)
    const from = new ByteReader(to.take())
    const decoded = operator.decode(from)
    expect(from.left).toBe(0)
    return decoded
  }
  const sample = (value: fc.Arbitrary<Value>) =>
    fc.record({ value, time: fc.oneof(fc.nat(9), fc.nat(SPAN - 1)), tie: fc.nat(2 ** 40) })
  /** Groups of samples: each becomes an accumulator, which are then merged. */
  const groupsOf = (value: fc.Arbitrary<Value>) =>
    fc.array(fc.array(sample(value), { maxLength: 8 }), { maxLength: 6 }).map(unlike)
  const same = (actual: FeatureValue, expected: FeatureValue, samples: readonly Sample[]) =>
    isExact ? expect(actual).toEqual(expected) : near(actual, expected, samples)

  check('says its empty value over nothing', () => {
    expect(operator.result(operator.create(), SPAN)).toBe(operator.empty)
    expect(naive([], settings, SPAN)).toBe(operator.empty)
  })

  const kinds = { numbers: MIXED, 'small numbers': SMALL, ...(operator.takes === 'given' && { texts: TEXT }) }
  for (const [kind, value] of Object.entries(kinds)) {
    check(`says what the naive reference says of ${kind}, in one go or merged from groups`, () => {
      fc.assert(
        fc.property(groupsOf(value), (groups) => {
          const samples = groups.flat()
          near(operator.result(over(samples), SPAN), naive(samples, settings, SPAN), samples)
          near(merged(groups), naive(samples, settings, SPAN), samples)
        }),
      )
    })

    check(`says the same of ${kind === 'numbers' ? 'whole numbers' : kind} in any order and any grouping`, () => {
      fc.assert(
        fc.property(groupsOf(kind === 'numbers' ? WHOLE : value), fc.infiniteStream(fc.nat()), (groups, random) => {
          const samples = groups.flat()
          const result = operator.result(over(samples), SPAN)
          same(merged(groups), result, samples)
          same(merged([...groups].reverse()), result, samples)
          same(operator.result(over(shuffled(samples, random)), SPAN), result, samples)
        }),
      )
    })

    check(`goes on from its bytes over ${kind} as if nothing had happened`, () => {
      fc.assert(
        fc.property(groupsOf(value), fc.nat(40), (groups, at) => {
          const samples = groups.flat()
          const restored = again(over(samples.slice(0, at)))
          for (const { value, time, tie } of samples.slice(at)) operator.add(restored, value, time, tie)
          expect(operator.result(restored, SPAN)).toEqual(operator.result(over(samples), SPAN))
        }),
      )
    })
  }

  check('leaves alone what it merges from', () => {
    const at = (value: number): Sample => ({ value, time: value * 100, tie: value })
    const from = over([at(3), at(4)])
    operator.merge(over([at(1), at(2)]), from)
    operator.merge(from, operator.create())
    expect(operator.result(from, SPAN)).toEqual(operator.result(over([at(3), at(4)]), SPAN))
  })
  return checks
}

function near(actual: FeatureValue, expected: FeatureValue, samples: readonly Sample[]): void {
  const largest = Math.max(1, ...samples.map(({ value }) => (typeof value === 'number' ? Math.abs(value) : 0)))
  const isClose = isNear(actual, expected, largest * Math.max(largest, samples.length))
  expect(isClose, `${JSON.stringify(actual)}, expected ${JSON.stringify(expected)}`).toBe(true)
}

/** No two samples of one tie. */
function unlike(groups: readonly (readonly Sample[])[]): Sample[][] {
  let count = 0
  return groups.map((group) => group.map((each) => ({ ...each, tie: each.tie * 64 + count++ })))
}

/** The same items in another order. */
export function shuffled<T>(items: readonly T[], random: Iterator<number>): T[] {
  const places = items.map((item) => ({ item, place: random.next().value as number }))
  return places.sort((a, b) => a.place - b.place).map(({ item }) => item)
}
