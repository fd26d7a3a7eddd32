/**
 * `npm run mutation`: the mutation score of the engine and the aggregations by Stryker. On demand: minutes a file. Stryker is
 * installed beside a copy of the project, so that nobody who does not ask for it installs its packages. Tests are called by `runner.ts`.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'

const STRYKER = '@stryker-mutator/core@10.1.1'
const LEAST = 85
const ALL = ['src/aggregations/**/*.ts', 'src/engine/**/*.ts']

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    tests: { type: 'string' },
    concurrency: { type: 'string', default: '1' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
const files = positionals.length > 0 ? positionals : ALL
/** Those of the same folder. */
const tests = values.tests ?? [...new Set(files.map((file) => `test/${file.split('/')[1]}/*.test.ts`))].join(',')

if (values.help) {
  console.log(`npm run mutation [-- [options] [files]]

Changes the files in many small ways, one at a time, and tries each change on the tests that reach it. Prints the changes that no
test noticed and, per file, how many of all were noticed. Exits with 1 when of all files fewer than ${LEAST} % were.

files                which to change, also with * and **; ${ALL.join(' ')}
--tests a,b          the tests to try them on; those in the folders of test/ that the files have in src/
--concurrency n      how many changes are tried at a time; 1`)
  process.exit()
}

const root = join(import.meta.dirname, '../..')
const directory = mkdtempSync(join(tmpdir(), 'millrace-mutation-'))
const run = (command: string, ...args: string[]) =>
  execFileSync(command, args, { cwd: directory, stdio: 'inherit', env: { ...process.env, MUTATION_TESTS: tests } })

const config = {
  testRunner: 'in-process',
  plugins: ['./test/mutation/runner.ts'],
  mutate: files,
  coverageAnalysis: 'perTest',
  // what is computed once when a file is loaded: settings and their texts, which other tests hold
  ignoreStatic: true,
  // messages are read by people: the tests of check and of the docs hold them
  mutator: { excludedMutations: ['StringLiteral'] },
  concurrency: Number(values.concurrency),
  // a mutant that loops for ever is ended after this, and a new process begun
  timeoutMS: 6_000,
  disableTypeChecks: true,
  inPlace: true,
  reporters: ['progress-append-only', 'clear-text', 'json'],
  clearTextReporter: { allowColor: false, logTests: false, reportTests: false, reportScoreTable: false },
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
  console.log(`copying the project to ${directory} and installing Stryker there …`)
  cpSync(root, directory, {
    recursive: true,
    filter: (path) => !['node_modules', '.git', 'dist', '.millrace'].includes(basename(path)),
  })
  writeFileSync(join(directory, 'stryker.config.json'), JSON.stringify(config))
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'))
  run('npm', 'install', '--prefix', 'stryker', '--no-audit', '--no-fund', '--loglevel=error', STRYKER)
  run(process.execPath, 'stryker/node_modules/@stryker-mutator/core/bin/stryker.js', 'run')
  const report = JSON.parse(readFileSync(join(directory, 'mutation.json'), 'utf8')) as Report
  const line = (name: string, [found, all]: readonly [number, number]) =>
    console.log(`${((100 * found) / all).toFixed(1).padStart(5)} %  ${found} of ${all}  ${name}`)
  for (const [name, { mutants }] of Object.entries(report.files))
    if (counted(mutants)[1] > 0) line(name, counted(mutants))
  const total = counted(Object.values(report.files).flatMap(({ mutants }) => mutants))
  line('all', total)
  process.exitCode = total[0] * 100 < total[1] * LEAST ? 1 : 0
} finally {
  rmSync(directory, { recursive: true, force: true })
}
