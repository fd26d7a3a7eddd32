/**
 * `npm run mutation`: the mutation score of the engine and the aggregations by Stryker. On demand: minutes a file. Stryker is
 * installed beside a copy of the project, so that nobody who does not ask for it installs its packages. Tests are called by `runner.ts`.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
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
    seconds: { type: 'string', default: '3' },
    concurrency: { type: 'string', default: '1' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
const files = positionals.length > 0 ? positionals : ALL
/** Those of the same folder. */
const tests = values.tests ?? [...new Set(files.map((file) => `test/${file.split('/')[1]}/*.test.ts`))].join(',')

if (values.help) {
  console.log(`npm run mutation [-- [options] [files]]

Changes the files in many small ways, one at a time, and tries each change on the tests that reach it. Prints each change that no
test noticed when it is found, how far it is, and in the end how many there were in each file, and how many of them were
killed: noticed by a test. Exits with 1 when of all together fewer than ${LEAST} % were.

files                which to change, also with * and **; ${ALL.join(' ')}
--tests a,b          the tests to try them on; those in the folders of test/ that the files have in src/
--seconds n          CPU that tests of one change may take, by what they take without it: those named as the file, then others, the
                     shortest first; ${values.seconds}. So a score is a lower bound
--concurrency n      how many changes are tried at a time; 1`)
  process.exit()
}

const root = join(import.meta.dirname, '../..')
const directory = mkdtempSync(join(tmpdir(), 'millrace-mutation-'))
const env = { ...process.env, MUTATION_TESTS: tests, MUTATION_SECONDS: values.seconds }
/** Did it succeed? */
const run = (command: string, ...args: string[]): boolean =>
  spawnSync(command, args, { cwd: directory, stdio: 'inherit', env }).status === 0

const config = {
  testRunner: 'in-process',
  plugins: ['./test/mutation/runner.ts', './test/mutation/reporter.ts'],
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
  reporters: ['table'],
  thresholds: { break: LEAST },
}

try {
  console.log(`copying the project to ${directory} and installing Stryker there …`)
  cpSync(root, directory, {
    recursive: true,
    filter: (path) => !['node_modules', '.git', 'dist', '.millrace'].includes(basename(path)),
  })
  writeFileSync(join(directory, 'stryker.config.json'), JSON.stringify(config))
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'))
  const isDone =
    run('npm', 'install', '--prefix', 'stryker', '--no-audit', '--no-fund', '--loglevel=error', STRYKER) &&
    run(process.execPath, 'stryker/node_modules/@stryker-mutator/core/bin/stryker.js', 'run')
  process.exitCode = isDone ? 0 : 1
} finally {
  rmSync(directory, { recursive: true, force: true })
}
