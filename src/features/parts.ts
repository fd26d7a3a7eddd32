/** The parts that declarations name, loaded once: aggregations, operators and sinks. */
import type { Aggregation, Operator, Sink, SinkContext } from '../core/model.ts'
import type { OwnPart } from '../core/own-part.ts'
import { loadPart, NOWHERE, type Part, type PartContext, type PartFolder, partNames } from '../core/part.ts'

export interface SinkPart extends Part<unknown, (context: SinkContext) => Promise<Sink>>, Ownable {}

/** Of parts of one's own, where they come from. */
interface Ownable {
  readonly own?: OwnPart
}

export interface LoadedAggregation extends Ownable {
  readonly part: Part<unknown, Aggregation>
  readonly aggregation: Aggregation
}

/** Operators are made at once, many times over. */
export interface OperatorPart extends Part<unknown, Operator> {
  open(config: unknown, context: PartContext): Operator
}

export interface LoadedOperator extends Ownable {
  readonly part: OperatorPart
  /** Of settings that its `config` gave; the same object for the same settings. */
  readonly with: (settings: unknown) => Operator
}

export interface FeatureParts {
  readonly aggregations: ReadonlyMap<string, LoadedAggregation>
  readonly operators: ReadonlyMap<string, LoadedOperator>
  readonly sinks: ReadonlyMap<string, SinkPart>
  /** Those of one's own among them. */
  readonly own: readonly OwnPart[]
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
    operators: new Map(operators.map(([name, part]) => [name, loadedOperator(part as OperatorPart)])),
    sinks: new Map(sinks),
    own: [],
  }
}

export function loadedOperator(part: OperatorPart): LoadedOperator {
  const made = new Map<string, Operator>()
  return {
    part,
    with: (settings) => {
      const text = JSON.stringify(settings)
      const operator = made.get(text) ?? part.open(settings, NOWHERE)
      made.set(text, operator)
      return operator
    },
  }
}

function loadAll<C, T>(folder: PartFolder): Promise<(readonly [string, Part<C, T>])[]> {
  return Promise.all(partNames(folder).map(async (name) => [name, await loadPart<C, T>(folder, name)] as const))
}

async function open<C, T>(part: Part<C, T>, config: C): Promise<T> {
  return part.open(config, NOWHERE)
}
