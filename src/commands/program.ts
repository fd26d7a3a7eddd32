/** What the command line offers. A command's own file is loaded when it is called, so that the others cost nothing. */
import { readFileSync } from 'node:fs'
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import type { Terminal } from './console.ts'

/** Answers the exit code: 0 done, 1 failed (said on stderr), 2 wrong usage. Never rejects. */
export async function runProgram(args: readonly string[], terminal: Terminal): Promise<number> {
  let code = 0
  const program = programFor(terminal, (answered) => {
    code = answered
  })
  try {
    await program.parseAsync([...args], { from: 'user' })
    return code
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    terminal.error(`millrace: ${error instanceof Error ? error.message : error}`)
    return 1
  }
}

const directory = () =>
  new Option('-d, --directory <path>', 'project: millrace.yaml, topologies/, schemas/').default('.')
const port = () =>
  new Option('--port <number>', "port of the API; by default the project's").argParser(number(0, 65_535))
const apiPort = () =>
  new Option('--port <number>', "port of the API; by default that of --url or the project's").argParser(
    number(1, 65_535),
  )
const url = () => new Option('--url <url>', "where the API is; by default the project's http address")
const json = () => new Option('--json', 'answer in JSON')

function programFor(terminal: Terminal, exit: (code: number) => void): Command {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  const program = new Command('millrace')
    .description('Topologies declared in YAML turn Avro events into live features.')
    .version(version)
    .showHelpAfterError('(add --help for the options)')
    .configureOutput({
      writeOut: (text) => terminal.out.write(text),
      writeErr: (text) => terminal.error(text.trimEnd()),
    })
    .exitOverride()
    .addHelpText(
      'after',
      examples('millrace dev', 'millrace check', 'millrace features get store store-1', 'millrace <command> --help'),
    )

  program
    .command('dev')
    .description('Run everything on this machine, fed by a simulated city or by a file of your own events.')
    .addOption(directory())
    .option('--rate <events/s>', 'events per second of wall time, in the mean over the day', number(0.1, 100_000), 50)
    .option('--speed <factor>', 'simulated seconds per second', number(0.1, 10_000), 1)
    .option('--seed <number>', 'another seed, another city', number(0, 2 ** 31), 1)
    .option('--replay <file>', 'feed these events instead: NDJSON, .gz too; {"topic": "orders", "event": {…}} a line')
    .addOption(port())
    .addHelpText(
      'after',
      `${examples(
        'millrace dev                         the city at 50 events/s',
        'millrace dev --rate 2000 --speed 60  an hour a minute',
        'millrace dev --replay events.ndjson  your own events',
      )}

Log, schemas, state and features are embedded, in .millrace/, whatever kinds of transport, registry, state and
store millrace.yaml names for \`millrace run\`; its other settings hold. A restart goes on where it was; remove
.millrace/ to start afresh. A replay always starts afresh, beside the rest, and leaves nothing behind. When the file
is through, its features are served until Ctrl-C. Ctrl-C again stops at once.

A line of --replay is {"topic": "orders", "event": {…}}, with "key" (text) and "timestamp" (ms since 1970) if you like;
where the topologies read one topic, the bare event will do. Bad lines are reported and passed over.`,
    )
    .action(async (options) => exit(await (await import('./dev/index.ts')).dev(options, terminal)))

  program
    .command('run')
    .description('Run the topologies of a project as a worker, until SIGTERM.')
    .addOption(directory())
    .addOption(port())
    .addHelpText(
      'after',
      `${examples(
        'millrace run --directory /etc/millrace',
        'millrace run --port 0 > worker.log   a second worker on this machine',
      )}

Logs are JSON lines on stdout; LOG_LEVEL=debug says more. millrace.yaml may name variables of the environment.
Exit codes: 0 stopped by a signal, 1 could not start.`,
    )
    .action(async (options) => exit(await (await import('./run.ts')).run(options, terminal)))

  program
    .command('check')
    .description('Check millrace.yaml and all topologies; needs no broker.')
    .addOption(directory())
    .addOption(json())
    .addHelpText(
      'after',
      `${examples('millrace check', 'millrace check --directory city --json | jq .problems')}

Every fault is file:line:column, what was found, what was expected. Exit codes: 0 right, 1 faults.`,
    )
    .action(async (options) => exit(await (await import('./check.ts')).check(options, terminal)))

  program
    .command('rebuild')
    .description("Compute a topology's state and features again from the start of its topics, beside the old ones.")
    .argument('<topology>', 'such as store-load')
    .addOption(directory())
    .addHelpText(
      'after',
      `${examples('millrace rebuild store-load')}

Needs the services of millrace.yaml. Workers take it up when they are started again; until they have caught up, the
API serves the old features. What the topics no longer hold is not in the new ones. With embedded state, stop the
worker first.`,
    )
    .action(async (topology, options) =>
      exit(await (await import('./rebuild.ts')).rebuild(topology, options, terminal)),
    )

  const features = program
    .command('features')
    .description('Read features from a running Millrace.')
    .addHelpText('after', examples('millrace features get store store-1', 'millrace features watch store store-1'))
  features
    .command('get')
    .description('Print the features of one entity.')
    .argument('<entity>', 'such as store')
    .argument('<id>', 'such as store-1')
    .option('--feature <name...>', 'these only')
    .addOption(url())
    .addOption(apiPort())
    .addOption(directory())
    .addOption(json())
    .addHelpText(
      'after',
      examples('millrace features get store store-1', 'millrace features get store store-1 --json | jq .features'),
    )
    .action(async (entity, id, options) =>
      exit(await (await import('./features.ts')).getFeatures(entity, id, options, terminal)),
    )
  features
    .command('watch')
    .description('Print the features of one entity whenever they change, until Ctrl-C.')
    .argument('<entity>', 'such as store')
    .argument('<id>', 'such as store-1')
    .option('--feature <name...>', 'these only')
    .option('--every <ms>', 'how often to look', number(50, 3_600_000), 1_000)
    .addOption(url())
    .addOption(apiPort())
    .addOption(directory())
    .addOption(json())
    .addHelpText(
      'after',
      examples('millrace features watch store store-1', 'millrace features watch store store-1 --feature orders_5m'),
    )
    .action(async (entity, id, options) =>
      exit(await (await import('./features.ts')).watchFeatures(entity, id, options, terminal)),
    )
  return program
}

function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}`
}

function number(min: number, max: number) {
  return (text: string): number => {
    const value = Number(text)
    if (text.trim() === '' || !(value >= min && value <= max))
      throw new InvalidArgumentError(`expected a number from ${min} to ${max}.`)
    return value
  }
}
