import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { call } from './cli.ts'

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'millrace-init-'))
  onTestFinished(() => rmSync(made, { recursive: true }))
  return made
}

it('makes a project that is right and whose tests pass, and says what comes next', async () => {
  const project = join(folder(), 'mine')
  const { code, out } = await call('init', project)
  expect(code).toBe(0)
  expect(out).toContain(`  made ${join(project, 'topologies/store-ratings.yaml')}\n`)
  expect(out).toContain(`millrace dev -d ${project} --replay ${join(project, 'events.ndjson')}`)
  expect((await call('check', '-d', project)).out).toBe('1 topology is right: store-ratings\n')
  expect(await call('test', '-d', project)).toMatchObject({ code: 0 })
})

it('writes nothing where a file stands already', async () => {
  const project = folder()
  writeFileSync(join(project, 'millrace.yaml'), 'deployment: mine\n')
  const { code, error } = await call('init', project)
  expect(code).toBe(1)
  expect(error).toContain(`nothing was written, since there is already ${join(project, 'millrace.yaml')}`)
  expect(readFileSync(join(project, 'millrace.yaml'), 'utf8')).toBe('deployment: mine\n')
})

it.each([
  ['operator', 'features:', 'features:\n  good: { window: 1h, of: stars, as: { ./parts/mine.ts: { atLeast: 4 } } }'],
  ['aggregation', 'features:', 'features:\n  first: { ./parts/mine.ts: { events: 3 }, of: stars, as: mean }'],
  ['sink', 'features:', 'to: [store, { ./parts/mine.ts: { file: results.ndjson } }]\nfeatures:'],
])('makes a part of kind %s that works as it is', async (kind, place, use) => {
  const project = folder()
  await call('init', project)
  const { code, out } = await call('init', 'part', 'mine', '--kind', kind, '-d', project)
  expect({ code, out }).toMatchObject({
    code: 0,
    out: expect.stringContaining(`made ${join(project, 'parts/mine.ts')}`),
  })
  const file = join(project, 'topologies/store-ratings.yaml')
  writeFileSync(file, readFileSync(file, 'utf8').replace(place, use))
  expect(await call('check', '-d', project)).toMatchObject({ code: 0, out: '1 topology is right: store-ratings\n' })
  expect(await call('test', '-d', project)).toMatchObject({ code: 0 })
  expect(readFileSync(join(project, 'parts/mine.ts'), 'utf8')).toContain('./parts/mine.ts')
  const again = await call('init', 'part', 'mine', '--kind', kind, '-d', project)
  expect(again).toMatchObject({ code: 1, error: expect.stringContaining('nothing was written') })
})

it('makes a part for a transform that works as it is', async () => {
  const project = folder()
  await call('init', project)
  expect(await call('init', 'part', 'mine', '--kind', 'transform', '-d', project)).toMatchObject({ code: 0 })
  const topology = 'topology: comments\nkind: transform\nfrom: ratings\nuse: ./parts/mine.ts\nto: comments\n'
  writeFileSync(join(project, 'topologies/comments.yaml'), topology)
  expect((await call('check', '-d', project)).out).toBe('2 topologies are right: comments, store-ratings\n')
})

it('writes nothing through a link that leads nowhere yet', async () => {
  const project = join(folder(), 'mine')
  mkdirSync(join(project, 'parts'), { recursive: true })
  symlinkSync('../../elsewhere.ts', join(project, 'parts/rare.ts'))
  const { code, error } = await call('init', 'part', 'rare', '--kind', 'operator', '-d', project)
  expect(code).toBe(1)
  expect(error).toContain(`there is already ${join(project, 'parts/rare.ts')}`)
  expect(existsSync(join(project, '../elsewhere.ts'))).toBe(false)
})

it('refuses a name that is none, and a kind that is none', async () => {
  expect(await call('init', 'part', '../evil', '-d', folder())).toMatchObject({ code: 1 })
  expect(await call('init', 'part', 'mine', '--kind', 'window', '-d', folder())).toMatchObject({ code: 2 })
})

it('runs the cases of the example with parts of its own', async () => {
  const example = new URL('../../examples/own-parts', import.meta.url).pathname
  expect(await call('test', '-d', example)).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^3 cases: as expected$/m),
  })
})
