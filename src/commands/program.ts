/** What the command line offers. How a command is called stands in a file of its own in `usage/`; add it to `USAGES`. */
import { readFileSync } from 'node:fs'
import { Writable } from 'node:stream'
import { Command, CommanderError } from 'commander'
import type { Terminal } from './console.ts'
import { check } from './usage/check.ts'
import { completion } from './usage/completion.ts'
import { dev } from './usage/dev.ts'
import { features } from './usage/features.ts'
import { init } from './usage/init.ts'
import { examples, type Usage } from './usage/options.ts'
import { plan } from './usage/plan.ts'
import { rebuild } from './usage/rebuild.ts'
import { run } from './usage/run.ts'
import { schema } from './usage/schema.ts'
import { tail } from './usage/tail.ts'
import { test } from './usage/test.ts'
import { topics } from './usage/topics.ts'
import { topologies } from './usage/topologies.ts'

/** In the order of `millrace --help`. */
const USAGES: readonly Usage[] = [
  init,
  dev,
  run,
  check,
  test,
  plan,
  rebuild,
  topologies,
  topics,
  tail,
  features,
  schema,
  completion,
]

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

/** What `--help` says of every command, by the words that call it. */
export function helpTexts(): ReadonlyMap<string, string> {
  const texts = new Map<string, string>()
  let said = ''
  const out = new Writable({
    write: (chunk, _encoding, done) => {
      said += chunk
      done()
    },
  })
  const terminal = { out, error: () => undefined, environment: {}, stopSignal: new AbortController().signal }
  const add = (command: Command, path: string): void => {
    said = ''
    command.outputHelp()
    texts.set(path, said.trimEnd())
    for (const each of command.commands) add(each, `${path} ${each.name()}`)
  }
  add(
    programFor(terminal, () => undefined),
    'millrace',
  )
  return texts
}

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
      outputError: (text, write) =>
        write(text.includes('too many arguments') ? `${text}(the directory of a project follows -d)\n` : text),
      getOutHelpWidth: () => (terminal.out.isTTY && terminal.out.columns) || 100,
    })
    .exitOverride()
    .addHelpText(
      'after',
      examples('millrace dev', 'millrace check', 'millrace features get store store-1', 'millrace <command> --help'),
    )
  for (const add of USAGES) add(program, { terminal, exit })
  return program
}
