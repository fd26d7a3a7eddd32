import { readdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { renderProblems, sortProblems, visible } from '../core/problem.ts'
import { readYaml } from '../core/read-yaml.ts'
import type { YamlFile } from '../core/yaml.ts'
import { isTestFile, type Project } from '../project/check.ts'
import { readCases, type TestCase } from '../testing/cases.ts'
import { offsetText } from '../testing/moment.ts'
import { type Failure, runCase } from '../testing/run-case.ts'
import type { Terminal } from './console.ts'
import { loadProject } from './project.ts'
import { pathsOf } from './reload.ts'
import { watchFiles } from './watch.ts'

interface TestOptions {
  readonly directory: string
  readonly filter?: string
  readonly json?: boolean
  readonly watch?: boolean
}

interface Ran {
  /** 0 when all are as expected, 1 otherwise, also when there is none. */
  readonly code: number
  /** What was read. */
  readonly paths: readonly string[]
}

/** Runs the test cases of a project, with `watch` again whenever one of its files changes. Answers as the last run. */
export async function test({ watch, ...options }: TestOptions, terminal: Terminal): Promise<number> {
  let last: Ran = { code: 1, paths: usualPaths(options.directory) }
  const run = async () => {
    last = await runAll(options, terminal)
  }
  const first = run()
  const again = async () => {
    await first
    terminal.out.write('\n')
    await run()
  }
  // what is edited while they run is noticed too
  if (watch) await watchFiles(() => last.paths, again, terminal.stopSignal)
  await first
  return last.code
}

async function runAll(options: TestOptions, terminal: Terminal): Promise<Ran> {
  const project = await loadProject(options.directory, terminal)
  if (!project) return { code: 1, paths: usualPaths(options.directory) }
  return { code: await runProject(project, options, terminal), paths: pathsOf(project) }
}

const usualPaths = (directory: string) =>
  ['millrace.yaml', 'topologies', 'schemas', 'parts'].map((path) => join(resolve(directory), path))

async function runProject(project: Project, { filter, json }: TestOptions, terminal: Terminal): Promise<number> {
  const files = await testFiles(project)
  const all = files.flatMap((file) => readCases(file, project))
  const problems = sortProblems(files.flatMap((file) => file.problems))
  if (problems.length > 0) {
    if (json) terminal.out.write(`${JSON.stringify({ problems, cases: [] })}\n`)
    else terminal.error(renderProblems(problems))
    return 1
  }
  const cases = all.filter(
    ({ name, file, topology }) =>
      filter === undefined || [name, file.file, topology.name].some((text) => text.includes(filter)),
  )
  if (cases.length === 0) {
    const folder = project.config.topologies
    const none = `no test cases: write ${folder}/<name>.test.yaml`
    terminal.error(
      `millrace test: ${all.length === 0 ? none : `no case has '${filter}' in its name, file or topology`}`,
    )
    return 1
  }
  return json ? inJson(cases, project, terminal) : inWords(cases, project, terminal)
}

async function testFiles({ directory, config }: Project): Promise<YamlFile[]> {
  const names = (await readdir(join(directory, config.topologies))).filter(isTestFile).sort()
  const read = await Promise.all(
    names.map((name) => readYaml(resolve(directory, config.topologies, name), join(config.topologies, name))),
  )
  return read.flatMap((each) => each?.file ?? [])
}

async function inWords(cases: readonly TestCase[], project: Project, { out }: Terminal): Promise<number> {
  let wrong = 0
  let file: string | undefined
  for (const each of cases) {
    if (file !== each.file.file) out.write(`${visible(each.file.file)}\n`)
    file = each.file.file
    const failures = await runCase(each, project)
    out.write(`  ${failures.length === 0 ? '✓' : '✗'} ${visible(each.name)}\n`)
    if (failures.length > 0) wrong++
    for (const failure of failures) out.write(told(each, failure))
  }
  const count = cases.length === 1 ? '1 case' : `${cases.length} cases`
  out.write(`${count}: ${wrong === 0 ? 'as expected' : `${wrong} not as expected`}\n`)
  return wrong === 0 ? 0 : 1
}

function told({ file, start }: TestCase, { line, column, what, expected, actual, asOf, hint }: Failure): string {
  const since = asOf === undefined ? '' : `, as of ${new Date(asOf).toISOString()} (${offsetText(asOf, start)})`
  return `      ${visible(file.file)}:${line}:${column}: ${visible(what)}
          expected ${shown(expected)}
          actual   ${shown(actual)}${since}
${hint === undefined ? '' : `          ${visible(hint)}\n`}`
}

function shown(value: unknown): string {
  return visible(typeof value === 'string' ? value : JSON.stringify(value))
}

async function inJson(cases: readonly TestCase[], project: Project, { out }: Terminal): Promise<number> {
  const told: object[] = []
  let passed = true
  for (const each of cases) {
    const { name, file, path, topology } = each
    const failures = await runCase(each, project)
    passed &&= failures.length === 0
    const said = failures.map(({ asOf, ...failure }) => ({
      ...failure,
      file: file.file,
      ...(asOf === undefined ? {} : { asOf: new Date(asOf).toISOString() }),
    }))
    const place = file.place(path)
    told.push({
      case: name,
      topology: topology.name,
      file: file.file,
      ...place,
      passed: failures.length === 0,
      failures: said,
    })
  }
  out.write(`${JSON.stringify({ problems: [], cases: told })}\n`)
  return passed ? 0 : 1
}
