import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import type { ResolveHookContext } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, it, onTestFinished, vi } from 'vitest'
import { importFile } from '../../src/core/own-import.ts'

function folder(files: Readonly<Record<string, string>>): string {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'millrace-import-')))
  onTestFinished(() => rmSync(root, { recursive: true }))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), text)
  }
  return root
}
const source = pathToFileURL(join(import.meta.dirname, '../../src')).href

/** In a process of its own, since vitest loads modules in another way: what each step's `load()` gives, or fails with. */
function run(files: Readonly<Record<string, string>>, ...edits: readonly Readonly<Record<string, string>>[]): unknown {
  const root = folder(files)
  const script = `
    import { writeFileSync } from 'node:fs'
    import { importFile } from '${source}/core/own-import.ts'
    import { RecordError } from '${source}/core/errors.ts'
    globalThis.RecordError = RecordError
    const said = []
    for (const edit of [{}, ...${JSON.stringify(edits)}]) {
      for (const [name, text] of Object.entries(edit)) writeFileSync(name, text)
      said.push(await importFile('${root}', '${root}/part.ts').then((one) => one.exported.default, (error) => error.code))
    }
    console.log(JSON.stringify(said))`
  return JSON.parse(
    execFileSync(process.execPath, ['--input-type=module-typescript', '-e', script], { cwd: root }).toString(),
  )
}

it('sees an edit of the file, and of what it imports, however far away; packages and CommonJS stay as they were', () => {
  const files = {
    'part.ts': `import { a } from './lib/a.ts'
import p from 'p'
import { RecordError } from 'millrace'
const made = (globalThis.made ?? 0) + 1
globalThis.made = made
export default { a, p, made, isSame: RecordError === globalThis.RecordError }`,
    'lib/a.ts': "import b from './b.cjs'\nimport { c } from './c.ts'\nexport const a: string = b + c",
    'lib/b.cjs': "module.exports = 'b'",
    'lib/c.ts': "export const c = 'c'",
    'node_modules/p/package.json': '{ "name": "p", "type": "module", "exports": "./index.js" }',
    'node_modules/p/index.js': 'export default 1',
  }
  const edits = [
    {},
    { 'lib/c.ts': "export const c = 'C'" },
    { 'lib/b.cjs': "module.exports = 'B'", 'node_modules/p/index.js': 'export default 2' },
    { 'lib/c.ts': 'export const d = 1' },
    { 'lib/c.ts': "export const c = '!'" },
    { 'part.ts': "export default 'alone'" },
  ]
  expect(run(files, ...edits)).toEqual([
    { a: 'bc', p: 1, made: 1, isSame: true },
    { a: 'bc', p: 1, made: 1, isSame: true },
    { a: 'bC', p: 1, made: 2, isSame: true },
    { a: 'bC', p: 1, made: 2, isSame: true },
    null,
    { a: 'b!', p: 1, made: 3, isSame: true },
    'alone',
  ])
}, 30_000)

it('has the same digest for the same texts, wherever they stand, and loads what has not changed once', async () => {
  const load = (text: string) => importFile('', join(folder({ 'part.ts': text }), 'part.ts'))
  const [first, same, other] = [await load('export default 1'), await load('export default 1'), await load('export {}')]
  expect(same.digest).toBe(first.digest)
  expect(other.digest).not.toBe(first.digest)
  const root = folder({ 'part.ts': 'export default 1' })
  const once = await importFile(root, join(root, 'part.ts'))
  expect(await importFile(root, join(root, 'part.ts'))).toBe(once)
  rmSync(join(root, 'part.ts'))
  await expect(importFile(root, join(root, 'part.ts'))).rejects.toThrow('part.ts')
})

it('marks files of the project that a marked file imports, and nothing else', async () => {
  // the first import of a process has the mark 1
  vi.resetModules()
  const { importFile, resolve } = await import('../../src/core/own-import.ts')
  const from = (parentURL: string | undefined, url: string, format = 'module') => {
    const context = { conditions: [], importAttributes: {}, parentURL } satisfies ResolveHookContext
    return resolve('./it', context, () => ({ url, format })).url
  }
  const root = folder({ 'part.ts': 'export default 1' })
  await importFile(root, join(root, 'part.ts'))
  const inside = (name: string) => pathToFileURL(join(root, name)).href
  const marked = `${inside('part.ts')}?millrace=1`
  expect(from(marked, inside('lib/a.ts'))).toBe(`${inside('lib/a.ts')}?millrace=1`)
  for (const other of ['node:fs', inside('node_modules/a.js'), 'file:///elsewhere/a.ts'])
    expect(from(marked, other)).toBe(other)
  expect(from(marked, inside('lib/a.cjs'), 'commonjs')).toBe(inside('lib/a.cjs'))
  for (const unmarked of [undefined, inside('part.ts'), marked.replace('=1', '=2')])
    expect(from(unmarked, inside('lib/a.ts'))).toBe(inside('lib/a.ts'))
  const millrace = resolve('millrace', { conditions: [], importAttributes: {}, parentURL: marked }, (url) => ({ url }))
  expect(millrace.url).toMatch(/\/src\/index\.ts$/)
})
