import { globSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { casesSchema } from '../../src/testing/cases.ts'

/** A validator that is not ours, and comes with a library that tests use. */
const Ajv = createRequire(import.meta.resolve('@kafkajs/confluent-schema-registry'))('ajv') as new (
  options: object,
) => { compile(schema: object): (value: unknown) => boolean }
const isRight = new Ajv({ strict: false, logger: false }).compile(await casesSchema())

const root = join(import.meta.dirname, '../..')
const shipped = globSync('{topologies,examples/*/topologies}/*.test.yaml', { cwd: root })

describe('the JSON Schema of test cases', () => {
  it.each(shipped)('takes %s', (file) => {
    expect(isRight(parse(readFileSync(join(root, file), 'utf8')))).toBe(true)
  })

  it.each([
    ['no cases', 'topology: a'],
    ['an unknown key', 'topology: a\ncases: [{ case: a, expcet: {} }]'],
    ['an event that is none', 'topology: a\ncases: [{ case: a, given: [{ orders: 1 }] }]'],
    ['a wait that is none', 'topology: a\ncases: [{ case: a, advance: soon }]'],
    ['features that are none', 'topology: a\ncases: [{ case: a, expect: { features: { s: 1 } } }]'],
  ])('refuses %s', (_, yaml) => {
    expect(isRight(parse(yaml))).toBe(false)
  })
})
