/** `npm run planted-bugs`: can the suites fail? */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command } from 'commander'
import { BUGS } from './bugs.ts'
import { findNothing, hunt } from './hunt.ts'
import { Tree } from './tree.ts'

const values = new Command('npm run planted-bugs --')
  .description(
    'Plant known bugs in a copy of the project, one at a time, and look for them. Exit code 1 when one is not caught, cannot be planted, or something is found where there is none.',
  )
  .option('--only <pattern>', 'bugs whose name it finds, a regular expression', '')
  .option(
    '--unit',
    'plant all that are called invisible at once instead, and run the ordinary tests, which see none of them',
    false,
  )
  .parse()
  .opts<{ readonly only: string; readonly unit: boolean }>()
const UNIT = ['test/core', 'test/engine', 'test/features', 'test/aggregations', 'test/transforms', 'test/sinks']

const bugs = BUGS.filter(({ name }) => new RegExp(values.only).test(name))
if (bugs.length === 0) {
  console.error(`No bug has a name in which ${values.only} is found.`)
  process.exit(1)
}
const tree = await Tree.copy()
let missed = 0
try {
  if (values.unit) await tellInvisible()
  else await tellCaught()
} finally {
  await tree.remove()
}
process.exitCode = missed > 0 ? 1 : 0

async function tellCaught(): Promise<void> {
  await findNothing(tree, bugs)
  for (const bug of bugs) {
    const { caughtBy, seconds } = await hunt(tree, bug)
    if (caughtBy === undefined) missed++
    console.log(`| ${bug.name} | ${caughtBy ?? '**not caught**'} | ${seconds.toFixed(1)} s |`)
  }
  console.log(`${bugs.length - missed} of ${bugs.length} caught`)
}

async function tellInvisible(): Promise<void> {
  const invisible = bugs.filter(({ isInvisible }) => isInvisible)
  const { status, output } = await tree.withAll(invisible, () => tree.vitest(...ordinaryTests()))
  if (status !== 0) missed++
  console.log(status === 0 ? `ordinary tests see none of ${invisible.length} bugs` : output)
}

/** Tests of one part each, and of the engine without faults. */
function ordinaryTests(): string[] {
  const files = UNIT.flatMap((folder) =>
    readdirSync(join(tree.directory, folder), { recursive: true, encoding: 'utf8' }).map((file) => join(folder, file)),
  )
  const isOrdinary = (file: string) => !readFileSync(join(tree.directory, file), 'utf8').includes('unreliable')
  return files.filter((file) => file.endsWith('.test.ts') && isOrdinary(file))
}
