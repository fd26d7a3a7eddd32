/**
 * What every feature store must hold to: the same suite runs on LMDB and on a real Redis. For a store of your own, call
 * `featureStoreSuite` from a vitest file. Namespaces are unique, so that it may run on a store that others use.
 */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Emission, FeatureJson, FeatureStore, FeatureValue, FeatureWrite, Version } from '../core/model.ts'

/** A feature store that is open, and what the suite may do to it. */
export interface FeatureStoreUnderTest {
  readonly store: FeatureStore
  /** Another handle on the same data, as a reader or another worker has. Closed by the suite. */
  another(): Promise<FeatureStore>
  /** Called once, after the last test. */
  close(): Promise<void>
}

/** What the suite of a feature store needs. */
export interface FeatureStoreSuite {
  readonly name: string
  /** Called once, before the first test. */
  open(): Promise<FeatureStoreUnderTest>
}

type Values = readonly FeatureValue[] | null

const TASK = 'reduce/suite@1/0'
const NAMES = ['count', 'mean']
const version = (generation: number, epoch: number, step: number): Version => ({ generation, epoch, step })

/** Neighbours of what a double can hold, and of where its text changes form. */
const DOUBLES = [
  ...[0, -0, 1, -1, 0.1, 0.1 + 0.2, 1 / 3, -1.5e-7, 1e-6, 1e-7, 1e15, 1e20, 1e21, 1e22, 123456789012345680000],
  ...[Number.MAX_VALUE, -Number.MAX_VALUE, Number.MIN_VALUE, 2.2250738585072014e-308, Number.EPSILON],
  ...[Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER, 2 ** 53 + 2, 99999999999999.98, 100000000000000.02],
]

/** Texts that could be taken for something else. */
const TEXTS = ['', '12', '-0', 'null', '"quoted"', '[1]', 'a\nb\\', '\0', '東京 🚲', 'x'.repeat(256)]

/** Declares the suite; call it at the top of a vitest file. */
export function featureStoreSuite(suite: FeatureStoreSuite): void {
  describe(`feature store ${suite.name}`, () => {
    let under: FeatureStoreUnderTest
    let store: FeatureStore
    beforeAll(async () => {
      under = await suite.open()
      store = under.store
    })
    afterAll(() => under.close())

    const newTopology = () => `suite-${randomUUID().slice(0, 8)}`

    /** Says things of entities in a namespace of its own. */
    function speaker(task = TASK, namespace = `${newTopology()}@5d1f`) {
      const compose = (at: Version, entities: Record<string, Values>, said?: Version, names = NAMES): FeatureWrite => {
        const emissions = Object.entries(entities).map(
          ([key, values], i): Emission => ({ key, at: at.step * 10, values, cause: `${i}` }),
        )
        return { namespace, names, batch: { task, version: at, upto: 1, said, emissions } }
      }
      return {
        namespace,
        compose,
        say: (at: Version, entities: Record<string, Values>, said?: Version) =>
          store.write(compose(at, entities, said)),
        values: async (...ids: string[]) => (await store.read(namespace, ids)).map((record) => record?.values),
        mark: () => store.mark(namespace, task),
      }
    }

    describe('a record', () => {
      it('is undefined for an entity nothing was said of', async () => {
        const { namespace } = speaker()
        expect(await store.read(namespace, ['none', 'nobody'])).toEqual([undefined, undefined])
        expect(await store.read(namespace, [])).toEqual([])
      })

      it('holds values, their as-of time and version, in the order asked', async () => {
        const { namespace, say } = speaker()
        expect(await say(version(1, 2, 3), { a: [1, 2.5], b: [0, null] })).toBe('written')
        const a = { at: 30, version: version(1, 2, 3), values: { count: 1, mean: 2.5 } }
        const b = { at: 30, version: version(1, 2, 3), values: { count: 0 } }
        expect(await store.read(namespace, ['b', 'none', 'a', 'b'])).toEqual([b, undefined, a, b])
      })

      it('is seen through another handle', async () => {
        const { namespace, say } = speaker()
        await say(version(1, 1, 1), { a: [1, 2] })
        const reader = await under.another()
        try {
          expect((await reader.read(namespace, ['a']))[0]?.values).toEqual({ count: 1, mean: 2 })
          await say(version(1, 1, 2), { a: [3, 4] })
          expect((await reader.read(namespace, ['a']))[0]?.values).toEqual({ count: 3, mean: 4 })
        } finally {
          await reader.close()
        }
      })

      it('gives every double back exactly', async () => {
        const { namespace, compose } = speaker()
        const names = DOUBLES.map((_, i) => `f${i}`)
        await store.write(compose(version(1, 1, 1), { a: DOUBLES }, undefined, names))
        const [record] = await store.read(namespace, ['a'])
        const found = names.map((name) => record?.values[name])
        expect(found.map((value, i) => Object.is(value, DOUBLES[i]))).toEqual(DOUBLES.map(() => true))
      })

      it('leaves out what is not finite', async () => {
        const { say, values } = speaker()
        await say(version(1, 1, 1), { a: [Number.POSITIVE_INFINITY, 1], b: [Number.NaN, 1], c: [[1, Number.NaN], 1] })
        expect(await values('a', 'b', 'c')).toEqual([{ mean: 1 }, { mean: 1 }, { mean: 1 }])
      })

      it('gives texts and lists back as they were', async () => {
        const { namespace, compose } = speaker()
        const given: FeatureValue[] = [
          ...TEXTS,
          TEXTS,
          [],
          [''],
          [1, 0.1 + 0.2, -1e21],
          DOUBLES.filter((each) => each !== 0),
        ]
        const names = given.map((_, i) => `f${i}`)
        await store.write(compose(version(1, 1, 1), { a: given, b: given.toReversed() }, undefined, names))
        const records = await store.read(namespace, ['a', 'b'])
        const found = records.map((record) => names.map((name) => record?.values[name]))
        expect(found).toEqual([given, given.toReversed()])
      })

      it('takes a text for a number and a number for a list when it is said anew', async () => {
        const { say, values } = speaker()
        await say(version(1, 1, 1), { a: [1, [2, 3]] })
        await say(version(1, 1, 2), { a: ['one', 2.5] })
        expect(await values('a')).toEqual([{ count: 'one', mean: 2.5 }])
      })

      it('may belong to an id of any text', async () => {
        const { namespace, say, values } = speaker()
        const ids = [
          'a',
          'a:b',
          'a\0b',
          '{a}',
          '東京',
          '🚲',
          ' ',
          '__proto__x',
          'x'.repeat(3000),
          `${'x'.repeat(3000)}y`,
        ]
        await say(version(1, 1, 1), Object.fromEntries(ids.map((id, i) => [id, [i, null]])))
        expect(await values(...ids)).toEqual(ids.map((_, count) => ({ count })))
        expect(await store.read(`${namespace}0`, ids)).toEqual(ids.map(() => undefined))
      })

      it('is read as JSON of the features asked for, in their order, with none where it is null', async () => {
        const { namespace, compose } = speaker()
        const said = [...DOUBLES, ...TEXTS, TEXTS, [], DOUBLES, null]
        const names = said.map((_, i) => (i % 3 === 0 ? `gemessen für ${i}` : `f${i}`))
        const entities = { a: said, b: said.toReversed(), c: null, d: said.map(() => null) }
        await store.write(compose(version(1, 1, 1), entities, undefined, names))
        const asked = ['none', ...names.slice(2).toReversed(), names[1] as string]
        const ids = ['b', 'a', 'nobody', 'c', 'd', 'a']
        const found = await store.readJson(namespace, ids, asked)
        const records = await store.read(namespace, ids)
        expect(await store.readJson(namespace, [], asked)).toEqual([])
        expect(found.map((json) => json?.at)).toEqual(records.map((record) => record?.at))
        const textOf = ({ bytes, spans }: FeatureJson, place: number) =>
          Buffer.from(bytes.subarray(spans[2 * place], spans[2 * place + 1])).toString()
        expect(found.map((json) => json && asked.map((_, place) => textOf(json, place)))).toEqual(
          records.map((record) => record && asked.map((name) => JSON.stringify(record.values[name]) ?? '')),
        )
      })

      it('is one of many written and read at once', async () => {
        const { namespace, say } = speaker()
        const ids = Array.from({ length: 3000 }, (_, i) => `entity ${i}`)
        await say(version(1, 1, 1), Object.fromEntries(ids.map((id, i) => [id, [i, i / 3]])))
        const records = await store.read(namespace, ids)
        expect(records.map((record) => record?.values)).toEqual(ids.map((_, i) => ({ count: i, mean: i / 3 })))
      })
    })

    describe('a version', () => {
      const ORDER: readonly Version[] = [
        ...[version(0, 0, 0), version(0, 0, 9), version(0, 0, 10), version(0, 1, 0), version(0, 9, 5)],
        ...[version(0, 10, 4), version(0, 1.7e12, 4), version(0, 1.7e12 + 1, 3), version(2, 1, 1), version(10, 0, 0)],
        ...[version(10, 2 ** 53 - 2, 7), version(10, 2 ** 53 - 1, 6), version(1.8e12, 0, 2 ** 53 - 1)],
      ]

      it('that is higher replaces, by generation, then epoch, then step, as numbers', async () => {
        const { namespace, say } = speaker()
        for (const [i, newer] of ORDER.entries()) {
          await say(newer, { a: [i, null] })
          const [record] = await store.read(namespace, ['a'])
          expect(record).toMatchObject({ version: newer, values: { count: i } })
        }
      })

      it('that is lower changes nothing', async () => {
        for (const [i, newer] of ORDER.entries()) {
          if (i === 0) continue
          const { say, values, mark } = speaker()
          await say(newer, { a: [1, null] })
          expect(await say(ORDER[i - 1] as Version, { a: [2, 2] })).toBe('written')
          expect(await values('a')).toEqual([{ count: 1 }])
          expect(await mark()).toEqual(newer)
        }
      })

      it('is compared entity by entity: of an old batch, what nobody has said anything newer of is written', async () => {
        const { say, values } = speaker()
        await say(version(1, 2, 1), { a: [1, 1] })
        await say(version(1, 1, 7), { a: [0, 0], b: [0, 0] })
        expect(await values('a', 'b')).toEqual([
          { count: 1, mean: 1 },
          { count: 0, mean: 0 },
        ])
      })

      it('that is equal rewrites: the same batch twice changes nothing', async () => {
        const { namespace, say } = speaker()
        const again = () => say(version(1, 1, 1), { a: [1, null], b: null, c: [2, 3] })
        await again()
        const first = await store.read(namespace, ['a', 'b', 'c'])
        await again()
        expect(await store.read(namespace, ['a', 'b', 'c'])).toEqual(first)
      })

      it('takes away the features it does not name or says are null', async () => {
        const { namespace, compose, say, values } = speaker()
        await say(version(1, 1, 1), { a: [1, 2] })
        await say(version(1, 1, 2), { a: [null, 3] })
        expect(await values('a')).toEqual([{ mean: 3 }])
        await store.write(compose(version(1, 1, 3), { a: [4] }, undefined, ['other']))
        expect((await store.read(namespace, ['a']))[0]?.values).toEqual({ other: 4 })
        await say(version(1, 1, 4), { a: [null, null] })
        expect(await values('a')).toEqual([{}])
      })
    })

    describe('a forgotten entity', () => {
      it('is undefined, and stays so for an old worker', async () => {
        const { say, values } = speaker()
        await say(version(1, 1, 1), { a: [1, 1] })
        await say(version(1, 2, 1), { a: null })
        expect(await values('a')).toEqual([undefined])
        await say(version(1, 1, 9), { a: [2, 2] })
        expect(await values('a')).toEqual([undefined])
      })

      it('comes back with the next that is said of it', async () => {
        const { say, values } = speaker()
        await say(version(1, 1, 1), { a: null })
        await say(version(1, 1, 2), { a: [2, null] })
        expect(await values('a')).toEqual([{ count: 2 }])
      })

      it('is not forgotten by an old worker', async () => {
        const { say, values } = speaker()
        await say(version(1, 2, 1), { a: [1, null] })
        await say(version(1, 1, 9), { a: null })
        expect(await values('a')).toEqual([{ count: 1 }])
      })
    })

    describe('a mark', () => {
      it('is the highest version its task wrote, kept by namespace and task', async () => {
        const { namespace, say, mark } = speaker()
        expect(await mark()).toBeUndefined()
        await say(version(1, 2, 3), { a: [1, 1] })
        expect(await mark()).toEqual(version(1, 2, 3))
        await say(version(1, 1, 9), { a: [1, 1] })
        expect(await mark()).toEqual(version(1, 2, 3))
        await say(version(1, 2, 10), {})
        expect(await mark()).toEqual(version(1, 2, 10))
        expect(await store.mark(namespace, `${TASK}0`)).toBeUndefined()
        expect(await store.mark(`${namespace}0`, TASK)).toBeUndefined()
      })

      it('that is missing though something was said answers behind, and nothing is written', async () => {
        const { say, values, mark } = speaker()
        expect(await say(version(1, 1, 2), { a: [1, 1], b: null }, version(1, 1, 1))).toBe('behind')
        expect(await values('a')).toEqual([undefined])
        expect(await mark()).toBeUndefined()
      })

      it('that is older than what was said answers behind, and nothing is written', async () => {
        const { say, values, mark } = speaker()
        await say(version(1, 9, 9), { a: [1, null] })
        expect(await say(version(1, 10, 2), { a: [2, 2], b: [2, 2] }, version(1, 10, 1))).toBe('behind')
        expect(await values('a', 'b')).toEqual([{ count: 1 }, undefined])
        expect(await mark()).toEqual(version(1, 9, 9))
      })

      it('as new as what was said, or newer after a doubtful write, lets the batch in', async () => {
        const { say, values } = speaker()
        await say(version(1, 1, 1), { a: [1, null] })
        expect(await say(version(1, 1, 2), { a: [2, null] }, version(1, 1, 1))).toBe('written')
        expect(await say(version(1, 1, 2), { a: [2, null] }, version(1, 1, 1))).toBe('written')
        expect(await values('a')).toEqual([{ count: 2 }])
      })

      it('stays where it is while everything is said again in pages, and moves with the last of them', async () => {
        const { compose, say, values, mark } = speaker()
        const said = version(1, 5, 5)
        const page = (step: number, id: string) => {
          const whole = compose(version(1, 5, step), { [id]: [step, null] })
          return store.write({ ...whole, batch: { ...whole.batch, partial: true } })
        }
        expect(await say(version(1, 5, 6), { a: [6, null] }, said)).toBe('behind')
        expect(await page(7, 'a')).toBe('written')
        expect(await mark()).toBeUndefined()
        expect(await say(version(1, 5, 8), { a: [8, null] }, said)).toBe('behind')
        expect(await page(9, 'b')).toBe('written')
        expect(await say(version(1, 5, 10), {})).toBe('written')
        expect(await mark()).toEqual(version(1, 5, 10))
        expect(await say(version(1, 5, 11), { a: [11, null] }, version(1, 5, 10))).toBe('written')
        expect(await values('a', 'b')).toEqual([{ count: 11 }, { count: 9 }])
      })

      it('and newer values stand against an old worker that says everything again', async () => {
        const { say, values, mark } = speaker()
        await say(version(1, 2, 1), { a: [1, null] })
        expect(await say(version(1, 1, 9), { a: [0, 0], b: [0, null] })).toBe('written')
        expect(await values('a', 'b')).toEqual([{ count: 1 }, { count: 0 }])
        expect(await mark()).toEqual(version(1, 2, 1))
      })
    })

    describe('a namespace that is forgotten', () => {
      it('has no values and no marks, its alias is gone, and others are left alone', async () => {
        const topology = newTopology()
        const [gone, stays, near] = [`${topology}@a`, `${topology}@b`, `${topology}@a1`] as const
        const ids = Array.from({ length: 2_500 }, (_, i) => `id ${i}*`)
        const write = (namespace: string, keys: readonly string[]) => {
          const emissions = keys.map((key) => ({ key, at: 1, values: [1, 2], cause: 'p1' }))
          const batch = { task: TASK, version: version(1, 1, 1), upto: 1, said: undefined, emissions }
          return store.write({ namespace, names: NAMES, batch })
        }
        for (const namespace of [gone, stays, near]) await write(namespace, namespace === gone ? ids : ['id 1*'])
        await store.moveAlias(topology, gone, 1)
        await store.forget(gone)
        expect((await store.read(gone, ids)).filter(Boolean)).toEqual([])
        expect(await store.mark(gone, TASK)).toBeUndefined()
        expect(await store.alias(topology)).toBeUndefined()
        for (const namespace of [stays, near]) {
          expect((await store.read(namespace, ['id 1*']))[0]?.values).toEqual({ count: 1, mean: 2 })
          expect(await store.mark(namespace, TASK)).toEqual(version(1, 1, 1))
        }
        await store.moveAlias(topology, stays, 1)
        await store.forget(gone)
        expect(await store.alias(topology)).toBe(stays)
      })
    })

    describe('an alias', () => {
      it('moves only to a higher generation', async () => {
        const topology = newTopology()
        expect(await store.alias(topology)).toBeUndefined()
        await store.moveAlias(topology, `${topology}@a`, 9)
        await store.moveAlias(topology, `${topology}@b`, 10)
        expect(await store.alias(topology)).toBe(`${topology}@b`)
        await store.moveAlias(topology, `${topology}@a`, 9)
        await store.moveAlias(topology, `${topology}@c`, 10)
        expect(await store.alias(topology)).toBe(`${topology}@b`)
        await store.moveAlias(topology, `${topology}@d`, 1.8e12)
        expect(await store.alias(topology)).toBe(`${topology}@d`)
        expect(await store.alias(`${topology}0`)).toBeUndefined()
      })

      it('may start at generation 0', async () => {
        const topology = newTopology()
        await store.moveAlias(topology, `${topology}@a`, 0)
        expect(await store.alias(topology)).toBe(`${topology}@a`)
      })
    })
  })
}
