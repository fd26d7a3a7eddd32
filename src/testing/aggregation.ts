/**
 * What every aggregation must hold to: order-free, forgetting by the clock changes nothing, bytes say everything, and a
 * result only changes when it said so. For an aggregation of your own, call `aggregationSuite` from a vitest file with
 * a plain function that computes the same from all events.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteReader, ByteWriter } from '../core/bytes.ts'
import type { Aggregation, Column, ColumnKind, FeatureSpec, FeatureValue, Millis, Slot } from '../core/model.ts'
import type { Part } from '../core/part.ts'
import { type DeclaredFeature, declareFeature, openAggregation } from './declare.ts'
import { type Check, shuffled } from './operator.ts'
import { isNear, type OracleEvent } from './oracle.ts'

/** An aggregation, and what is to be tried with it. */
export interface AggregationUnderTest<C> {
  readonly aggregation: Aggregation<C>
  /** Features declared together, such as some that share memory and some that do not. */
  readonly features: readonly FeatureSpec<C>[]
  /** The result from all events so far, each with the clock when it came, none later than `now`; `clock`: what it is now. */
  readonly naive: (feature: FeatureSpec<C>, events: readonly OracleEvent[], now: Millis, clock: Millis) => FeatureValue
  /** Event times and the clock lie between 0 and this: a few times the longest memory. */
  readonly span: Millis
}

/** One slot with the memory of one key, its segments in a map as a store would keep them. */
export class Memory {
  acc: unknown
  readonly segments = new Map<string, Uint8Array>()
  readonly slot: Slot

  constructor(slot: Slot) {
    this.slot = slot
    this.acc = slot.create()
  }

  add(event: OracleEvent, clock: Millis): void {
    this.slot.add(this.acc, this.columns(event), 0, event.time, event.tie, clock)
  }

  isLate(event: OracleEvent, clock: Millis): boolean {
    return event.time < clock && this.slot.isLate?.(this.columns(event), 0, event.time, clock) === true
  }

  private columns({ values }: OracleEvent): (Column | undefined)[] {
    return this.slot.columns.map(({ id, kind }) => columnOf(kind, values[id]))
  }

  results(now: Millis): Map<string, FeatureValue> {
    const out: FeatureValue[] = []
    this.slot.results(this.acc, now, out, 0)
    return new Map(this.slot.features.map((name, i) => [name, out[i] as FeatureValue]))
  }

  /** Writes the memory and reads it again, as another worker would: with this slot or that of another definition. */
  moved(slot = this.slot): Memory {
    const to = new ByteWriter()
    this.slot.encode(this.acc, to)
    for (const [name, bytes] of this.slot.segments?.changed(this.acc) ?? []) {
      if (bytes) this.segments.set(name, bytes)
      else this.segments.delete(name)
    }
    const memory = new Memory(slot)
    const from = new ByteReader(to.take())
    memory.acc = slot.decode(from)
    expect(from.left).toBe(0)
    const missing = slot.segments?.missing(memory.acc) ?? []
    expect([...missing].sort(), 'segments in the store').toEqual([...this.segments.keys()].sort())
    for (const name of missing) {
      slot.segments?.attach(memory.acc, name, this.segments.get(name) as Uint8Array)
      memory.segments.set(name, this.segments.get(name) as Uint8Array)
    }
    return memory
  }
}

function columnOf(kind: ColumnKind, value: boolean | number | string | null | undefined): Column | undefined {
  if (value === undefined) return undefined
  if (kind === 'flag') return Uint8Array.of(value === true ? 1 : 0)
  if (kind === 'number') return Float64Array.of(typeof value === 'number' ? value : Number.NaN)
  return [typeof value === 'string' ? value : null]
}

type Step = { readonly event: OracleEvent } | { readonly clock: Millis } | { readonly move: true }

/** Declares the suite in a vitest file, which calls it at its top and waits for it. */
export async function aggregationSuite<C>({
  name,
  part,
  features,
  ...more
}: Pick<AggregationUnderTest<C>, 'naive' | 'span'> & {
  readonly name: string
  readonly part: Part<C, Aggregation<C>>
  readonly features: readonly DeclaredFeature[]
}): Promise<void> {
  const specs = await Promise.all(features.map((feature) => declareFeature(part, feature)))
  const checks = aggregationChecks({ aggregation: await openAggregation(part), features: specs, ...more })
  describe(`${name}: an aggregation`, () => {
    for (const { title, run } of checks) it(title, run)
  })
}

/** What the suite checks. Run within a vitest test. */
export function aggregationChecks<C>({
  aggregation,
  features,
  naive,
  span,
}: AggregationUnderTest<C>): readonly Check[] {
  const checks: Check[] = []
  const check = (title: string, run: () => void) => checks.push({ title, run })
  const slots = aggregation.slots(features)
  const columns = slots.flatMap((slot) => slot.columns)
  const column = {
    flag: fc.oneof({ weight: 3, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
    number: fc.oneof(
      { weight: 6, arbitrary: fc.integer({ min: -50, max: 50 }) },
      { weight: 2, arbitrary: fc.double({ min: -1e6, max: 1e6, noNaN: true }) },
      { weight: 1, arbitrary: fc.constantFrom(null, Number.POSITIVE_INFINITY) },
    ),
    text: fc.constantFrom('a', 'b', 'c', 'd', null),
  } satisfies Record<ColumnKind, unknown>
  const values = fc.record(
    Object.fromEntries(columns.map(({ id, kind }) => [id, column[kind] as fc.Arbitrary<string>])),
    {
      requiredKeys: columns.slice(1).map(({ id }) => id),
    },
  )
  const times = fc.oneof(
    fc.nat(span),
    fc.nat(9).map((tenth) => Math.floor((tenth * span) / 10)),
  )
  const event = fc.record({ time: times, tie: fc.nat(2 ** 40), values })
  const unlike = (events: readonly OracleEvent[]) => events.map((each, i) => ({ ...each, tie: each.tie * 64 + i }))
  const events = fc.array(event, { maxLength: 40 }).map(unlike)
  const steps = fc.array(
    fc.oneof(
      { weight: 6, arbitrary: fc.record({ event }) },
      { weight: 2, arbitrary: fc.record({ clock: times }) },
      { weight: 1, arbitrary: fc.constant<Step>({ move: true }) },
    ),
    { maxLength: 60 },
  )

  /** The slots of one key, and what they are compared with. */
  class Key {
    memories = slots.map((slot) => new Memory(slot))
    readonly events: OracleEvent[] = []
    clock: Millis = Number.NEGATIVE_INFINITY

    get now(): Millis {
      return Math.max(this.clock, ...this.events.map(({ time }) => time))
    }

    add(given: OracleEvent): void {
      this.events.push({ ...given, clock: this.clock })
      for (const memory of this.memories) {
        const now = Math.max(this.now, given.time)
        const before = memory.isLate(given, this.clock) ? memory.results(now) : undefined
        memory.add(given, this.clock)
        if (before) expect(memory.results(now), 'a late event changes nothing').toEqual(before)
      }
    }

    advance(clock: Millis): void {
      if (clock < this.clock) return
      this.clock = clock
      for (const { slot, acc } of this.memories) slot.expire(acc, clock)
    }

    results(now: Millis): Record<string, FeatureValue> {
      return Object.fromEntries(this.memories.flatMap((memory) => [...memory.results(now)]))
    }

    nextExpiry(now: Millis): Millis {
      return Math.min(...this.memories.map(({ slot, acc }) => slot.nextExpiry(acc, now)))
    }

    get isEmpty(): boolean {
      return this.memories.every(({ slot, acc }) => slot.isEmpty(acc))
    }

    check(now: Millis): void {
      const found = this.results(now)
      const numbers = this.events.flatMap(({ values }) => Object.values(values).filter(Number.isFinite) as number[])
      const largest = Math.max(1, ...numbers.map(Math.abs))
      for (const feature of features) {
        const actual = found[feature.name] as FeatureValue
        const expected = naive(feature, this.events, now, this.clock)
        const near = isNear(actual, expected, largest * Math.max(largest, numbers.length))
        expect(near, `${feature.name} at ${now}: ${actual}, expected ${expected}`).toBe(true)
      }
    }
  }

  check(
    'answers every feature in exactly one slot, and gives slots that remember different things different ids',
    () => {
      expect(slots.flatMap((slot) => slot.features).sort()).toEqual(features.map((feature) => feature.name).sort())
      expect(new Set(slots.map(({ id }) => id)).size).toBe(slots.length)
      expect(
        aggregation
          .slots([...features].reverse())
          .map(({ id }) => id)
          .sort(),
      ).toEqual(slots.map(({ id }) => id).sort())
    },
  )

  check('says what the naive reference says, whenever events come, the clock moves on, or the state moves', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const key = new Key()
        for (const [i, step] of all.entries()) {
          if ('event' in step) key.add({ ...step.event, tie: step.event.tie * 64 + i })
          else if ('clock' in step) key.advance(step.clock)
          else key.memories = key.memories.map((memory) => memory.moved())
          if (key.now > Number.NEGATIVE_INFINITY) key.check(key.now)
        }
      }),
    )
  })

  check('says the same of whole numbers to the last bit in any order of arrival', () => {
    fc.assert(
      fc.property(events, fc.infiniteStream(fc.nat()), (given, random) => {
        const rounded = given.map((each) => ({ ...each, values: wholeOf(each.values) }))
        const [one, other] = [new Key(), new Key()]
        for (const each of rounded) one.add(each)
        for (const each of shuffled(rounded, random)) other.add(each)
        const end = one.now
        for (const later of [0, span / 4, span / 2, span]) {
          for (const key of [one, other]) key.advance(end + later)
          expect(other.results(end + later)).toEqual(one.results(end + later))
        }
      }),
    )
  })

  check('changes no result before it said so, says so for a time still to come, and comes to an end', () => {
    fc.assert(
      fc.property(events, times, (given, clock) => {
        const key = new Key()
        for (const each of given) key.add(each)
        key.advance(clock)
        let { now } = key
        for (;;) {
          expect(now, 'a time when nothing is left to do').toBeLessThan(100 * span)
          const due = key.nextExpiry(now)
          expect(due).toBeGreaterThan(key.clock)
          const before = key.results(now)
          const until = Math.min(due, now + 10 * span)
          for (const time of [Math.floor((now + until) / 2), until - 1]) {
            if (time <= now || time >= due) continue
            key.advance(time)
            expect(key.results(time)).toEqual(before)
          }
          if (due === Number.POSITIVE_INFINITY) break
          key.advance(due)
          now = key.now
          key.check(now)
        }
      }),
    )
  })

  check('that is empty says what a new one says', () => {
    fc.assert(
      fc.property(events, times, (given, clock) => {
        const key = new Key()
        expect(key.isEmpty).toBe(true)
        for (const each of given) key.add(each)
        key.advance(clock)
        if (key.isEmpty) expect(key.results(key.now)).toEqual(new Key().results(key.now))
      }),
    )
  })

  check('takes rows of a writer that knew none of its columns', () => {
    const key = new Key()
    key.add({ time: 1, tie: 1, values: {} })
    key.check(1)
  })
  return checks
}

function wholeOf(values: OracleEvent['values']): OracleEvent['values'] {
  const whole = Object.entries(values).map(([id, value]) => [id, typeof value === 'number' ? Math.round(value) : value])
  return Object.fromEntries(whole)
}
