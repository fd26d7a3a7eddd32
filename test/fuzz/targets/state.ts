import type { Aggregation, Column, FeatureSpec, FeatureValue, Reducer, Rows } from '../../../src/core/model.ts'
import { partNames } from '../../../src/core/part.ts'
import { isOfType, storable } from '../../../src/core/values.ts'
import { featureReducer } from '../../../src/features/reducer.ts'
import { aggregationNamed, declared } from '../../aggregations/declared.ts'
import { within } from '../allocations.ts'
import { type Chance, mutated } from '../chance.ts'
import type { Target } from '../target.ts'

/** Settings of aggregations, each with the columns of its own. */
const AGGREGATIONS: Readonly<Record<string, readonly (readonly [object, Readonly<Record<string, string>>])[]>> = {
  window: [
    [{ window: '1h' }, {}],
    [{ window: '1h', resolution: '1m' }, {}],
  ],
  tumbling: [[{ tumbling: '10m', allowance: '5m' }, {}]],
  last: [[{ last: 20 }, {}]],
  lifetime: [[{ lifetime: true }, {}]],
  lifecycle: [
    [
      { lifecycle: 'id', opens: 'opens', closes: 'closes', maxAge: '1h' },
      { lifecycle: 'id', opens: 'a', closes: 'b' },
    ],
    [
      { lifecycle: 'id', opens: 'opens', closes: 'closes', maxAge: '1h', measure: 'duration' },
      { lifecycle: 'id', opens: 'a', closes: 'b' },
    ],
  ],
}
const SETTINGS: Readonly<Record<string, object>> = {
  percentile: { percentile: 95 },
  top: { top: 3 },
  ewma: { ewma: '10m' },
  spectral: { spectral: '1m', points: 8 },
}
const INPUTS = 20
const START = 1_700_000_000_000
/** Items that a key may ask for beside those of its bytes: registers, blocks and tables of fixed size. */
const FIXED = 200_000
const PER_BYTE = 40

const target: Target = {
  about:
    'the state of a key, in every aggregation and operator, mutated: refused as a RangeError, or values of the same types, soon',
  slice: 3_000,
  async open() {
    const features = await allFeatures()
    return {
      try(chance, { input, outcome }) {
        const { name, spec, aggregation } = chance.pick(features)
        const reducer = featureReducer(aggregation.slots([spec]), [spec.name], [null])([])
        const many = chance.odds(0.05) ? 1_200 : chance.int(40)
        const state = reducer.create()
        applied(reducer, state, rows(chance, many, spec))
        const { main, segments } = reducer.encode(state)
        for (let i = 0; i < INPUTS; i++) {
          const isWhole = segments.length > 0 && chance.odds(0.7)
          const harmed = isWhole ? chance.int(segments.length) : -1
          const bytes = isWhole ? Buffer.from(main) : mutated(chance, main)
          const parts = new Map(
            segments.map(([key, part], at) => [key, at === harmed ? mutated(chance, part as Uint8Array) : part]),
          )
          const part = segments[harmed] && parts.get(segments[harmed][0])
          input(
            () =>
              `${name}: ${bytes.toString('base64')}${part ? ` segment ${Buffer.from(part).toString('base64')}` : ''}`,
          )
          const size = bytes.length + (part?.length ?? 0) + 100 * many
          try {
            within(FIXED + PER_BYTE * size, () => live(chance, reducer, bytes, parts, spec))
            outcome('used')
          } catch (error) {
            if (!(error instanceof Refused)) throw error
            outcome('refused')
          }
        }
      },
    }
  },
}
export default target

/** What the engine turns into a clear stop. */
class Refused extends Error {}

interface Declared {
  readonly name: string
  readonly spec: FeatureSpec
  readonly aggregation: Aggregation
}

/** Every operator over every aggregation and, where it takes them, over texts. */
async function allFeatures(): Promise<Declared[]> {
  const found: Declared[] = []
  for (const kind of partNames('aggregations')) {
    const aggregation = await aggregationNamed(kind)
    for (const [settings, columns] of AGGREGATIONS[kind] ?? [])
      for (const as of partNames('operators'))
        for (const values of ['number', 'text'] as const) {
          const of = SETTINGS[as] ?? {}
          const measured = 'measure' in settings
          const given = measured ? columns : { ...columns, of: 'v' }
          const spec = await declared(as, kind, settings, as, given, { values: measured ? 'number' : values, of })
          const { takes, over } = spec.operator
          if (over && !over.memories.includes(aggregation.memory)) continue
          if (values === 'text' && (takes !== 'given' || measured)) continue
          found.push({ name: `${as} of ${values} over ${JSON.stringify(settings)}`, spec, aggregation })
        }
  }
  return found
}

function rows(chance: Chance, length: number, { values }: FeatureSpec): Rows {
  const time = () => START + chance.int(90) * 60_000 + chance.int(3)
  const texts = (most: number) => Array.from({ length }, () => (chance.odds(0.1) ? null : `id${chance.int(most)}`))
  const flags = () => Uint8Array.from({ length }, () => chance.int(2))
  const v: Column = values === 'text' ? texts(9) : Float64Array.from({ length }, () => chance.number() + 0)
  return {
    length,
    position: Float64Array.from({ length }, (_, i) => i),
    time: Float64Array.from({ length }, time),
    tie: Float64Array.from({ length }, (_, i) => i),
    keys: ['k'],
    keyOf: new Uint16Array(length),
    columns: new Map<string, Column>([
      ['v', v],
      ['id', texts(2_000)],
      ['a', flags()],
      ['b', flags()],
    ]),
  }
}

function applied(reducer: Reducer, state: unknown, rows: Rows): void {
  const add = reducer.apply(rows)
  for (let row = 0; row < rows.length; row++) add(state, row, START)
}

/** Reads the state and lives on with it, as a reducer does: more events, results, forgetting, another commit and another reader. */
function live(
  chance: Chance,
  reducer: Reducer,
  bytes: Uint8Array,
  parts: ReadonlyMap<string, Uint8Array | null>,
  spec: FeatureSpec,
): void {
  const state = decoded(reducer, bytes, parts)
  let now = START + 3_600_000
  reducer.expire(state, now)
  check(reducer.evaluate(state, now), spec)
  applied(reducer, state, rows(chance, 5, spec))
  for (let step = 0; step < 3; step++) {
    const due = reducer.nextDue(state, now)
    if (!(due > now)) throw new Error(`due at ${due}, which is not after ${now}`)
    now = Math.min(due, now + 3_600_000)
    reducer.expire(state, now)
    check(reducer.evaluate(state, now), spec)
  }
  const { main, segments } = reducer.encode(state)
  const kept = new Map(parts)
  for (const [name, part] of segments) kept.set(name, part)
  check(reducer.evaluate(again(reducer, main, kept), now), spec)
}

function decoded(reducer: Reducer, bytes: Uint8Array, parts: ReadonlyMap<string, Uint8Array | null>): unknown {
  try {
    return again(reducer, bytes, parts)
  } catch (error) {
    if (error instanceof RangeError) throw new Refused()
    throw error
  }
}

function again(reducer: Reducer, bytes: Uint8Array, parts: ReadonlyMap<string, Uint8Array | null>): unknown {
  const state = reducer.decode(bytes)
  for (const name of reducer.missing(state)) {
    const part = parts.get(name)
    if (!part) throw new Refused()
    reducer.attach(state, name, part)
  }
  return state
}

function check([value = null]: readonly FeatureValue[], { operator, values }: FeatureSpec): void {
  const { type } = operator
  const scalar = values === 'text' ? 'string' : 'double'
  const wanted = type === 'same' ? scalar : type === 'list' ? (`list of ${scalar}` as const) : type
  // what cannot be stored is null to whoever reads it
  if (value === null || storable(value) === undefined || isOfType(value, wanted)) return
  throw new Error(`a ${wanted} is ${JSON.stringify(value)}`)
}
