import type { Kind } from '../core/topology.ts'
import { compileTopology, type FeatureTopology } from './compile.ts'
import { readDeclaration } from './declaration.ts'
import { withOwnParts } from './own.ts'
import { loadFeatureParts } from './parts.ts'

/** `kind: features`. */
export const features: Kind<FeatureTopology> = {
  async read(yaml, directory) {
    const parts = await withOwnParts(await loadFeatureParts(), yaml, directory)
    const declaration = parts && readDeclaration(yaml, parts)
    if (!declaration) return undefined
    const { topology, entity, from } = declaration
    const isList = Array.isArray((yaml.value as { from: unknown }).from)
    return {
      names: [{ name: topology, at: ['topology'] }],
      defines: [...declaration.features, ...declaration.ratios].map(({ name }) => ({
        what: `entity '${entity}' has a feature`,
        name,
        at: ['features', name],
      })),
      reads: from.map((name, i) => ({ name, at: isList ? ['from', i] : ['from'] })),
      writes: [],
      compile: (topics, config, declaredAt) => {
        const twice = from.findIndex((name, i) => from.indexOf(name) < i)
        if (twice >= 0) {
          yaml.add(['from', twice], { code: 'duplicate-name', message: `topic '${from[twice]}' stands twice` })
          return undefined
        }
        const sources = from.flatMap((name) => topics.get(name) ?? [])
        const compiled = compileTopology(yaml, declaration, config, sources, declaredAt)
        return compiled && [compiled]
      },
    }
  },
}
