import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { pages } from '../../docs/generate.ts'
import { readConfig } from '../../src/core/config.ts'
import { loadPart, type PartFolder, partNames } from '../../src/core/part.ts'
import { YamlFile } from '../../src/core/yaml.ts'
import { checkProject } from '../../src/project/check.ts'

const docs = join(import.meta.dirname, '../../docs')

const made = await pages()
test.each([...made.keys()])('docs/%s says what the code says; `npm run docs` writes it', async (name) => {
  expect(await readFile(join(docs, name), 'utf8')).toBe(made.get(name))
})

test('every setting of every part, topology and feature says what it means', () => {
  const rows = [...made.values()].flatMap((text) => text.split('\n').filter((line) => line.startsWith('| `')))
  expect(rows.length).toBeGreaterThan(100)
  expect(rows.filter((row) => row.endsWith('|  |'))).toEqual([])
})

const all = (folder: PartFolder) => partNames(folder).map((name) => [folder, name] as const)

describe('the example of a part is right', () => {
  const sections = [...all('transports'), ...all('registries'), ...all('state'), ...all('stores')]
  test.each(sections)('%s/%s', async (folder, name) => {
    const { example } = await loadPart<unknown, unknown>(folder, name)
    const yaml = new YamlFile('millrace.yaml', example)
    const config = await readConfig(yaml, {})
    expect(yaml.problems).toEqual([])
    expect([config.transport, config.registry, config.state, config.store].map(({ kind }) => kind)).toContain(name)
    expect(example).toContain(`kind: ${name}`)
  })

  let directory: string
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'millrace-examples-'))
    await mkdir(join(directory, 'topologies'))
    await mkdir(join(directory, 'schemas'))
    await writeFile(join(directory, 'schemas/orders.avsc'), JSON.stringify(ORDERS))
  })
  afterEach(() => rm(directory, { recursive: true }))

  async function problemsOf(features: string, to: string) {
    const head = 'topology: example\nkind: features\nfrom: orders\nentity: store\nby: storeId\n'
    await writeFile(join(directory, 'topologies/example.yaml'), `${head}features:\n  ${features}\n${to}\n`)
    return (await checkProject(directory)).problems
  }

  test.each([...all('aggregations'), ...all('operators')])('%s/%s', async (folder, name) => {
    const { example } = await loadPart<unknown, unknown>(folder, name)
    expect(await problemsOf(example, '')).toEqual([])
    expect(example).toMatch(new RegExp(folder === 'operators' ? `as: ({ )?${name}\\b` : `\\b${name}: `))
  })

  test.each(all('sinks'))('%s/%s', async (folder, name) => {
    const { example } = await loadPart<unknown, unknown>(folder, name)
    expect(await problemsOf('orders_10m: { window: 10m, as: count }', example)).toEqual([])
    expect(example).toContain(name)
  })
})

/** What the examples speak of. */
const ORDERS = {
  type: 'record',
  name: 'Order',
  fields: [
    ...['orderId', 'storeId', 'type'].map((name) => ({ name, type: 'string' })),
    ...['prepSeconds', 'pickSeconds', 'acceptSeconds', 'total'].map((name) => ({ name, type: 'double' })),
  ],
}
