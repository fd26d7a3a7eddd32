import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { runProgram } from '../../src/commands/program.ts'
import type { Plan } from '../../src/project/plan.ts'
import type { Remains } from '../../src/project/sweep.ts'
import { exampleProject, start } from './cli.ts'

let folder: string
beforeEach(() => {
  folder = exampleProject()
  write('city-load', CITY)
})
afterEach(() => rmSync(folder, { recursive: true }))

const PATIENCE = { timeout: 120_000 }
const CITY = `topology: city-load
kind: features
entity: city
from: orders
by: city
features:
  city_orders_10m: { window: 10m, as: count }
  city_seen: { lifetime: true, as: count }
to: [store]
`
const fileOf = (name: string) => join(folder, `topologies/${name}.yaml`)
const write = (name: string, text: string) => writeFileSync(fileOf(name), text)

/** The file is removed where nothing is answered. */
function edit(name: string, change: (text: string) => string | undefined): void {
  const text = change(readFileSync(fileOf(name), 'utf8'))
  if (text === undefined) rmSync(fileOf(name))
  else write(name, text)
}

/** Runs until every topology serves the generation that is declared. */
async function deploy(): Promise<void> {
  const run = start('run', '-d', folder, '--port', '0')
  const [, url] = await run.says(/"url":"([^"]+)".*"msg":"serving"/)
  const isServed = async () => {
    const answer = (await (await fetch(`${url}/v1/topologies`)).json()) as {
      topologies: { generation: string; serving?: string }[]
    }
    return answer.topologies.every(({ generation, serving }) => serving === undefined || serving === generation)
  }
  await expect.poll(isServed, { timeout: 30_000 }).toBe(true)
  run.signal('SIGTERM')
  expect((await run.exit).code).toBe(0)
}

async function call(...args: readonly string[]) {
  let [out, error] = ['', '']
  const said = new Writable({
    write: (chunk, _, done) => {
      out += chunk
      done()
    },
  })
  const tell = (text: string) => {
    error += text
  }
  const terminal = { out: said, error: tell, environment: {}, stopSignal: new AbortController().signal }
  return { code: await runProgram(args, terminal), out, error }
}

async function planned(...options: readonly string[]) {
  const { code, out, error } = await call('plan', '-d', folder, '--json', ...options)
  expect(error).toBe('')
  const plan = JSON.parse(out) as { changes: Plan['changes']; old: (Plan['old'][number] & Remains)[] }
  const change = plan.changes.find(({ topology }) => topology === 'city-load')
  return { code, verdict: change?.verdict, notes: change?.notes, old: plan.old, changes: plan.changes }
}

it('says of each edit what it does, and carries out what is left to do', PATIENCE, async () => {
  expect(await planned()).toMatchObject({ code: 0, verdict: 'new' })
  await deploy()
  const after = await planned()
  expect(after).toMatchObject({ code: 0, verdict: 'unchanged', old: [] })
  expect(new Set(after.changes.map(({ verdict }) => verdict))).toEqual(new Set(['unchanged']))

  write(
    'city-load',
    CITY.replace(
      'to:',
      '  city_orders_5m: { window: 5m, as: count }\n  city_all: { last: 9, of: prepSeconds, as: max }\nto:',
    ),
  )
  expect(await planned()).toMatchObject({
    code: 0,
    verdict: 'safe',
    notes: [
      'feature city_orders_5m is added, over what is remembered already',
      'feature city_all is added: it counts from now on',
    ],
  })
  write(
    'city-load',
    CITY.replace('lifetime: true, as: count', 'lifetime: true, as: count, when: event.type == "ORDER_CREATED"'),
  )
  expect(await planned()).toMatchObject({
    code: 0,
    verdict: 'safe',
    notes: [
      'feature city_seen is computed in another way: it counts from now on, and means something else to its readers',
    ],
  })
  write('city-load', CITY.replace('city_seen', 'city_known'))
  expect(await planned()).toMatchObject({
    code: 4,
    verdict: 'breaking',
    notes: ['feature city_seen is gone', expect.anything()],
  })
  write('city-load', CITY.replace('by: city', 'by: city\nwhere: event.type == "ORDER_CREATED"'))
  expect(await planned()).toMatchObject({ code: 3, verdict: 'rebuild', old: [] })

  await deploy()
  const { code, verdict, old } = await planned()
  expect({ code, verdict }).toEqual({ code: 0, verdict: 'unchanged' })
  const [{ namespace, shuffle, tasks } = {} as Remains, ...others] = old
  expect(others).toEqual([])
  expect(namespace).toMatch(/^city-load@/)
  expect(shuffle).toBe(`city.${namespace.replace('@', '.')}.shuffle`)
  expect(tasks).toContain(`reduce/${namespace}/0`)
  const told = await call('plan', '-d', folder, '--apply')
  expect(told.code).toBe(0)
  expect(told.out).toMatch(/unchanged {2}city-load[\s\S]*To be deleted now:\n.*superseded.*\nDeleted\.\n$/)
  expect(await planned()).toMatchObject({ code: 0, verdict: 'unchanged', old: [] })
  await deploy()

  edit('city-load', () => undefined)
  const removed = await planned()
  expect(removed).toMatchObject({ code: 4, verdict: 'removed' })
  expect(removed.old.map(({ because }) => because)).toEqual(['removed'])
  expect((await planned('--apply')).code).toBe(0)
  expect(await planned()).toMatchObject({ code: 0, verdict: undefined, old: [] })
  write('city-load', CITY)
  expect(await planned()).toMatchObject({ code: 0, verdict: 'new' })
  await deploy()
})
