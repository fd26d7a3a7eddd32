import type { Kind } from '../core/topology.ts'
import { compileTransform, type TransformTopology } from './compile.ts'
import { readDeclaration, topicsOf } from './declaration.ts'

/** `kind: transform`. */
export const transform: Kind<TransformTopology> = {
  read: async (yaml) => {
    const declaration = readDeclaration(yaml)
    if (!declaration) return undefined
    return {
      names: [{ name: declaration.topology, at: ['topology'] }],
      defines: [],
      ...topicsOf(yaml, declaration),
      compile: (topics, config, declaredAt) => {
        const compiled = compileTransform(yaml, declaration, topics, config, declaredAt)
        return compiled && [compiled]
      },
    }
  },
}
