import { outputSchema } from '../features/compile.ts'
import type { AnyTopology } from './kinds.ts'

/** What the state remembers of a topology as it was deployed, so that `millrace plan` can compare. JSON. */
export interface About {
  readonly kind: string
  readonly features: Readonly<Record<string, { readonly type: string; readonly memory?: string }>>
  /** Topics that it appends to, with the Avro schema of their values. */
  readonly writes: Readonly<Record<string, unknown>>
  /** Those of `writes` whose values are JSON. */
  readonly json?: readonly string[]
}

export function aboutOf(topology: AnyTopology): About {
  if (topology.kind === 'transform') {
    const writes = Object.fromEntries(topology.writes.map(({ name, schema }) => [name, schema]))
    const json = topology.writes.filter(({ format }) => format === 'json').map(({ name }) => name)
    return { kind: topology.kind, features: {}, writes, ...(json.length > 0 && { json }) }
  }
  const { kind, features, memory, outputs } = topology
  const topics = outputs.flatMap(({ topic }) => topic ?? [])
  return {
    kind,
    features: Object.fromEntries(
      features.map(({ name, type }) => [name, { type, ...(memory[name] !== undefined && { memory: memory[name] }) }]),
    ),
    writes: Object.fromEntries(topics.map((topic) => [topic, outputSchema(topology)])),
  }
}
