import type { Declared, Kind } from '../core/topology.ts'
import type { YamlFile } from '../core/yaml.ts'
import { compileTopology, type FeatureTopology } from './compile.ts'
import { type Declaration, readDeclaration } from './declaration.ts'
import { dimensionsOf } from './dimensions.ts'
import { withOwnParts } from './own.ts'
import { loadFeatureParts } from './parts.ts'

/** A declaration, and the file as it sees it. */
interface Found {
  readonly yaml: YamlFile
  readonly declaration: Declaration
}

/** `kind: features`. */
export const features: Kind<FeatureTopology> = {
  async read(file, directory) {
    const found: Found[] = []
    const dimensions = dimensionsOf(file)
    for (const yaml of dimensions) {
      const parts = await withOwnParts(await loadFeatureParts(), yaml, directory)
      const declaration = parts && readDeclaration(yaml, parts)
      if (declaration) found.push({ yaml, declaration })
    }
    const [first] = found
    return !first || found.length < dimensions.length ? undefined : declared(file, found, first.declaration)
  },
}

/** `from` is the same for all. */
function declared(file: YamlFile, found: readonly Found[], { from }: Declaration): Declared<FeatureTopology> {
  const isList = Array.isArray((file.value as { from: unknown }).from)
  const isMany = 'dimensions' in (file.value as object)
  return {
    names: found.map((one) => ({
      name: one.declaration.topology,
      at: isMany ? ['dimensions', one.declaration.entity] : ['topology'],
    })),
    defines: found.flatMap(({ declaration: { entity, features, ratios } }) =>
      [...features, ...ratios].map(({ name }) => ({
        what: `entity '${entity}' has a feature`,
        name,
        at: [...(isMany ? ['dimensions', entity] : []), 'features', name],
      })),
    ),
    reads: from.map((name, i) => ({ name, at: isList ? ['from', i] : ['from'] })),
    writes: [],
    compile: (topics, config, declaredAt) => {
      const twice = from.findIndex((name, i) => from.indexOf(name) < i)
      if (twice >= 0) {
        file.add(['from', twice], { code: 'duplicate-name', message: `topic '${from[twice]}' stands twice` })
        return undefined
      }
      const sources = from.flatMap((name) => topics.get(name) ?? [])
      const compiled = found.map((one) => compileTopology(one.yaml, one.declaration, config, sources, declaredAt))
      const right = compiled.filter((topology) => topology !== undefined)
      return right.length < compiled.length ? undefined : right
    },
  }
}
