import { projectSchema, topologySchema } from '../project/schema.ts'
import type { Terminal } from './console.ts'

export type SchemaOf = 'topology' | 'project'

export async function schema(of: SchemaOf, { out }: Terminal): Promise<number> {
  const found = of === 'topology' ? await topologySchema() : await projectSchema()
  out.write(`${JSON.stringify(found, undefined, 2)}\n`)
  return 0
}
