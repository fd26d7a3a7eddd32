/** The parts that declarations name, loaded once: aggregations, operators and sinks. */
import type { Aggregation, Operator, Sink, SinkContext } from '../core/model.ts'
import { loadPart, type Part, type PartFolder, partNames } from '../core/part.ts'

export type SinkPart = Part<unknown, (context: SinkContext) => Promise<Sink>>

export interface LoadedAggregation {
  readonly part: Part<unknown, Aggregation>
  readonly aggregation: Aggregation
}

export interface FeatureParts {
  readonly aggregations: ReadonlyMap<string, LoadedAggregation>
  readonly operators: ReadonlyMap<string, Operator>
  readonly sinks: ReadonlyMap<string, SinkPart>
}

/** Loads all; no part loads a vendor's SDK before it is opened, and aggregations and operators have none. */
export async function loadFeatureParts(): Promise<FeatureParts> {
  const [aggregations, operators, sinks] = await Promise.all([
    loadAll<unknown, Aggregation>('aggregations'),
    loadAll<unknown, Operator>('operators'),
    loadAll<unknown, (context: SinkContext) => Promise<Sink>>('sinks'),
  ])
  return {
    aggregations: new Map(
      await Promise.all(
        aggregations.map(async ([name, part]) => [name, { part, aggregation: await open(part, undefined) }] as const),
      ),
    ),
    operators: new Map(
      await Promise.all(
        operators.map(async ([name, part]) => [name, await open(part, part.config.parse({}))] as const),
      ),
    ),
    sinks: new Map(sinks),
  }
}

function loadAll<C, T>(folder: PartFolder): Promise<(readonly [string, Part<C, T>])[]> {
  return Promise.all(partNames(folder).map(async (name) => [name, await loadPart<C, T>(folder, name)] as const))
}

const silent = () => undefined
const NOWHERE = { directory: '.', deployment: '', log: { debug: silent, info: silent, warn: silent, error: silent } }

async function open<C, T>(part: Part<C, T>, config: C): Promise<T> {
  return part.open(config, NOWHERE)
}
