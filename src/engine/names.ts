/** What the engine calls things in shared services: whoever deletes what is left of a generation has to find it by these. */
import type { Flow, TaskId } from '../core/model.ts'

type Generation = Pick<Flow, 'name' | 'generation'>

const namespaceOf = ({ name, generation }: Generation): string => `${name}@${generation}`

/** `topic`: the one it reads. */
export const mapTask = (of: Generation, topic: string, partition: number): TaskId =>
  `map/${namespaceOf(of)}/${topic}/${partition}`

export const reduceTask = (of: Generation, partition: number): TaskId => `reduce/${namespaceOf(of)}/${partition}`

/** `topic`: the one it reads. */
export const transformTask = (of: Generation, topic: string, partition: number): TaskId =>
  `transform/${namespaceOf(of)}/${topic}/${partition}`

export const shuffleTopic = (deployment: string, { name, generation }: Generation): string =>
  `${deployment}.${name}.${generation}.shuffle`
