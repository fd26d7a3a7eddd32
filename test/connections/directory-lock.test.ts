import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { lockDirectory } from '../../src/connections/directory-lock.ts'

describe('the lock of a directory', () => {
  let directory: string
  beforeEach(() => {
    directory = join(mkdtempSync(join(tmpdir(), 'millrace-lock-')), 'made')
  })
  afterEach(() => rmSync(join(directory, '..'), { recursive: true }))
  const holders = () => readFileSync(join(directory, 'lock'), 'utf8').split(' ')[0]

  it('makes the directory, names this process, and leaves nothing behind when let go', () => {
    const unlock = lockDirectory(directory)
    expect(holders()).toBe(`${process.pid}`)
    expect(readdirSync(directory)).toEqual(['lock'])
    unlock()
    expect(readdirSync(directory)).toEqual([])
  })

  it('makes the directory for this user alone, and those above it that are missing', () => {
    const inner = join(directory, 'log')
    lockDirectory(inner)()
    expect([directory, inner].map((path) => statSync(path).mode & 0o777)).toEqual([0o700, 0o700])
  })

  it('is refused while its process lives, and taken over when that is gone', async () => {
    const other = spawn('sleep', ['60'], { stdio: 'ignore' })
    lockDirectory(directory)
    const isLinux = process.platform === 'linux'
    const born = isLinux ? readFileSync(`/proc/${other.pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[19] : '-'
    writeFileSync(join(directory, 'lock'), `${other.pid} ${born} x\n`)
    expect(() => lockDirectory(directory)).toThrow(`process ${other.pid} holds ${directory}`)
    other.kill('SIGKILL')
    await once(other, 'exit')
    const unlock = lockDirectory(directory)
    expect(holders()).toBe(`${process.pid}`)
    expect(readdirSync(directory)).toEqual(['lock'])
    unlock()
  })

  it('of a dead process is taken over though its pid is given to a later one', () => {
    lockDirectory(directory)
    writeFileSync(join(directory, 'lock'), `${process.ppid} 1 x\n`)
    lockDirectory(directory)()
  })

  it('that holds nothing sensible is taken over', () => {
    lockDirectory(directory)
    for (const content of ['', 'nonsense', '-1 - x', '0']) {
      writeFileSync(join(directory, 'lock'), content)
      lockDirectory(directory)()
    }
  })

  it('that was taken over meanwhile is not let go by the one that lost it', () => {
    const unlock = lockDirectory(directory)
    writeFileSync(join(directory, 'lock'), '1 - other\n')
    unlock()
    expect(holders()).toBe('1')
  })
})
