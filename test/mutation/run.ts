/**
 * `npm run mutation [-- [--tests FILES] FILES]`: the mutation score of the engine and the aggregations, or of these files, by Stryker,
 * per file; `--tests`: on these tests alone. On demand: minutes a file. Fails below 85 % in all. Stryker is installed into a
 * copy of the project, so that nobody who does not ask for it installs its 180 packages.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'

const STRYKER = ['@stryker-mutator/core@10.1.1', '@stryker-mutator/vitest-runner@10.1.1']
const LEAST = 85
const ALL = ['src/aggregations/**/*.ts', 'src/engine/**/*.ts']
const TESTS = 'test/aggregations/*.test.ts,test/engine/*.test.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { tests: { type: 'string', default: TESTS } },
})
const root = join(import.meta.dirname, '../..')
const directory = mkdtempSync(join(tmpdir(), 'millrace-mutation-'))
const run = (command: string, ...args: string[]) =>
  execFileSync(command, args, {
    cwd: directory,
    stdio: 'inherit',
    env: { ...process.env, MUTATION_TESTS: values.tests },
  })

const config = {
  testRunner: 'vitest',
  plugins: ['@stryker-mutator/vitest-runner'],
  vitest: { configFile: 'test/mutation/vitest.config.ts', related: false },
  mutate: positionals.length > 0 ? positionals : ALL,
  coverageAnalysis: 'perTest',
  // what is computed once when a file is loaded: settings and their texts, which other tests hold
  ignoreStatic: true,
  // messages are read by people: the tests of check and of the docs hold them
  mutator: { excludedMutations: ['StringLiteral'] },
  concurrency: 1,
  timeoutMS: 20_000,
  disableTypeChecks: true,
  reporters: ['clear-text', 'json'],
  clearTextReporter: { allowColor: false, logTests: false, reportTests: false },
  jsonReporter: { fileName: 'mutation.json' },
}

interface Report {
  readonly files: Readonly<Record<string, { readonly mutants: readonly { readonly status: string }[] }>>
}

/** Mutants found, and those that count. */
function counted(mutants: readonly { readonly status: string }[]): readonly [found: number, all: number] {
  const of = (...statuses: string[]) => mutants.filter(({ status }) => statuses.includes(status)).length
  const found = of('Killed', 'Timeout')
  return [found, found + of('Survived', 'NoCoverage')]
}

try {
  cpSync(root, directory, {
    recursive: true,
    filter: (path) => !['node_modules', '.git', 'dist', '.millrace'].includes(basename(path)),
  })
  writeFileSync(join(directory, 'stryker.config.json'), JSON.stringify(config))
  run('npm', 'ci', '--no-audit', '--no-fund')
  run('npm', 'install', '--no-save', '--no-audit', '--no-fund', ...STRYKER)
  run('npx', '--no-install', 'stryker', 'run')
  const { files } = JSON.parse(readFileSync(join(directory, 'mutation.json'), 'utf8')) as Report
  const line = (name: string, [found, all]: readonly [number, number]) =>
    console.log(`${((100 * found) / all).toFixed(1).padStart(5)} %  ${found} of ${all}  ${name}`)
  for (const [name, { mutants }] of Object.entries(files)) line(name, counted(mutants))
  const total = counted(Object.values(files).flatMap(({ mutants }) => mutants))
  line('all', total)
  process.exitCode = total[0] * 100 < total[1] * LEAST ? 1 : 0
} finally {
  rmSync(directory, { recursive: true, force: true })
}
