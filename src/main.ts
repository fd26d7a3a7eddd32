#!/usr/bin/env node
/** The command line: the only reader of arguments and environment. Each command is a file in `commands/`. */
import { readFileSync } from 'node:fs'
import process from 'node:process'
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { check } from './commands/check.ts'
import type { Terminal } from './commands/console.ts'
import { dev } from './commands/dev.ts'
import { getFeatures, watchFeatures } from './commands/features.ts'
import { run } from './commands/run.ts'

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }

/** Prints go through here, so that commands can be called from tests. */
const terminal: Terminal = {
  out: process.stdout,
  error: (text) => process.stderr.write(`${text}\n`),
  environment: process.env,
  stopSignal: stopSignal(),
}

function stopSignal(): AbortSignal {
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (stop.signal.aborted) process.exit(130)
      stop.abort()
    })
  }
  return stop.signal
}

function number(min: number, max: number) {
  return (text: string): number => {
    const value = Number(text)
    if (text.trim() === '' || !(value >= min && value <= max))
      throw new InvalidArgumentError(`expected a number from ${min} to ${max}.`)
    return value
  }
}

const program = new Command('millrace')
  .description('Topologies declared in YAML turn Avro events into live features.')
  .version(version)
  .showHelpAfterError('(add --help for the options)')
  .exitOverride()

const directory = () =>
  new Option('-d, --directory <path>', 'project: millrace.yaml, topologies/, schemas/').default('.')
const url = () => new Option('--url <url>', "where the API is; by default the project's http address")
const json = () => new Option('--json', 'answer in JSON')

program
  .command('dev')
  .description('Run everything on this machine, fed by a simulated city or by a file of your own events.')
  .addOption(directory())
  .option('--rate <events/s>', 'events per second of wall time, in the mean over the day', number(0.1, 100_000), 50)
  .option('--speed <factor>', 'simulated seconds per second', number(0.1, 10_000), 1)
  .option('--seed <number>', 'another seed, another city', number(0, 2 ** 31), 1)
  .option('--replay <file>', 'feed these events instead: NDJSON, .gz too; {"topic": "orders", "event": {…}} a line')
  .option('--port <number>', "port of the API; by default the project's", number(0, 65_535))
  .addHelpText(
    'after',
    `
Examples:
  millrace dev                         the city at 50 events/s
  millrace dev --rate 2000 --speed 60  an hour a minute
  millrace dev --replay events.ndjson  your own events

State stays in .millrace/ between runs; remove it to start afresh.`,
  )
  .action(async (options) => exit(await dev(options, terminal)))

program
  .command('run')
  .description('Run the topologies of a project as a worker, until SIGTERM.')
  .addOption(directory())
  .option('--port <number>', "port of the API; by default the project's", number(0, 65_535))
  .addHelpText(
    'after',
    `
Examples:
  millrace run --directory /etc/millrace
  KAFKA=broker:9092 millrace run       with brokers: ["\${KAFKA}"] in millrace.yaml

Logs are JSON lines on stdout. Exit codes: 0 stopped by a signal, 1 could not start, 2 wrong usage.`,
  )
  .action(async (options) => exit(await run(options, terminal)))

program
  .command('check')
  .description('Check millrace.yaml and all topologies; needs no broker.')
  .addOption(directory())
  .addOption(json())
  .addHelpText(
    'after',
    '\nEvery fault is file:line:column, what was found, what was expected. Exit codes: 0 right, 1 faults.',
  )
  .action(async (options) => exit(await check(options, terminal)))

const features = program.command('features').description('Read features from a running Millrace.')
features
  .command('get')
  .description('Print the features of one entity.')
  .argument('<entity>', 'such as store')
  .argument('<id>', 'such as store-1')
  .option('--feature <name...>', 'these only')
  .addOption(url())
  .addOption(directory())
  .addOption(json())
  .addHelpText(
    'after',
    '\nExamples:\n  millrace features get store store-1\n  millrace features get store store-1 --json | jq .features',
  )
  .action(async (entity, id, options) => exit(await getFeatures(entity, id, options, terminal)))
features
  .command('watch')
  .description('Print the features of one entity whenever they change, until Ctrl-C.')
  .argument('<entity>', 'such as store')
  .argument('<id>', 'such as store-1')
  .option('--feature <name...>', 'these only')
  .option('--every <ms>', 'how often to look', number(50, 3_600_000), 1_000)
  .addOption(url())
  .addOption(directory())
  .addOption(json())
  .addHelpText('after', '\nExample:\n  millrace features watch store store-1')
  .action(async (entity, id, options) => exit(await watchFeatures(entity, id, options, terminal)))

function exit(code: number): void {
  process.exitCode = code
}

try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2
  else {
    process.stderr.write(`millrace: ${error instanceof Error ? error.message : error}\n`)
    process.exitCode = 1
  }
}
