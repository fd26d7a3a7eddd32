/**
 * Time, chance and scheduling reach the core, the engine and what computes features through interfaces only: so the same calls make the same
 * run, and tests can turn the clock.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import ts from 'typescript'
import { expect, test } from 'vitest'

const FOLDERS = ['core', 'engine', 'aggregations', 'operators']
/** The one door through which time comes in. */
const DOOR = join('core', 'clock.ts')

const GLOBALS = ['setTimeout', 'setInterval', 'setImmediate', 'fetch', 'performance', 'crypto']
const MEMBERS = ['Date.now', 'Math.random', 'process.hrtime', 'AbortSignal.timeout']
const MODULES = ['timers', 'timers/promises', 'perf_hooks', 'http', 'https', 'net', 'dgram']
/** Of node:crypto, what is a function of its input. */
const OF_CRYPTO = ['createHash']

/** What a file asks of clocks, chance or the network, as it is written there. */
function asked(text: string): string[] {
  const source = ts.createSourceFile('file.ts', text, ts.ScriptTarget.Latest, true)
  const found: string[] = []
  const isName = (node: ts.Identifier) =>
    (ts.isPropertyAccessExpression(node.parent) && node.parent.name === node) ||
    ((ts.isPropertyAssignment(node.parent) || ts.isPropertySignature(node.parent)) && node.parent.name === node) ||
    ts.isBindingElement(node.parent)
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node) && GLOBALS.includes(node.text) && !isName(node)) found.push(node.text)
    if (ts.isPropertyAccessExpression(node) && MEMBERS.some((member) => node.getText().startsWith(member)))
      found.push(node.getText())
    if (ts.isNewExpression(node) && node.getText().startsWith('new Date') && !node.arguments?.length)
      found.push('new Date()')
    if (ts.isImportDeclaration(node)) found.push(...imported(node))
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

function imported({ moduleSpecifier, importClause }: ts.ImportDeclaration): string[] {
  const module = (moduleSpecifier as ts.StringLiteral).text.replace(/^node:/, '')
  if (MODULES.includes(module)) return [module]
  const named = importClause?.namedBindings
  if (module !== 'crypto') return []
  if (!named || !ts.isNamedImports(named)) return [module]
  return named.elements
    .map(({ name, propertyName }) => (propertyName ?? name).text)
    .filter((name) => !OF_CRYPTO.includes(name))
}

test.each([
  ['const now = Date.now()', 'Date.now'],
  ['const now = new Date()', 'new Date()'],
  ['const now = performance.now()', 'performance'],
  ['const chance = Math.random()', 'Math.random'],
  ['setTimeout(end, 5)', 'setTimeout'],
  ["import { scheduler } from 'node:timers/promises'", 'timers/promises'],
  ["await fetch('http://x')", 'fetch'],
  ["import { createHash, randomUUID } from 'node:crypto'", 'randomUUID'],
  ['const id = crypto.randomUUID()', 'crypto'],
  ['const signal = AbortSignal.timeout(5)', 'AbortSignal.timeout'],
])('%s is found', (text, what) => {
  expect(asked(text)).toEqual([what])
})

test.each([
  'const when = new Date(declaredAt).toISOString()',
  'const now = clock.now()',
  "import { createHash } from 'node:crypto'",
  'await transport.fetch(x)',
])('%s is allowed', (text) => {
  expect(asked(text)).toEqual([])
})

test('nothing that computes asks for time, chance or the network by itself', () => {
  const root = join(import.meta.dirname, '../src')
  const files = FOLDERS.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
      .map((entry) => join(entry.parentPath, entry.name)),
  )
  const faults = files
    .filter((file) => relative(root, file) !== DOOR)
    .flatMap((file) => asked(readFileSync(file, 'utf8')).map((what) => `src/${relative(root, file)}: ${what}`))
  expect(files.length).toBeGreaterThan(50)
  expect(faults).toEqual([])
})
