/** Rules of the house that no tool of its own checks. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { describe, expect, test } from 'vitest'

const root = join(import.meta.dirname, '..')
const MOST_LINES = 500

function typescriptIn(folder: string): { name: string; lines: string[] }[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((file) => ({ name: relative(root, file), lines: readFileSync(file, 'utf8').trimEnd().split('\n') }))
}

const isTooLong = (lines: readonly string[]) =>
  lines.length > MOST_LINES && !lines.slice(0, 20).some((line) => /^\s*(\/\/|\/?\*).*\bover 500 lines\b/i.test(line))

/** Numbers of the lines that leave tests out with no comment beside or right above. */
function unexplained(lines: readonly string[]): number[] {
  const isComment = (line: string | undefined) => /^\s*(\/\/|\/?\*)/.test(line ?? '')
  return lines.flatMap((line, index) => {
    const leavesOut = /\b(it|test|describe)\.(\w+\.)*(only|skip|todo|skipIf|runIf)\b/.test(line)
    const explained = isComment(line) || line.includes('// ') || isComment(lines[index - 1])
    return leavesOut && !explained ? [index + 1] : []
  })
}

test('a file over 500 lines says at its head why it is "over 500 lines"', () => {
  const long = Array<string>(MOST_LINES + 1).fill('x()')
  expect(isTooLong(long)).toBe(true)
  expect(isTooLong(['/** Over 500 lines: a table is read more easily in one piece. */', ...long])).toBe(false)
  expect(
    typescriptIn('src')
      .filter(({ lines }) => isTooLong(lines))
      .map(({ name, lines }) => `${name}: ${lines.length} lines`),
  ).toEqual([])
})

test('a test that is left out has its reason beside it', () => {
  const left = ['skip', 'only', 'concurrent.skip'].map((how) => `test.${how}('works')`)
  expect(unexplained(left)).toEqual([1, 2, 3])
  expect(unexplained(['// needs a Docker engine', ...left.slice(0, 1)])).toEqual([])
  expect(
    typescriptIn('test').flatMap(({ name, lines }) => unexplained(lines).map((line) => `${name}:${line}`)),
  ).toEqual([])
})

describe('package.json', () => {
  const read = (file: string) => JSON.parse(readFileSync(join(root, file), 'utf8'))
  const { dependencies, devDependencies, overrides } = read('package.json') as Record<string, Record<string, string>>
  const locked = read('package-lock.json').packages as Record<
    string,
    { version?: string; integrity?: string; optionalDependencies?: Record<string, string> }
  >

  test('names exact versions, and the lock holds those', () => {
    const named = Object.entries({ ...dependencies, ...devDependencies })
    expect(named.length).toBeGreaterThan(0)
    const loose = [...named, ...Object.entries(overrides ?? {})].filter(
      ([, version]) => !/^\d+\.\d+\.\d+\S*$/.test(version),
    )
    expect(loose).toEqual([])
    expect(named.map(([name]) => [name, locked[`node_modules/${name}`]?.version])).toEqual(named)
  })

  // npm leaves out of the lock, without a word, what it could not resolve; `npm ci` then fails on that platform
  test('is locked with every package that is needed on another platform only', () => {
    const present = new Set(Object.keys(locked).map((path) => path.split('node_modules/').at(-1)))
    const wanted = Object.values(locked).flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}))
    expect(wanted.filter((name) => !present.has(name))).toEqual([])
  })

  test.each(['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64', 'win32-x64'])('is locked for %s', (platform) => {
    for (const name of [`@lmdb/lmdb-${platform}`, `@biomejs/cli-${platform}`])
      expect(locked[`node_modules/${name}`]?.integrity, name).toMatch(/^sha512-/)
  })
})
