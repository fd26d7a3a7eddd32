import type { Kind } from '../core/topology.ts'
import { compileTransform, type TransformTopology } from './compile.ts'
import { readDeclaration, topicsOf } from './declaration.ts'
import { ownMaker } from './own.ts'

/** `kind: transform`. */
export const transform: Kind<TransformTopology> = {
  read: async (yaml, directory) => {
    const declaration = readDeclaration(yaml)
    if (!declaration) return undefined
    const own = declaration.use === undefined ? undefined : await ownMaker(yaml, directory, declaration.use)
    if (declaration.use !== undefined && !own) return undefined
    return {
      names: [{ name: declaration.topology, at: ['topology'] }],
      defines: [],
      ...topicsOf(yaml, declaration),
      compile: (topics, config, declaredAt) => {
        const compiled = compileTransform(yaml, declaration, topics, config, declaredAt, own)
        return compiled && [compiled]
      },
    }
  },
}
