/** Features as the planner hands them to an aggregation. */
import type { Aggregation, FeatureSpec, Operator } from '../../src/core/model.ts'
import { loadPart, type PartContext } from '../../src/core/part.ts'

const silent = () => undefined
const context: PartContext = {
  directory: '/',
  deployment: 'test',
  log: { debug: silent, info: silent, warn: silent, error: silent },
}

export async function operatorNamed(name: string, settings: object = {}): Promise<Operator> {
  const part = await loadPart<unknown, Operator>('operators', name)
  return part.open(part.config.parse(settings), context)
}

export async function aggregationNamed<C>(name: string): Promise<Aggregation<C>> {
  const part = await loadPart<unknown, Aggregation<C>>('aggregations', name)
  return part.open({}, context)
}

/**
 * A feature; its settings go through the aggregation's own schema, expressions are the names of their columns. `values`: the
 * kind of the column `of`; `of`: the operator's settings.
 */
export async function declared<C>(
  name: string,
  aggregation: string,
  settings: object,
  as: string,
  columns: Readonly<Record<string, string>> = {},
  { values = 'number' as FeatureSpec['values'], of = {} as object } = {},
): Promise<FeatureSpec<C>> {
  const { config } = await loadPart<C, unknown>('aggregations', aggregation)
  const given = (await loadPart<unknown, unknown>('operators', as)).config.parse(of)
  return {
    name,
    config: config.parse(settings),
    columns,
    values,
    as,
    settings: given,
    operator: await operatorNamed(as, of),
  }
}
