/** `npm run fuzz`: inputs that nobody meant, for whatever reads bytes or texts. */
import { Worker } from 'node:worker_threads'
import { Command, Option } from 'commander'
import { number } from '../../src/commands/usage/options.ts'
import { loadTarget, type Report, targetNames } from './target.ts'
import type { Work } from './worker.ts'

/** A seed that takes longer does not end: the slowest take a second. */
const ENDLESS_MS = 60_000
const SAID_EVERY_MS = 10_000
const SLICES = 10

const whole = number(0, 2 ** 31, true)
const {
  target: only,
  seed,
  inputs,
} = new Command('npm run fuzz --')
  .description(
    'Make inputs, right and changed, and hold what reads them to an oracle. A failure is printed with its seed, its input and the command that shows it again, and ends the run with exit code 1.',
  )
  .addOption(new Option('--target <name>', 'one alone').choices(targetNames()))
  .option('--inputs <n>', `how many for each target (default: ${SLICES} times what CI tries, 10 minutes in all)`, whole)
  .addOption(new Option('--seed <n>', 'the first').argParser(whole).default(Date.now() % 2 ** 31, 'the time'))
  .parse()
  .opts<{ readonly target?: string; readonly seed: number; readonly inputs?: number }>()

async function runOne(target: string): Promise<Report> {
  const { promise, resolve, reject } = Promise.withResolvers<Report>()
  const progress = new Float64Array(new SharedArrayBuffer(16))
  const work: Work = { target, seed, inputs: inputs ?? SLICES * (await loadTarget(target)).slice, progress }
  const worker = new Worker(new URL('worker.ts', import.meta.url), { workerData: work })
  let [last, since, said] = [-1, Date.now(), Date.now()]
  const watch = setInterval(() => {
    const [at = 0, tried = 0] = progress
    const now = Date.now()
    if (now - said > SAID_EVERY_MS) {
      console.log(`${target}: ${tried} inputs, at seed ${at}`)
      said = now
    }
    if (at !== last) [last, since] = [at, now]
    else if (now - since > ENDLESS_MS)
      reject(
        new Error(`${target}, seed ${at}: no end\nagain: npm run fuzz -- --target ${target} --seed ${at} --inputs 1`),
      )
  }, 1_000)
  worker.on('message', ({ report, failed }: { report?: Report; failed?: string }) =>
    report ? resolve(report) : reject(new Error(failed)),
  )
  worker.on('error', reject)
  worker.on('exit', (code) => reject(new Error(`${target}, seed ${progress[0]}: its thread ended with ${code}`)))
  return promise.finally(() => {
    clearInterval(watch)
    void worker.terminate()
  })
}

console.log(`seed ${seed}`)
try {
  for (const target of only === undefined ? targetNames() : [only]) {
    const started = Date.now()
    const report = await runOne(target)
    const seconds = ((Date.now() - started) / 1000).toFixed(1)
    const outcomes = [...report.outcomes].sort(([, a], [, b]) => b - a).map(([name, count]) => `${name} ${count}`)
    console.log(`${target}: ${report.inputs} inputs, ${report.seeds} seeds, ${seconds} s: ${outcomes.join(', ')}`)
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
