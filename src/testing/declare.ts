/** Parts as they are opened, and features as they are declared, for tests that have no project. */
import type { Aggregation, FeatureSpec, Operator, Value } from '../core/model.ts'
import { loadPart, NOWHERE, type Part } from '../core/part.ts'

/** An operator with settings as they are written in YAML. Throws what its `config` says of wrong ones. */
export async function openOperator<C, A, V extends Value>(
  part: Part<C, Operator<A, V>>,
  settings: object = {},
): Promise<Operator> {
  return (await part.open(part.config.parse(settings), NOWHERE)) as Operator
}

/** An aggregation is the same whatever its features are set to. */
export async function openAggregation<C>({ open }: Part<C, Aggregation<C>>): Promise<Aggregation<C>> {
  return open(undefined as C, NOWHERE)
}

/** A feature of a test, as a topology would declare it. */
export interface DeclaredFeature {
  readonly name: string
  /** Settings of the aggregation, as they are written in YAML. */
  readonly settings: object
  /** An operator that comes with Millrace, by its name, and its settings. */
  readonly as: string
  readonly with?: object
  /** Columns that the events of the test have, by the setting whose expression would fill them: `{ of: 'v', when: 'w' }`. */
  readonly columns?: Readonly<Record<string, string>>
  /** Kind of the column `of`; `number` when left out. */
  readonly values?: FeatureSpec['values']
}

/** A feature as its aggregation is given it. */
export async function declareFeature<C>(
  { config }: Part<C, Aggregation<C>>,
  { name, settings, as, with: given = {}, columns = {}, values = 'number' }: DeclaredFeature,
): Promise<FeatureSpec<C>> {
  const part = await loadPart<unknown, Operator>('operators', as)
  const operator = await openOperator(part, given)
  return { name, config: config.parse(settings), columns, values, as, settings: part.config.parse(given), operator }
}
