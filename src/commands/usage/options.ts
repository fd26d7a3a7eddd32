/** What the usages of commands have in common: options that mean the same everywhere, and how examples are shown. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Terminal } from '../console.ts'

/**
 * Adds one command to the program. Its file is read at every start, so it imports what carries the command out only
 * when that is called. `exit` takes the exit code.
 */
export type Usage = (
  program: Command,
  context: { readonly terminal: Terminal; readonly exit: (code: number) => void },
) => void

export const directory = () =>
  new Option('-d, --directory <path>', 'project: millrace.yaml, topologies/, schemas/').default('.')
export const port = () =>
  new Option('--port <number>', "port of the API; by default the project's").argParser(number(0, 65_535))
export const apiPort = () =>
  new Option('--port <number>', "port of the API; by default that of --url or the project's").argParser(
    number(1, 65_535),
  )
export const url = () =>
  new Option('--url <url>', "where the API is; by default the project's http address. Token: variable MILLRACE_TOKEN")
export const json = () => new Option('--json', 'answer in JSON')

export function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}`
}

export function number(min: number, max: number, isWhole = false) {
  return (text: string): number => {
    const value = Number(text)
    if (text.trim() === '' || !(value >= min && value <= max) || (isWhole && !Number.isInteger(value)))
      throw new InvalidArgumentError(`expected a ${isWhole ? 'whole ' : ''}number from ${min} to ${max}.`)
    return value
  }
}
