/**
 * What a topology is, whatever its kind. A capability (`features/`, `transforms/` …) has one `Kind`, which reads the files that
 * name it and compiles them; `project/kinds.ts` lists them, and nothing else does.
 */
import { z } from 'zod'
import { type Config, start } from './config.ts'
import type { Millis, TopicSpec } from './model.ts'
import type { SourceTopic } from './topics.ts'
import type { Path, YamlFile } from './yaml.ts'

export const topologyName = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,62}$/, 'a name of a-z, 0-9 and -, beginning with a letter, at most 63 long')

/** Of the Avro record that a topology writes: `StoreLoad` of `store-load`. */
export function recordName(topology: string): string {
  return topology
    .split('-')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('')
}

/** Keys that every kind has. */
export const headShape = {
  start: start.optional(),
  tags: z
    .array(topologyName)
    .default([])
    .describe('Labels for a part of the topologies: `millrace run --only` computes those with one.'),
  owner: z
    .strictObject({
      domain: z.string().optional().describe('Domain of the business: logistics.'),
      product: z.string().optional().describe('Data product: store-load.'),
      service: z.string().optional().describe('Service that asked for it: eta.'),
    })
    .optional()
    .describe('Who answers for it. Noted; nothing is made of it yet.'),
  description: z.string().optional().describe("For people; the doc of the output topic's schema."),
}

/** A topology that is right; kinds add what they are asked for elsewhere. */
export interface Topology {
  readonly kind: string
  /** Names its state, its tasks and what it writes. */
  readonly name: string
  /** Relative to the project's directory. */
  readonly file: string
  readonly sources: readonly SourceTopic[]
  /** Topics it looks values up in. */
  readonly tables: readonly SourceTopic[]
  /** Topics it appends to, made when they are missing. */
  readonly writes: readonly WrittenTopic[]
  readonly tags: readonly string[]
  readonly generation: string
  readonly definition: string
  readonly declaredAt: Millis
}

/** How the values of a topic are written: Avro in Confluent wire format, or JSON of the same schema. */
export const FORMATS = ['avro', 'json'] as const
export type Format = (typeof FORMATS)[number]

export interface WrittenTopic extends TopicSpec {
  readonly format: Format
  /** Of its values, as parsed JSON. */
  readonly schema: unknown
}

/** What a file declares, checked as far as that goes without the schemas of topics. */
export interface Declared<T extends Topology> {
  /** Names that no other topology of the project may have, and where they stand. */
  readonly names: readonly Named[]
  /** What no other topology may define, such as a feature of an entity. */
  readonly defines: readonly (Named & { readonly what: string })[]
  /** Topics whose schemas it needs. */
  readonly reads: readonly Named[]
  /** Topics it appends named records to. */
  readonly writes: readonly (Named & { readonly format: Format })[]
  /**
   * Undefined when anything is wrong; the problems are then the file's. `topics` has all that it reads, and of those it writes the
   * ones that have a schema already.
   */
  compile(topics: ReadonlyMap<string, SourceTopic>, config: Config, declaredAt: Millis): readonly T[] | undefined
}

export interface Named {
  readonly name: string
  readonly at: Path
}

export interface Kind<T extends Topology> {
  /** `directory`: of the project. Undefined when it is no declaration at all. Whatever is wrong is among `yaml.problems`. */
  read(yaml: YamlFile, directory: string): Promise<Declared<T> | undefined>
}
