import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { helpTexts } from '../../src/commands/program.ts'
import { call } from './cli.ts'

const scripts = new Map<string, Promise<string>>()
async function scriptOf(shell: string): Promise<string> {
  const script = scripts.get(shell) ?? call('completion', shell).then(({ out }) => out)
  scripts.set(shell, script)
  return script
}

/** What bash offers after these words, the last of them begun. */
async function offered(...words: readonly string[]): Promise<string[]> {
  const ask = `COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _millrace; printf "%s\\n" "\${COMPREPLY[@]}"`
  const program = `${await scriptOf('bash')}\n${ask}`
  return execFileSync('bash', ['-c', program, 'bash', 'millrace', ...words], { encoding: 'utf8' })
    .trim()
    .split('\n')
}

describe('completion of bash', () => {
  it('offers commands, and those that begin as what was written', async () => {
    expect(await offered('')).toEqual(expect.arrayContaining(['dev', 'check', 'features', 'completion', '--help']))
    expect(await offered('topo')).toEqual(['topologies'])
    expect(await offered('features', '')).toEqual(expect.arrayContaining(['get', 'watch']))
  })

  it('offers the options of the command that is meant, also after its arguments', async () => {
    const options = await offered('features', 'get', 'store', 'store-1', '--')
    expect(options).toEqual(expect.arrayContaining(['--feature', '--max-age', '--json']))
    expect(options).not.toContain('--rate')
  })

  it('offers folders, files and choices where these are wanted', async () => {
    expect(await offered('check', '-d', '/us')).toEqual(['/usr'])
    expect(await offered('dev', '--replay', '/etc/host')).toContain('/etc/hosts')
    expect(await offered('schema', '')).toEqual(expect.arrayContaining(['topology', 'project']))
    expect(await offered('dev', '--port', '')).toEqual([''])
  })
})

it.each(['zsh', 'fish'])('completion of %s knows every command', async (shell) => {
  const script = await scriptOf(shell)
  const paths = [...helpTexts().keys()].map((path) => path.replace(/^millrace ?/, '')).filter((path) => path !== '')
  for (const path of paths) expect(script).toContain(path)
})

it('takes no other shell', async () => {
  expect(await call('completion', 'tcsh')).toMatchObject({ code: 2, error: expect.stringContaining('bash, zsh, fish') })
})
