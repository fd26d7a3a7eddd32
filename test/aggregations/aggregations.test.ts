import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import type { Aggregation, FeatureSpec } from '../../src/core/model.ts'
import { loadPart, partNames } from '../../src/core/part.ts'
import { aggregationSuite } from '../../src/testing/aggregation.ts'
import type { DeclaredFeature } from '../../src/testing/declare.ts'
import { naiveResult } from '../../src/testing/oracle.ts'
import { aggregationNamed, declared, operatorNamed } from './declared.ts'

interface Given {
  readonly settings: readonly object[]
  readonly columns?: Record<string, string>
  /** The values are the aggregation's own. */
  readonly measures?: true
}

const THINGS = { lifecycle: 'id', opens: 'opens', closes: 'closes' }

/** Two settings of each aggregation, to be declared together; those of a new aggregation stand here too. */
const SETTINGS: Readonly<Record<string, Given>> = {
  last: { settings: [{ last: 3 }, { last: 7 }] },
  window: { settings: [{ window: '10ms' }, { window: '25ms' }] },
  lifecycle: {
    settings: [10, 25].map((ms) => ({ ...THINGS, maxAge: `${ms}ms` })),
    columns: THINGS,
  },
  lifetime: { settings: [{ lifetime: true }] },
  tumbling: { settings: [{ tumbling: '10ms' }, { tumbling: '25ms', offset: '7ms', allowance: '12ms' }] },
}
/** Other ways of an aggregation, which remember otherwise. */
const VARIANTS: Readonly<Record<string, readonly (Given & { readonly way: string })[]>> = {
  lifecycle: [
    {
      way: 'with ages',
      settings: [
        { ...THINGS, maxAge: '25ms', measure: 'age', every: '7ms' },
        { ...THINGS, maxAge: '10ms', measure: 'age', every: '3ms' },
      ],
      columns: THINGS,
      measures: true,
    },
    {
      way: 'with durations',
      settings: [10, 25].map((ms) => ({ ...THINGS, maxAge: `${ms}ms`, measure: 'duration' })),
      columns: THINGS,
      measures: true,
    },
  ],
  window: [
    {
      way: 'with a resolution',
      settings: [
        { window: '10ms', resolution: '5ms' },
        { window: '40ms', resolution: '1ms' },
      ],
    },
  ],
}
const SELECTED: readonly Record<string, string>[] = [{}, { when: 'w' }, { of: 'v' }, { of: 'v', when: 'w' }]
const TEXTS: readonly Record<string, string>[] = [{ of: 't' }, { of: 't', when: 'w' }]

/** Settings of the operators that need some, or whose own would be too long for these memories. */
const OPERATOR_SETTINGS: Readonly<Record<string, readonly object[]>> = {
  percentile: [{ percentile: 90 }, { percentile: 20 }],
  top: [{ top: 2 }, { top: 1 }],
  ewma: [{ ewma: '5ms' }, { ewma: '8ms' }],
  rate: [{}, { rate: '1m' }],
  spectral: [
    { spectral: '1ms', points: 8 },
    { spectral: '1ms', points: 16, between: ['2ms', '8ms'] },
  ],
}

for (const name of partNames('aggregations')) {
  const given = SETTINGS[name]
  if (!given) throw new Error(`test/aggregations/aggregations.test.ts has no settings for ${name}`)
  const part = await loadPart<unknown, Aggregation>('aggregations', name)
  const { memory } = await aggregationNamed(name)
  for (const { way, settings: ways, columns, measures } of [{ way: '', ...given }, ...(VARIANTS[name] ?? [])])
    for (const as of partNames('operators')) {
      const kinds = OPERATOR_SETTINGS[as] ?? [{}]
      const { over, takes, ...operator } = await operatorNamed(as, kinds[0])
      if (over && !over.memories.includes(memory)) continue
      const features: DeclaredFeature[] = []
      const declare = (settings: object, selected: Record<string, string>, values: FeatureSpec['values']) => {
        for (const of of kinds) {
          const feature = `${as}_${features.length}_${Object.values(selected).join('')}`
          features.push({ name: feature, settings, as, with: of, columns: { ...columns, ...selected }, values })
        }
      }
      for (const settings of ways) {
        for (const selected of measures
          ? SELECTED.slice(0, 2)
          : operator.of === 'optional'
            ? SELECTED
            : SELECTED.slice(2))
          declare(settings, selected, 'number')
        if (takes === 'given' && !measures) for (const selected of TEXTS) declare(settings, selected, 'text')
      }
      await aggregationSuite({ name: `${name} ${way} as ${as}`, part, features, naive: naiveResult, span: 80 })
    }

  describe(`${name}: its page`, () => {
    it('has an example whose settings are right', async () => {
      const { config, example } = await loadPart<unknown, unknown>('aggregations', name)
      const [feature] = Object.values(parse(example) as Record<string, Record<string, unknown>>)
      const { when, of, as, default: fallback, description, ...settings } = feature ?? {}
      expect(partNames('operators')).toContain(as)
      expect(config.safeParse(settings).error).toBeUndefined()
      expect(config.safeParse({ ...settings, other: 1 }).success).toBe(false)
    })
  })
}

describe('operators of one aggregation', () => {
  it.each(partNames('aggregations').filter((name) => name !== 'lifetime' && name !== 'tumbling'))(
    '%s: share memory over the same values',
    async (name) => {
      const given = SETTINGS[name] as (typeof SETTINGS)[string]
      const columns = { ...given.columns, of: 'v' }
      const features = await Promise.all(
        ['mean', 'variance', 'max'].map((as) => declared(as, name, given.settings[0] as object, as, columns)),
      )
      const slots = (await aggregationNamed<unknown>(name)).slots(features)
      expect(slots.map((slot) => slot.features)).toEqual([['mean', 'variance', 'max']])
    },
  )

  it.each(partNames('aggregations'))('%s: percentiles of different ranks share memory', async (name) => {
    const given = SETTINGS[name] as (typeof SETTINGS)[string]
    const columns = { ...given.columns, of: 'v' }
    const features = await Promise.all(
      [50, 95].map((percentile) =>
        declared(`p${percentile}`, name, given.settings[0] as object, 'percentile', columns, { of: { percentile } }),
      ),
    )
    const slots = (await aggregationNamed<unknown>(name)).slots(features)
    expect(slots.map((slot) => slot.features)).toEqual([['p50', 'p95']])
  })
})
