import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { onTestFinished } from 'vitest'
import { checkProject, type Project } from '../../src/project/check.ts'
import type { TransformTopology } from '../../src/transforms/compile.ts'

const timestamp = { type: 'long', logicalType: 'timestamp-millis' }

/** A basket is a list of items; a store is what the table of stores holds. */
export const SCHEMAS = {
  baskets: {
    type: 'record',
    name: 'Basket',
    namespace: 'shop',
    fields: [
      { name: 'id', type: 'string' },
      { name: 'storeId', type: 'string' },
      { name: 'at', type: timestamp, doc: 'When it was paid.' },
      { name: 'note', type: ['null', 'string'], default: null },
      { name: 'kind', type: { type: 'enum', name: 'Kind', symbols: ['WEB', 'SHOP'] } },
      {
        name: 'items',
        type: {
          type: 'array',
          items: {
            type: 'record',
            name: 'Item',
            fields: [
              { name: 'product', type: 'string' },
              { name: 'cents', type: 'int' },
            ],
          },
        },
      },
    ],
  },
  returns: {
    type: 'record',
    name: 'Return',
    namespace: 'shop',
    fields: [
      { name: 'id', type: 'string' },
      { name: 'storeId', type: 'string' },
      { name: 'reason', type: 'string' },
    ],
  },
  stores: {
    type: 'record',
    name: 'Store',
    namespace: 'shop',
    fields: [
      { name: 'name', type: 'string' },
      { name: 'city', type: ['null', 'string'], default: null },
    ],
  },
}

export const TRANSFORM = `topology: lines
kind: transform
from: baskets
flatten: event.items
tables:
  store: { topic: stores, key: event.storeId }
map:
  basket: event.id
  product: item.product
  city: store.city
to: lines
`

/** A folder with these files and the schemas, gone after the test. */
export async function project(files: Readonly<Record<string, string>>): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-transforms-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  const schemas = Object.entries(SCHEMAS).map(([name, schema]) => [`schemas/${name}.avsc`, JSON.stringify(schema)])
  for (const [name, text] of [...schemas, ...Object.entries(files)] as [string, string][]) {
    await mkdir(dirname(join(directory, name)), { recursive: true })
    await writeFile(join(directory, name), text)
  }
  return directory
}

/** Every problem as `file:line:column message → suggestion`. */
export async function problemsOf(files: Readonly<Record<string, string>>): Promise<string[]> {
  const { problems } = await checkProject(await project(files))
  return problems.map(
    ({ file, line, column, message, suggestion }) =>
      `${file.replace('topologies/', '')}:${line}:${column} ${message}${suggestion === undefined ? '' : ` → ${suggestion}`}`,
  )
}

/** The one transform of a right project. */
export async function compiled(yaml: string, files: Readonly<Record<string, string>> = {}): Promise<TransformTopology> {
  const found = await checkProject(await project({ ...files, 'topologies/lines.yaml': yaml }))
  if (!found.project) throw new Error(JSON.stringify(found.problems))
  return transformIn(found.project, 'lines')
}

export function transformIn({ topologies }: Project, name: string): TransformTopology {
  const topology = topologies.find((each) => each.name === name)
  if (topology?.kind !== 'transform') throw new Error(`no transform ${name}`)
  return topology
}
