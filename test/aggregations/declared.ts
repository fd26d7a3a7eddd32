/** Features of the aggregations that come with Millrace, as the planner hands them over. */
import type { Aggregation, FeatureSpec, Operator } from '../../src/core/model.ts'
import { loadPart } from '../../src/core/part.ts'
import { declareFeature, openAggregation, openOperator } from '../../src/testing/declare.ts'

export async function operatorNamed(name: string, settings: object = {}): Promise<Operator> {
  return openOperator(await loadPart<unknown, Operator>('operators', name), settings)
}

export async function aggregationNamed<C>(name: string): Promise<Aggregation<C>> {
  return openAggregation(await loadPart<C, Aggregation<C>>('aggregations', name))
}

/** `of`: the operator's settings. */
export async function declared<C>(
  name: string,
  aggregation: string,
  settings: object,
  as: string,
  columns: Readonly<Record<string, string>> = {},
  { values = 'number' as FeatureSpec['values'], of = {} as object } = {},
): Promise<FeatureSpec<C>> {
  const part = await loadPart<C, Aggregation<C>>('aggregations', aggregation)
  return declareFeature(part, { name, settings, as, with: of, columns, values })
}
