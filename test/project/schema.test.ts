import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import type { JsonSchema } from '../../src/core/json-schema.ts'
import { loadPart, partNames } from '../../src/core/part.ts'
import { projectSchema, topologySchema } from '../../src/project/schema.ts'

type Validate = ((value: unknown) => boolean) & { errors?: readonly object[] | null }
/** A validator that is not ours, and comes with a library that tests use. */
const Ajv = createRequire(import.meta.resolve('@kafkajs/confluent-schema-registry'))('ajv') as new (
  options: object,
) => {
  compile(schema: JsonSchema): Validate
}

const compiled = (schema: JsonSchema): Validate =>
  new Ajv({ strict: false, allErrors: true, logger: false }).compile(schema)
const topology = compiled(await topologySchema())
const project = compiled(await projectSchema())

function faults(validate: Validate, yaml: string): readonly object[] {
  return validate(parse(yaml)) ? [] : (validate.errors ?? [])
}

const root = join(import.meta.dirname, '../..')
const folders = ['topologies', ...readdirSync(join(root, 'examples')).map((name) => `examples/${name}/topologies`)]
const shipped = folders.flatMap((folder) => {
  const names = ((): string[] => {
    try {
      return readdirSync(join(root, folder))
    } catch {
      // an example need not have topologies
      return []
    }
  })()
  return names.filter((name) => /(?<!\.test)\.ya?ml$/.test(name)).map((name) => join(folder, name))
})

const head = 'topology: x\nkind: features\nfrom: orders\nentity: store\nby: storeId\n'

describe('the JSON Schema of topologies', () => {
  it.each(shipped)('takes %s', (file) => {
    expect(faults(topology, readFileSync(join(root, file), 'utf8'))).toEqual([])
  })

  it('takes several dimensions, each with features of its own', () => {
    const right = `topology: x
kind: features
from: orders
let: { late: event.a > 5 }
dimensions:
  store: { by: storeId, features: { a: { window: 1m, as: count, when: late } }, to: [store] }
`
    expect(faults(topology, right)).toEqual([])
    for (const [from, to] of [
      ['by: storeId', 'bi: storeId'],
      ['window: 1m', 'wndow: 1m'],
      ['kind: features', 'kind: features\nby: storeId'],
      ['from: orders\n', ''],
    ] as const)
      expect(faults(topology, right.replace(from, to)), to).not.toEqual([])
  })

  it.each(['aggregations', 'operators'] as const)('takes the examples of all %s', async (folder) => {
    for (const name of partNames(folder)) {
      const { example } = await loadPart<unknown, unknown>(folder, name)
      expect(faults(topology, `${head}features:\n  ${example.trim().replaceAll('\n', '\n  ')}\n`), name).toEqual([])
    }
  })

  it('takes the examples of all sinks', async () => {
    for (const name of partNames('sinks')) {
      const { example } = await loadPart<unknown, unknown>('sinks', name)
      expect(faults(topology, `${head}features: { a: { window: 1m, as: count } }\n${example}`), name).toEqual([])
    }
  })

  it('takes parts of your own by their paths', () => {
    const own =
      'features: { a: { ./parts/mine.ts: 3, as: ./parts/op.ts }, b: { window: 1m, as: { ./parts/op.ts: 1 } } }'
    expect(faults(topology, `${head}${own}\nto: [./parts/sink.ts]`)).toEqual([])
  })

  it('takes a transform', () => {
    expect(faults(topology, 'topology: t\nkind: transform\nfrom: orders\nmap: { a: event.b }\nto: big')).toEqual([])
  })

  it.each([
    ['an unknown key', `${head}features: { a: { window: 1m, as: count } }\nwhen: true`],
    ['an unknown kind', head.replace('features', 'feature')],
    ['no kind', 'topology: x\nfrom: orders\n'],
    ['an aggregation that is none', `${head}features: { a: { windwo: 1m, as: count } }`],
    ['an operator that is none', `${head}features: { a: { window: 1m, as: cuont } }`],
    ['a feature with no operator', `${head}features: { a: { window: 1m } }`],
    ['an unknown key of a feature', `${head}features: { a: { window: 1m, as: count, whne: event.a } }`],
    ['a bad duration', `${head}features: { a: { window: 1 minute, as: count } }`],
    ['a sink that is none', `${head}features: { a: { window: 1m, as: count } }\nto: [stoer]`],
    ['a key of another kind', 'topology: t\nkind: transform\nfrom: orders\nto: big\nentity: store'],
  ])('refuses %s', (_what, yaml) => {
    expect(faults(topology, yaml).length).toBeGreaterThan(0)
  })
})

describe('the JSON Schema of millrace.yaml', () => {
  it('takes the shipped one, and the examples of all parts', async () => {
    expect(faults(project, readFileSync(join(root, 'millrace.yaml'), 'utf8'))).toEqual([])
    for (const folder of ['transports', 'registries', 'state', 'stores'] as const)
      for (const name of partNames(folder)) {
        const { example } = await loadPart<unknown, unknown>(folder, name)
        expect(faults(project, example), `${folder}/${name}`).toEqual([])
      }
  })

  it.each([
    ['an unknown section', 'transprot: { kind: kafka }'],
    ['a kind that is none', 'transport: { kind: kafak }'],
    ['a setting of another kind', 'transport: { kind: embedded, brokers: [a] }'],
    ['a number that is too large', 'http: { port: 70000 }'],
  ])('refuses %s', (_what, yaml) => {
    expect(faults(project, yaml).length).toBeGreaterThan(0)
  })
})
