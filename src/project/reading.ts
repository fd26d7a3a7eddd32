import type { Flow } from '../core/model.ts'
import type { AnyTopology } from './kinds.ts'

/** What flows read of a topic: the fields that any of them uses, and the schema that their topologies were checked against. */
export function readingOf(
  topic: string,
  flows: readonly Flow[],
  topologies: readonly AnyTopology[],
): { readonly schema: unknown; readonly fields: readonly (readonly string[])[] } {
  const read = flows.flatMap((flow) => [...flow.sources, ...('tables' in flow ? flow.tables : [])])
  const declared = topologies.flatMap(({ sources, tables }) => [...sources, ...tables])
  return {
    schema: declared.find(({ name }) => name === topic)?.schema,
    fields: read.filter((source) => source.topic === topic).flatMap(({ fields }) => fields),
  }
}
