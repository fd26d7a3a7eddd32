import { appendFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { call, exampleProject } from './cli.ts'

let project: string
beforeEach(() => {
  project = exampleProject()
})
afterEach(() => rmSync(project, { recursive: true }))

it('names the topologies of a project that is right', async () => {
  const { code, out } = await call('check', '-d', project)
  expect(code).toBe(0)
  expect(out).toBe(
    '10 topologies are right: pickups, city-pickups, courier-acceptance, courier-deliveries, customer-waiting, store-backlog, store-load, store-quality, store-shifts, store-waiting\n',
  )
  const json = await call('check', '-d', project, '--json')
  expect(JSON.parse(json.out)).toEqual({
    problems: [],
    topologies: [
      'pickups',
      'city-pickups',
      'courier-acceptance',
      'courier-deliveries',
      'customer-waiting',
      'store-backlog',
      'store-load',
      'store-quality',
      'store-shifts',
      'store-waiting',
    ],
  })
})

it('says every fault at its place, what was expected and the nearest right name, and exits with 1', async () => {
  writeFileSync(
    join(project, 'topologies/wrong.yaml'),
    [
      'topology: wrong',
      'kind: features',
      'from: ordres',
      'entity: store',
      'by: storeId',
      'features:',
      '  a: { window: 5 minutes, as: cuont }',
      '',
    ].join('\n'),
  )
  appendFileSync(join(project, 'millrace.yaml'), '\nhtpp: { port: 1 }\n')
  const { code, out } = await call('check', '-d', project)
  expect(code).toBe(1)
  expect(out).toMatch(/^millrace\.yaml:\d+:1: unknown key 'htpp'\n {4}expected one of .*\n {4}did you mean http\?$/m)
  expect(out).toMatch(/^topologies\/wrong\.yaml:3:7: unknown topic 'ordres'\n[\s\S]*? {4}did you mean orders\?$/m)
  expect(out).toMatch(/^topologies\/wrong\.yaml:7:\d+: .*5 minutes/m)
  expect(out).toMatch(/^topologies\/wrong\.yaml:7:\d+: .*cuont.*\n[\s\S]*? {4}did you mean count\?$/m)

  const json = await call('check', '-d', project, '--json')
  expect(json.code).toBe(1)
  expect(JSON.parse(json.out).problems).toContainEqual(
    expect.objectContaining({ file: 'topologies/wrong.yaml', line: 3, column: 7, suggestion: 'orders' }),
  )
})

it('says that a folder is no project', async () => {
  const { code, out } = await call('check', '-d', join(project, 'schemas'))
  expect(code).toBe(1)
  const said = `millrace.yaml:1:1: neither millrace.yaml nor a folder topologies is in ${join(project, 'schemas')}\n`
  expect(out).toContain(said)
})

it('an empty folder of topologies is a fault, which says what to do', async () => {
  const empty = join(project, 'empty')
  mkdirSync(join(empty, 'topologies'), { recursive: true })
  const { code, out } = await call('check', '-d', empty)
  expect(code).toBe(1)
  expect(out).toContain(`millrace.yaml:1:1: there is no topology in ${join(empty, 'topologies')}\n`)
  expect(out).toContain('`millrace init` writes a first one')
  expect(JSON.parse((await call('check', '-d', empty, '--json')).out).problems).toHaveLength(1)
})

it('a directory in the place of an option is told where it goes', async () => {
  const { code, error } = await call('check', project)
  expect(code).toBe(2)
  expect(error).toContain('(the directory of a project follows -d)')
})
