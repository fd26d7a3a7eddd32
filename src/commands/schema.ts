import { projectSchema, topologySchema } from '../project/schema.ts'
import { casesSchema } from '../testing/cases.ts'
import type { Terminal } from './console.ts'

export type SchemaOf = 'topology' | 'project' | 'test'

const SCHEMAS = { topology: topologySchema, project: projectSchema, test: casesSchema }

export async function schema(of: SchemaOf, { out }: Terminal): Promise<number> {
  const found = await SCHEMAS[of]()
  out.write(`${JSON.stringify(found, undefined, 2)}\n`)
  return 0
}
