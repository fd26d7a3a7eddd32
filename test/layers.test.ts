/** Imports go one way: main → api → capabilities → engine → core; parts → core. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, posix, relative } from 'node:path'
import ts from 'typescript'
import { expect, test } from 'vitest'

const CAPABILITIES = ['features', 'transforms', 'lake', 'segments', 'ingestion', 'subscriptions', 'governance']
const PARTS = [
  ...['transports', 'registries', 'codecs', 'state', 'stores', 'sinks', 'aggregations', 'operators'],
  ...['objects', 'indexes', 'metadata'],
]
/** What knows all capabilities, which know nothing of each other. */
const BELOW_API = ['project', ...CAPABILITIES, 'engine', 'core']
const BELOW_MAIN = ['api', 'dev', ...BELOW_API, ...PARTS]
/** The top: what is wired together, and the commands that people call. */
const TOP = ['main.ts', 'commands', 'runtime']

/** What files of a folder of `src` (or of a file right in it) may import, beside their own folder. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  ...Object.fromEntries(TOP.map((top) => [top, [...TOP, ...BELOW_MAIN, 'testing']])),
  'index.ts': BELOW_MAIN,
  testing: ['api', ...BELOW_API, ...PARTS],
  dev: BELOW_API,
  api: BELOW_API,
  project: [...CAPABILITIES, 'engine', 'core'],
  ...Object.fromEntries(CAPABILITIES.map((capability) => [capability, ['engine', 'core']])),
  engine: ['core'],
  ...Object.fromEntries(PARTS.map((part) => [part, ['connections', 'core']])),
  connections: ['core'],
  core: [],
}

/** One line per import against the rule; `sources` is text by path below `src`. */
function violations(sources: ReadonlyMap<string, string>): string[] {
  return [...sources].flatMap(([file, text]) =>
    ts
      .preProcessFile(text)
      .importedFiles.map((found) => found.fileName)
      .filter((found) => found.startsWith('.'))
      .map((found) => [found, broken(file, posix.join(posix.dirname(file), found))] as const)
      .filter(([, rule]) => rule !== undefined)
      .map(([found, rule]) => `src/${file} imports ${found}: ${rule}`),
  )
}

/** The rule that an import breaks. */
function broken(file: string, imported: string): string | undefined {
  const [from, to] = [file, imported].map((path) => path.split('/')[0] as string) as [string, string]
  const allowed = MAY_IMPORT[from]
  if (!allowed) return `${from} is in no layer; give it one in this test`
  if (from !== to) return allowed.includes(to) ? undefined : `${from} may import only ${allowed.join(', ') || 'itself'}`
  if (PARTS.includes(from) && partOf(file) !== partOf(imported)) return 'parts never import each other'
  return undefined
}

/** `transports/kafka` for both transports/kafka.ts and transports/kafka/assigner.ts. */
const partOf = (path: string) => path.split('/').slice(0, 2).join('/').replace(/\.ts$/, '')

test.each([
  ['core/clock.ts', '../engine/task.ts', 'core may import only itself'],
  ['engine/task.ts', '../state/redis.ts', 'engine may import only core'],
  ['engine/task.ts', '../features/compile.ts', 'engine may import only core'],
  ['features/compile.ts', '../lake/river.ts', 'features may import only engine, core'],
  ['features/compile.ts', '../api/app.ts', 'features may import only engine, core'],
  ['state/redis.ts', '../stores/redis.ts', 'state may import only connections, core'],
  ['state/redis.ts', './embedded.ts', 'parts never import each other'],
  ['transports/kafka/index.ts', '../embedded/log.ts', 'parts never import each other'],
  ['testing/driver.ts', '../main.ts', 'testing may import only'],
  ['testing/driver.ts', '../dev/simulator.ts', 'testing may import only'],
  ['utils/text.ts', '../core/key.ts', 'utils is in no layer'],
])('%s may not import %s', (file, imported, rule) => {
  const statements = [`import { x } from '${imported}'`, `await import('${imported}')`, `export * from '${imported}'`]
  for (const statement of statements)
    expect(violations(new Map([[file, statement]]))).toEqual([
      expect.stringContaining(`src/${file} imports ${imported}: ${rule}`),
    ])
})

test.each([
  ['main.ts', './dev/simulator.ts'],
  ['api/app.ts', '../features/compile.ts'],
  ['features/compile.ts', '../engine/task.ts'],
  ['engine/task.ts', '../core/model.ts'],
  ['state/redis.ts', '../core/model.ts'],
  ['transports/kafka/index.ts', './assigner.ts'],
  ['testing/driver.ts', '../engine/task.ts'],
])('%s may import %s', (file, imported) => {
  expect(violations(new Map([[file, `import { x } from '${imported}'`]]))).toEqual([])
})

test('no file imports against the layers', () => {
  const root = join(import.meta.dirname, '../src')
  const files = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
  const sources = new Map(files.map((file) => [relative(root, file), readFileSync(file, 'utf8')]))
  expect(sources.has(join('core', 'model.ts'))).toBe(true)
  expect(violations(sources)).toEqual([])
})
