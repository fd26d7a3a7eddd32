/** The topologies of the simulated worlds: the aggregations and operators that come with Millrace, over events in JSON. */
import { RecordError } from '../../src/core/errors.ts'
import { hash53 } from '../../src/core/key.ts'
import type { Aggregation, Decoder, Event, FeatureFlow, FeatureSpec, RowPlan, Slot } from '../../src/core/model.ts'
import { loadPart } from '../../src/core/part.ts'
import { featureReducer } from '../../src/features/reducer.ts'
import { type DeclaredFeature, declareFeature, openAggregation } from '../../src/testing/declare.ts'
import { CHAIN_SLOT } from './chain.ts'

export interface TestEvent {
  readonly id: string
  readonly key: string
  readonly at: number
  readonly value: number
  readonly thing: string
  readonly kind: 'open' | 'close' | 'other'
  /** Where it was first written: topic, incarnation and partition. */
  readonly from: string
  /** Where code of one's own fails at it. */
  readonly fails?: 'make' | 'apply' | 'evaluate'
  /** Looked up in a table, of what a transform made. */
  readonly price?: number | null
}

export const WINDOW = 8_000
export const FORGET_AFTER = 30_000

type Declared = DeclaredFeature & { readonly in: string }
const THING = { lifecycle: 'thing', opens: 'opens', closes: 'closes' }

/** What is forgotten at some time, so that keys come and go. */
const PASSING: readonly Declared[] = [
  { in: 'window', name: 'count', settings: { window: `${WINDOW}ms` }, as: 'count' },
  { in: 'window', name: 'sum', settings: { window: '20s' }, as: 'sum', columns: { of: 'value' } },
  {
    in: 'window',
    name: 'coarse',
    settings: { window: '20s', resolution: '1s' },
    as: 'sum',
    columns: { of: 'value' },
  },
  { in: 'window', name: 'things', settings: { window: '12s' }, as: 'distinct', columns: { of: 'hash' } },
  { in: 'lifecycle', name: 'open', settings: { ...THING, maxAge: '15s' }, as: 'count', columns: THING },
]
const LASTING: readonly Declared[] = [
  { in: 'last', name: 'thing', settings: { last: 1 }, as: 'last', columns: { of: 'thing' }, values: 'text' },
  { in: 'lifetime', name: 'total', settings: { lifetime: true }, as: 'count' },
  { in: 'lifetime', name: 'total_sum', settings: { lifetime: true }, as: 'sum', columns: { of: 'value' } },
  { in: 'last', name: 'last', settings: { last: 3 }, as: 'mean', columns: { of: 'value' } },
]
/** Features that a change takes away. */
const GOING: readonly string[] = ['coarse', 'total_sum', 'last']
export const CLOSING = 'closed'
const TUMBLING: readonly Declared[] = [
  {
    in: 'tumbling',
    name: CLOSING,
    settings: { tumbling: '5s', allowance: '1s' },
    as: 'sum',
    columns: { of: 'value' },
  },
]

/** Features, and what computes them. */
export interface Declaration {
  readonly features: readonly FeatureSpec[]
  /** Of all features, that of one's own included. */
  readonly names: readonly string[]
  readonly reducer: FeatureFlow['reducer']
  /** Keys are forgotten when nothing is left. */
  readonly forgets: boolean
}

async function declare(declared: readonly Declared[], own: readonly Slot[]): Promise<Declaration> {
  const features: FeatureSpec[] = []
  const slots: Slot[] = []
  for (const [folder, ours] of Map.groupBy(declared, (one) => one.in)) {
    const part = await loadPart<unknown, Aggregation>('aggregations', folder)
    const aggregation = await openAggregation(part)
    const specs = await Promise.all(ours.map((one) => declareFeature(part, one)))
    features.push(...specs)
    slots.push(...aggregation.slots(specs))
  }
  slots.push(...own)
  const names = slots.flatMap((slot) => slot.features)
  const reducer = featureReducer(slots, names, [], FORGET_AFTER)
  return { features, names, reducer, forgets: !declared.some((one) => LASTING.includes(one)) }
}

export const DECLARATIONS = {
  all: await declare([...PASSING, ...LASTING], [CHAIN_SLOT]),
  fewer: await declare(
    [...PASSING, ...LASTING].filter(({ name }) => !GOING.includes(name)),
    [CHAIN_SLOT],
  ),
  passing: await declare(PASSING, []),
  closing: await declare([...PASSING, ...LASTING, ...TUMBLING], [CHAIN_SLOT]),
}

/** Values that the oracle is given for the columns below. */
export const columnsOf = ({ value, thing, kind }: TestEvent) => ({
  value,
  thing,
  hash: hash53(thing),
  opens: kind === 'open',
  closes: kind === 'close',
})

const event = (of: Event) => of as unknown as TestEvent

export function planOf(named: boolean): RowPlan {
  return {
    columns: [
      { id: 'value', kind: 'number', fill: (of) => event(of).value },
      { id: 'thing', kind: 'text', fill: (of) => event(of).thing },
      { id: 'hash', kind: 'number', fill: (of) => hash53(event(of).thing) },
      { id: 'opens', kind: 'flag', fill: (of) => event(of).kind === 'open' },
      { id: 'closes', kind: 'flag', fill: (of) => event(of).kind === 'close' },
      { id: 'from', kind: 'text', fill: (of) => event(of).from },
      { id: 'id', kind: 'text', fill: (of) => event(of).id },
      { id: 'fails', kind: 'text', fill: (of) => event(of).fails ?? null },
    ],
    where: (of) => event(of).thing !== 'ignored',
    key: (of) => event(of).key,
    time: (of) => event(of).at,
    id: named ? (of) => event(of).id : undefined,
  }
}

/** Ties as the engine has them where events are named. */
export const tieOf = ({ id }: TestEvent): number => hash53(id)

/** What does not parse is poison. */
export const JSON_DECODER: Decoder = {
  prepare: async () => undefined,
  record: ({ value }) => {
    try {
      return JSON.parse(String(value)) as Event
    } catch {
      throw new RecordError('record-malformed', 'not JSON')
    }
  },
}

/** The same work, which tells of every row that it finds late: its key, and key, position and time. */
export function watched(
  reducer: FeatureFlow['reducer'],
  begin: () => (key: string, row: string) => void,
): FeatureFlow['reducer'] {
  return (slots) => {
    const tell = begin()
    const real = reducer(slots)
    const { late } = real
    if (!late) return real
    real.late = (rows) => {
      const isLate = late(rows)
      return (row, clock) => {
        const features = isLate(row, clock)
        // a row that is refused is not told of as late, too
        const key = rows.keys[rows.keyOf[row] as number] as string
        if (features.length > 0 && !rows.columns.get('fails')?.[row])
          tell(key, `${key} ${rows.position[row]} ${rows.time[row]}`)
        return features
      }
    }
    return real
  }
}
