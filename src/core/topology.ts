/**
 * What a topology is, whatever its kind. A capability (`features/`, `transforms/` …) has one `Kind`, which reads the files that
 * name it and compiles them; `project/kinds.ts` lists them, and nothing else does.
 */
import type { Config } from './config.ts'
import type { Millis } from './model.ts'
import type { SourceTopic } from './topics.ts'
import type { Path, YamlFile } from './yaml.ts'

/** A topology that is right; kinds add what they are asked for elsewhere. */
export interface Topology {
  readonly kind: string
  /** Names its state, its tasks and what it writes. */
  readonly name: string
  /** Relative to the project's directory. */
  readonly file: string
  readonly sources: readonly SourceTopic[]
  readonly tags: readonly string[]
  readonly generation: string
  readonly definition: string
  readonly declaredAt: Millis
}

/** What a file declares, checked as far as that goes without the schemas of topics. */
export interface Declared<T extends Topology> {
  /** Names that no other topology of the project may have, and where they stand. */
  readonly names: readonly Named[]
  /** What no other topology may define, such as a feature of an entity. */
  readonly defines: readonly (Named & { readonly what: string })[]
  /** Topics whose schemas it needs. */
  readonly reads: readonly Named[]
  /** Undefined when anything is wrong; the problems are then the file's. `topics` has all that it reads. */
  compile(topics: ReadonlyMap<string, SourceTopic>, config: Config, declaredAt: Millis): readonly T[] | undefined
}

export interface Named {
  readonly name: string
  readonly at: Path
}

export interface Kind<T extends Topology> {
  /** Undefined when it is no declaration at all. Whatever is wrong is among `yaml.problems`. */
  read(yaml: YamlFile): Promise<Declared<T> | undefined>
}
