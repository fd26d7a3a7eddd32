import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { helpTexts } from '../src/commands/program.ts'
import { call } from './commands/cli.ts'

describe('help', () => {
  it.each([...helpTexts()])('of %s has an example, and fits a terminal', (path, text) => {
    expect(text.startsWith(`Usage: ${path}`)).toBe(true)
    expect(text).toMatch(/Examples:\n {2}millrace \w/)
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(120)
  })

  it.each([[[]], [['features', 'get']]])('of millrace %s is no failure', async (command) => {
    const { code, out } = await call(...command, '--help')
    expect(code).toBe(0)
    expect(out).toMatch(/^Usage: millrace/)
  })
})

it('says its version', async () => {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  expect(await call('--version')).toMatchObject({ code: 0, out: `${version}\n` })
})

it.each([
  [['chekc'], /unknown command 'chekc'[\s\S]*Did you mean check\?/],
  [['check', '--jsno'], /unknown option '--jsno'[\s\S]*Did you mean --json\?/],
  [['features', 'get', 'store'], /missing required argument 'id'/],
  [['dev', '--port', 'http'], /expected a number from 0 to 65535/],
  [['dev', '--rate', '0'], /expected a number from 0\.1 to 100000/],
])('wrong usage %j says what is wrong and exits with 2', async (args, message) => {
  const { code, out, error } = await call(...args)
  expect(error).toMatch(message)
  expect({ code, out }).toEqual({ code: 2, out: '' })
})
