import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { EntityCatalog } from '../../src/api/catalog.ts'
import { type Known, render, renderList, valuesText } from '../../src/api/render.ts'
import { choose, publishedName, views } from '../../src/api/view.ts'
import { featureJson } from '../../src/core/feature-json.ts'
import type { FeatureRecord, FeatureValue, Millis } from '../../src/core/model.ts'

const number = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
  fc.constantFrom(-0, 2 ** 53, -(2 ** 53)),
)
const text = fc.string({ unit: 'binary', maxLength: 80 })
const value: fc.Arbitrary<FeatureValue> = fc.oneof(
  number,
  text,
  fc.array(number, { maxLength: 40 }),
  fc.array(text, { maxLength: 3 }),
  fc.constant(null),
)
const name = fc.string({ unit: 'binary', minLength: 1, maxLength: 12 })
const features = fc.uniqueArray(fc.record({ name, default: value }), { selector: ({ name }) => name, maxLength: 6 })
const time = fc.oneof(
  fc.integer({ min: Date.UTC(1960, 0), max: Date.UTC(2100, 0) }),
  fc.double({ min: 0, max: Date.UTC(2100, 0), noNaN: true }),
  fc.constantFrom(0, -1, -86_400_000, 8.64e15, 8.64e15 + 1, -8.64e15, Number.MAX_VALUE),
)
const entity = fc
  .record({
    entity: name,
    topologies: fc.uniqueArray(fc.record({ topology: name, features }), {
      selector: ({ topology }) => topology,
      maxLength: 3,
    }),
  })
  .chain(({ entity, topologies }) =>
    fc.record({
      catalog: fc.constant<EntityCatalog>({
        entity,
        topologies: topologies.map(({ topology, features }) => ({
          topology,
          namespace: () => topology,
          features: features.map((each) => ({ ...each, type: 'double' as const })),
        })),
      }),
      known: fc.array(fc.tuple(name, fc.tuple(...topologies.map(({ features }) => recordOf(features)))), {
        maxLength: 5,
      }),
    }),
  )

function recordOf(features: readonly { readonly name: string }[]): fc.Arbitrary<FeatureRecord | undefined> {
  const values = fc.tuple(...features.map(() => value))
  return fc.option(
    fc.record({ at: time, values }).map(({ at, values }) => ({
      at,
      version: { generation: 0, epoch: 0, step: 0 },
      values: Object.fromEntries(
        features.flatMap(({ name }, i) => (values[i] === null ? [] : [[name, values[i] as NonNullable<FeatureValue>]])),
      ),
    })),
    { nil: undefined },
  )
}

/** What is answered, said the plain way. */
function plain(
  catalog: EntityCatalog,
  id: string,
  records: readonly (FeatureRecord | undefined)[],
  names: readonly string[] | undefined,
  now: Millis,
  maxAge: Millis,
) {
  const taken = new Set<string>()
  const features = catalog.topologies.flatMap(({ topology, features }, t) =>
    features.flatMap(({ name, default: otherwise }) => {
      const published = publishedName(topology, name, taken)
      taken.add(published)
      if (names && !names.includes(published)) return []
      const record = records[t]
      const age = record && Math.max(0, now - record.at)
      const isStale = age !== undefined && age > maxAge
      const value = isStale || !record || !Object.hasOwn(record.values, name) ? otherwise : record.values[name]
      const asOf = record && Math.abs(record.at) <= 8.64e15 ? new Date(record.at).toISOString() : null
      return [
        [
          published,
          { value, asOf, age: age === undefined ? null : age / 1000, ...(isStale && { stale: true }), topology },
        ] as const,
      ]
    }),
  )
  const kept = catalog.topologies.map((_, t) => t).filter((t) => !names || isChosen(catalog, t, names))
  return {
    entity: catalog.entity,
    id,
    found: kept.some((t) => records[t]),
    features: JSON.parse(JSON.stringify(Object.fromEntries(features))),
  }
}

function isChosen(catalog: EntityCatalog, place: number, names: readonly string[]): boolean {
  const taken = new Set<string>()
  return catalog.topologies
    .map(({ topology, features }) =>
      features.some(({ name }) => {
        const published = publishedName(topology, name, taken)
        taken.add(published)
        return names.includes(published)
      }),
    )
    .at(place) as boolean
}

test('answers of any entities are what JSON.stringify says, one by one and as a list', () => {
  fc.assert(
    fc.property(
      entity,
      time.filter((at) => at < 8.64e15),
      fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.nat()),
      fc.func(fc.boolean()),
      fc.boolean(),
      ({ catalog, known }, now, maxAge, picks, isChoice) => {
        const whole = views(() => [catalog])(catalog.entity)
        const published = whole.topologies.flatMap(({ features }) => features.map(({ published }) => published))
        const names = isChoice ? published.filter((each) => picks(each)) : undefined
        const view = choose(whole, names)
        const found = known.map(
          ([, records]): Known =>
            view.topologies.map(({ topology, fields }) => {
              const record = records[catalog.topologies.findIndex((each) => each.topology === topology)]
              return record && featureJson(record, fields)
            }),
        )
        const expected = known.map(([id, records]) => plain(catalog, id, records, names, now, maxAge))
        const asked = known.map(([id]) => ({ view, id }))
        expect(asked.map(({ id }, i) => JSON.parse(render(view, id, found[i] as Known, now, maxAge)))).toEqual(expected)
        const list = renderList('{"before":"ü","results":', asked, found, now, maxAge)
        expect(JSON.parse(list.toString())).toEqual({ before: 'ü', results: expected })
      },
    ),
  )
})

test('texts of values tell apart what is not known and what is the default, and no more than values', () => {
  const catalog: EntityCatalog = {
    entity: 'store',
    topologies: [{ topology: 'load', namespace: () => 'load', features: [{ name: 'n', type: 'long', default: 0 }] }],
  }
  const view = views(() => [catalog])('store')
  const of = (at: Millis, n: number) => [
    featureJson({ at, version: { generation: 0, epoch: 0, step: 0 }, values: { n } }, ['n']),
  ]
  expect(valuesText(view, of(1, 7))).toBe(valuesText(view, of(2, 7)))
  expect(new Set([of(1, 7), of(1, 8), of(1, 0), [undefined]].map((known) => valuesText(view, known))).size).toBe(4)
})
