/**
 * Several dimensions of one topology: what they share is written once. Each is a topology of its own, named after the file's
 * and its entity, and is read as if it stood in a file of its own.
 */
import { z } from 'zod'
import { addIssues } from '../core/issues.ts'
import { isMapping } from '../core/mapping.ts'
import { topologyName } from '../core/topology.ts'
import type { Path, YamlFile } from '../core/yaml.ts'
import { topologyShape } from './declaration.ts'

const { by, features, to, forgetAfter, description } = topologyShape.shape

/** What a dimension has of its own. */
const dimension = z.strictObject({ by, features, to, forgetAfter, description })
const OWN: readonly string[] = Object.keys(dimension.shape)

/** The key of a topology that stands in the place of `entity` and what belongs to it. */
export const dimensionsShape = z
  .record(topologyName, dimension)
  .describe('Several dimensions that share the rest, by entity: the topology `<topology>-<entity>` for each.')

/** Every dimension as a file of its own; the file itself where it has one. What is wrong with their form is among its problems. */
export function dimensionsOf(yaml: YamlFile): readonly YamlFile[] {
  const { value } = yaml
  if (!isMapping(value) || !('dimensions' in value)) return [yaml]
  const { dimensions, topology, ...shared } = value
  const before = yaml.problems.length
  for (const key of ['entity', ...OWN].filter((each) => each in shared && each !== 'description')) {
    const message = `'${key}' stands beside 'dimensions'`
    yaml.add([key], { code: 'bad-value', message, expected: `'${key}' in each of them` }, 'key')
  }
  const parsed = z.object({ dimensions: dimensionsShape.refine(isSome, NONE) }).safeParse({ dimensions })
  if (!parsed.success) addIssues(yaml, [], parsed.error.issues, z.object({ dimensions: dimensionsShape }))
  if (yaml.problems.length > before || !isMapping(dimensions)) return []
  return Object.entries(dimensions).map(([entity, own]) => {
    const name = typeof topology === 'string' ? `${topology}-${entity}` : topology
    const place = (path: Path): Path =>
      path[0] === 'entity' || OWN.includes(String(path[0])) ? ['dimensions', entity, ...path] : path
    return yaml.seenAs({ ...shared, topology: name, entity, ...(own as object) }, place)
  })
}

const NONE = { message: 'there are no dimensions', params: { expected: 'at least one' } }
const isSome = (dimensions: object): boolean => Object.keys(dimensions).length > 0
